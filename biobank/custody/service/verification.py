"""The check that custody hands to the ledger's verification: refold every tube, and hold postings against entries."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from biobank.core.db import AnyRow
from biobank.core.work import Work
from biobank.custody import queries
from biobank.custody.rules import fold
from biobank.custody.rules.standing import OWN
from biobank.ledger.rules import Finding

PREFIX = "specimen/"


def check_standings(work: Work, chains: Mapping[str, Sequence[dict[str, Any]]]) -> Iterator[Finding]:
    """Yields a Finding for every standing that is not the fold of its entries, and every posting that is not in its entry or unbalanced."""
    tubes = {name.removeprefix(PREFIX): bodies for name, bodies in chains.items() if name.startswith(PREFIX)}
    if not tubes:
        return
    rows = queries.by_codes(work, tubes)
    live = queries.folds(work, list(rows.values()))
    postings = queries.postings_of(work, [row.chain_id for row in rows.values()])
    participants = queries.participant_codes(work, [row.participant_id for row in rows.values()])
    for code, bodies in tubes.items():
        name = PREFIX + code
        row = rows.get(code)
        if row is None:
            yield Finding(name, None, "standing", "the tube has entries but no standing")
            continue
        if row.seq != len(bodies):
            yield Finding(name, row.seq, "seq", f"the standing folds {row.seq} entries, {len(bodies)} are there")
        expected = asdict(fold(bodies))
        for field, value in asdict(live[row.specimen_id]).items():
            if value != expected[field]:
                yield Finding(name, row.seq, field, f"the standing says {value!r}, its entries give {expected[field]!r}")
        yield from _check_owner(name, row, bodies, participants)
        yield from _check_postings(name, row, bodies, postings)
    for lot, account, amount in queries.unbalanced(work, [row.lot_id for row in rows.values()]):
        yield Finding(f"{PREFIX}{lot}", None, account or "lot", f"the lot's postings leave {amount} where zero is right")


def _check_owner(name: str, row: AnyRow, bodies: Sequence[dict[str, Any]], participants: Mapping[int, str]) -> Iterator[Finding]:
    """Whose tube it is decides which consent counts."""
    first = bodies[0]["facts"] if bodies else {}
    for field, value in (("participant", participants.get(row.participant_id)), ("study", row.study)):
        if field in first and first[field] != value:
            yield Finding(name, 1, field, f"the standing says {value!r}, the first entry {first[field]!r}")


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
        elif any(row.lot_id != tube.lot_id or row.specimen_id != (tube.specimen_id if row.account == OWN else None) for row in posted):
            yield Finding(name, body["seq"], "posting", "a posting names another lot or another tube")
    for chain, seq in postings:
        if chain == chain_id and seq not in entries:
            yield Finding(name, seq, "posting", "a posting without an entry")
