"""A tube's first entry. Everything that can be wrong about it stands in the body and can be amended; only code and kind are fixed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import insert

from biobank.core.times import stamp
from biobank.core.work import Work
from biobank.custody.models import Lot, Posting
from biobank.custody.models import Standing as StandingRow
from biobank.custody.rules import Hold, Standing, apply
from biobank.custody.rules.standing import OWN
from biobank.custody.service import writing
from biobank.ledger import service as ledger
from biobank.ledger.rules import GENESIS, Head, Line, Written


@dataclass(frozen=True, slots=True)
class Birth:
    """A tube that is registered. `lot_id` None opens a lot of its own; `from_account` is what its amount comes from in the lot.

    `holds` are inherited from the parent, `thaws` is the count at birth, `amount` is in base units of `unit` (None: unknown).
    """

    specimen_id: int
    code: str
    participant_id: int
    enrolment_id: int
    study: str
    facts: Mapping[str, Any]
    unit: str
    residual: bool
    responsible: str
    custodian: str
    status: str = ""
    released_on: str | None = None
    amount: int | None = None
    from_account: str = "collected"
    lot_id: int | None = None
    thaws: int = 0
    holds: tuple[Hold, ...] = ()
    occurred_at: datetime | None = None


def bear(work: Work, births: Sequence[Birth]) -> list[Written]:
    """Open the tubes' chains with their `register` entries and their standings."""
    if not births:
        return []
    chains = ledger.open_chains(work, "specimen", [birth.code for birth in births])
    lots = _lots(work, births)
    effects = [_effect(birth) for birth in births]
    heads = {chain: Head(f"specimen/{birth.code}", 0, GENESIS, None) for chain, birth in zip(chains, births, strict=True)}
    lines = [
        Line(chain, "register", {**birth.facts, "effect": effect}, birth.occurred_at)
        for chain, birth, effect in zip(chains, births, effects, strict=True)
    ]
    written = ledger.append(work, lines, heads)
    rows, postings = [], []
    for chain, birth, effect, lot in zip(chains, births, effects, lots, strict=True):
        standing = apply(Standing(), effect, stamp(birth.occurred_at or work.now))
        rows.append(
            {
                "specimen_id": birth.specimen_id, "code": birth.code, "chain_id": chain, "participant_id": birth.participant_id,
                "enrolment_id": birth.enrolment_id, "study": birth.study, "lot_id": lot, **writing.columns_of(standing, 1, None),
            }
        )
        postings += writing.posting_rows(chain, 1, lot, birth.specimen_id, effect)
    connection = work.session.connection()
    connection.execute(insert(StandingRow), rows)
    if postings:
        connection.execute(insert(Posting), postings)
    for birth, effect in zip(births, effects, strict=True):
        writing.write_side_rows(work, birth.specimen_id, 1, effect)
    return written


def _lots(work: Work, births: Sequence[Birth]) -> list[int]:
    new = [{"code": birth.code, "unit": birth.unit} for birth in births if birth.lot_id is None]
    made = iter(work.session.scalars(insert(Lot).returning(Lot.id, sort_by_parameter_order=True), new)) if new else iter(())
    return [birth.lot_id if birth.lot_id is not None else next(made) for birth in births]


def _effect(birth: Birth) -> dict[str, Any]:
    effect: dict[str, Any] = {
        "status": birth.status, "custodian": birth.custodian, "responsible": birth.responsible, "unit": birth.unit, "residual": birth.residual,
        "certainty": "unknown" if birth.amount is None else "known",
    }
    if birth.released_on is not None:
        effect["released_on"] = birth.released_on
    if birth.thaws:
        effect["thaws"] = birth.thaws
    if birth.amount:
        effect["lines"] = [[birth.from_account, -birth.amount], [OWN, birth.amount]]
    if birth.holds:
        effect["open"] = [{"kind": hold.kind, "since": hold.since} for hold in birth.holds]
    if birth.status == "in_custody":
        effect["seen"] = True
    return effect
