"""The check that custody hands to the ledger's verification: refold every tube, and hold postings against entries."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from typing import Any

from biobank.core.db import AnyRow
from biobank.core.work import Work
from biobank.custody import queries
from biobank.custody.rules import OWNER, Standing, fold
from biobank.custody.rules.standing import OWN
from biobank.ledger.rules import Finding

PREFIX = "specimen/"
FOLDED = tuple(field.name for field in fields(Standing) if field.name not in OWNER)


def check_standings(work: Work, chains: Mapping[str, Sequence[dict[str, Any]]]) -> Iterator[Finding]:
    """Yields a Finding for every standing that is not the fold of its entries, and every posting that is not in its entry or unbalanced."""
    tubes = {name.removeprefix(PREFIX): bodies for name, bodies in chains.items() if name.startswith(PREFIX)}
    if not tubes:
        return
    rows = queries.by_codes(work, tubes)
    live = queries.folds(work, list(rows.values()))
    postings = queries.postings_of(work, [row.chain_id for row in rows.values()])
    participants = queries.participant_codes(work, [row.participant_id for row in rows.values()])
    owners = queries.owners(work, [row.enrolment_id for row in rows.values()])
    for code, bodies in tubes.items():
        name = PREFIX + code
        row = rows.get(code)
        if row is None:
            yield Finding(name, None, "standing", "the tube has entries but no standing")
            continue
        if row.seq != len(bodies):
            yield Finding(name, row.seq, "seq", f"the standing folds {row.seq} entries, {len(bodies)} are there")
        kept, expected = live[row.specimen_id], fold(bodies)
        for field in FOLDED:
            value, right = getattr(kept, field), getattr(expected, field)
            if value != right:
                yield Finding(name, row.seq, field, f"the standing says {value!r}, its entries give {right!r}")
        yield from _check_owner(name, row, bodies, expected, participants)
        if owners.get(row.enrolment_id) != (row.participant_id, row.study):
            yield Finding(name, row.seq, "enrolment", "the standing's enrolment is not that of its participant in its study")
        yield from _check_four_eyes(name, bodies)
        yield from _check_postings(name, row, bodies, postings)
    for lot, account, amount in queries.unbalanced(work, [row.lot_id for row in rows.values()]):
        yield Finding(f"{PREFIX}{lot}", None, account or "lot", f"the lot's postings leave {amount} where zero is right")


def _check_owner(
    name: str, row: AnyRow, bodies: Sequence[dict[str, Any]], expected: Standing, participants: Mapping[int, str]
) -> Iterator[Finding]:
    """Whose tube it is decides which consent counts: what its first entry says, until a `reassign` says otherwise."""
    first = bodies[0]["facts"] if bodies else {}
    corrected = [body["seq"] for body in bodies if body["act"] == "reassign"]
    for field, value in (("participant", participants.get(row.participant_id)), ("study", row.study)):
        right = getattr(expected, field)
        if (field in first or corrected) and right != value:
            said = f"entry {corrected[-1]} that corrected it" if corrected else "the first entry"
            yield Finding(name, corrected[-1] if corrected else 1, field, f"the standing says {value!r}, {said} {right!r}")


def _check_four_eyes(name: str, bodies: Sequence[dict[str, Any]]) -> Iterator[Finding]:
    """What needs two people names who proposed it, and that is not who wrote it."""
    for body in bodies:
        facts = body["facts"]
        if (body["act"] == "reassign" or facts.get("field") == "status") and facts.get("proposed_by") in {None, body["actor"]}:
            yield Finding(name, body["seq"], "proposed_by", "this entry needs two different people")


def _check_postings(
    name: str, tube: AnyRow, bodies: Sequence[dict[str, Any]], postings: Mapping[tuple[int, int], Sequence[Any]]
) -> Iterator[Finding]:
    chain_id = tube.chain_id
    entries = {body["seq"] for body in bodies}
    for body in bodies:
        lines = [[account, amount] for account, amount in body["facts"].get("effect", {}).get("lines", [])]
        if sum(amount for _, amount in lines) != 0:
            yield Finding(name, body["seq"], "lines", "the lines of this entry do not sum to zero")
        posted = postings.get((chain_id, body["seq"]), ())
        found = [[row.account, row.amount] for row in posted]
        if found != lines:
            yield Finding(name, body["seq"], "posting", f"the postings say {found}, the entry {lines}")
        elif [row.line for row in posted] != list(range(1, len(lines) + 1)) or any(
            row.lot_id != tube.lot_id or row.specimen_id != (tube.specimen_id if row.account == OWN else None) for row in posted
        ):
            yield Finding(name, body["seq"], "posting", "a posting names another lot, another tube or another line")
    for chain, seq in postings:
        if chain == chain_id and seq not in entries:
            yield Finding(name, seq, "posting", "a posting without an entry")
