"""The check of the rows behind a standing: every hold, reservation, lot and verdict that its entries tell, and none besides."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from biobank.consent import queries as consent
from biobank.core.db import AnyRow
from biobank.core.times import stamp
from biobank.core.work import Work
from biobank.custody import queries
from biobank.custody.rules.past import PastHold, PastPromise, past
from biobank.ledger.rules import Finding

PREFIX = "specimen/"


def check_traces(work: Work, chains: Mapping[str, Sequence[dict[str, Any]]]) -> Iterator[Finding]:
    """Yields a Finding for every hold, reservation, lot, bound code or kept verdict that is not what the tube's entries give.

    Verdicts that were erased are left alone. With no chains: postings that no tube has.
    """
    if not chains:
        for name, seq in queries.stray_postings(work):
            yield Finding(name, seq, "posting", "a posting in a chain that is no tube's")
    tubes = {name.removeprefix(PREFIX): bodies for name, bodies in chains.items() if name.startswith(PREFIX)}
    if not tubes:
        return
    rows = queries.links(work, tubes)
    ids = [row.specimen_id for row in rows.values()]
    holds, promises = queries.held_ever(work, ids), queries.promised_ever(work, ids)
    verdicts = consent.verdicts_given(work, _verdict_ids(tubes))
    lots = _lots(work, tubes, rows)
    for code, bodies in tubes.items():
        row = rows.get(code)
        if row is None:
            continue
        name = PREFIX + code
        yield from _check_links(name, row, lots[code])
        yield from _check_past(name, row, bodies, holds.get(row.specimen_id, []), promises.get(row.specimen_id, []))
        yield from _check_verdicts(name, bodies, verdicts)


def _first(bodies: Sequence[dict[str, Any]]) -> Mapping[str, Any]:
    return bodies[0]["facts"] if bodies else {}


def _lots(work: Work, tubes: Mapping[str, Sequence[dict[str, Any]]], rows: Mapping[str, AnyRow]) -> dict[str, str | None]:
    """The code of the lot that each tube belongs to: an aliquot's is its parent's, every other tube has one of its own."""
    above = {code: facts["parents"][0] for code in tubes if (facts := _first(tubes[code])).get("kind") == "aliquot" and facts.get("parents")}
    known = {code: row.lot for code, row in rows.items()}
    missing = set(above.values()) - known.keys()
    if missing:
        known |= {code: row.lot for code, row in queries.links(work, missing).items()}
    return {code: known.get(above[code]) if code in above else code for code in tubes}


def _check_links(name: str, row: AnyRow, lot: str | None) -> Iterator[Finding]:
    if f"{row.kind}/{row.ref}" != name:
        yield Finding(name, None, "chain_id", f"the standing belongs to the chain {row.kind}/{row.ref}")
    if row.lot != lot or row.lot_unit != row.unit:
        yield Finding(name, None, "lot", f"the tube is in the lot {row.lot} of {row.lot_unit}, its entries give {lot} of {row.unit}")
    if row.container_id is None and (row.row, row.column) != (None, None):
        yield Finding(name, None, "place", "a position without a container")
    if (row.bound_kind, row.bound_ref) != ("specimen", row.specimen_id):
        yield Finding(name, None, "code", "the code is not bound to this tube: a scan would find something else")


def _check_past(
    name: str, row: AnyRow, bodies: Sequence[dict[str, Any]], holds: Sequence[AnyRow], promises: Sequence[AnyRow]
) -> Iterator[Finding]:
    told = past(bodies)
    kept_holds = {PastHold(one.kind, one.since.isoformat(), one.opened_seq, one.closed_seq) for one in holds}
    kept_promises = {PastPromise(one.for_, one.amount, one.stage, one.opened_seq, one.closed_seq) for one in promises}
    pairs: tuple[tuple[str, set[Any], set[Any], int, int], ...] = (
        ("hold", kept_holds, set(told.holds), len(holds), len(told.holds)),
        ("reservation", kept_promises, set(told.promises), len(promises), len(told.promises)),
    )
    for field, kept, given, rows, entries in pairs:
        for one in sorted(given - kept, key=str):
            yield Finding(name, one.opened_seq, field, f"there is no row for what this entry opened: {one}")
        for one in sorted(kept - given, key=str):
            yield Finding(name, one.opened_seq, field, f"no entry gives this row: {one}")
        if kept == given and rows != entries:
            yield Finding(name, None, field, f"{rows} rows, the entries give {entries}")
    counts = {
        "open_holds": (row.open_holds, sum(one.closed_seq is None for one in told.holds)),
        "open_reservations": (row.open_reservations, sum(one.closed_seq is None for one in told.promises)),
        "reserved": (row.reserved, sum(one.amount for one in told.promises if one.closed_seq is None)),
    }
    for field, (kept_count, given_count) in counts.items():
        if kept_count != given_count:
            yield Finding(name, None, field, f"the standing says {kept_count}, its entries give {given_count}")


def _verdict_ids(tubes: Mapping[str, Sequence[dict[str, Any]]]) -> list[int]:
    return [body["facts"]["verdict"]["id"] for bodies in tubes.values() for body in bodies if "verdict" in body["facts"]]


def _check_verdicts(name: str, bodies: Sequence[dict[str, Any]], verdicts: Mapping[int, AnyRow]) -> Iterator[Finding]:
    """What can be held against the entry: the purpose, the outcome, that reasons and outcome agree, and when it was given."""
    before = ""
    owners: set[tuple[Any, Any]] = set()
    for body in bodies:
        for source in (body["facts"], body["facts"].get("effect", {})):
            if "participant" in source:
                owners.add((source["participant"], source.get("study")))
        told = body["facts"].get("verdict")
        kept = verdicts.get(told["id"]) if told else None
        if told and kept is not None:
            if (kept.purpose, kept.granted) != (told["purpose"], told["granted"]):
                met = f"the kept verdict says {kept.purpose} {kept.granted}, the entry {told['purpose']} {told['granted']}"
                yield Finding(name, body["seq"], "verdict", met)
            if kept.reasons is not None and (kept.reasons == "[]") != kept.granted:
                yield Finding(name, body["seq"], "verdict", "the kept reasons and the outcome do not go together")
            if (kept.participant, kept.study) not in owners:
                yield Finding(name, body["seq"], "verdict", f"the kept verdict was asked of {kept.participant}, whose tube this never was")
            # Where the clock stepped back, `recorded_at` is that of the entry before, and the verdict older.
            if stamp(kept.at) > body["recorded_at"] or (body["recorded_at"] > before and stamp(kept.at) != body["recorded_at"]):
                yield Finding(name, body["seq"], "verdict", f"the kept verdict was given at {stamp(kept.at)}, the entry recorded later or earlier")
        before = body["recorded_at"]
