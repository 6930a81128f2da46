"""Rows behind a standing: moved by the same effect that stands in the entry."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import bindparam, insert, select, update

from biobank.core.codes import spaced
from biobank.core.db import AnyRow
from biobank.core.times import parse_stamp
from biobank.core.work import Work
from biobank.custody.models import HoldRow, Posting, Reservation
from biobank.custody.models import Standing as StandingRow
from biobank.custody.rules import Standing
from biobank.custody.rules.standing import OWN
from biobank.custody.service.doing import Belonging
from biobank.ledger.rules import ChainMoved
from biobank.places.models import Container

_MOVED = (
    "seq", "status", "reason", "custodian", "responsible", "residual", "released_on", "unit", "remaining", "reserved", "certainty", "thaws",
    "container_id", "row", "column", "placed_at", "is_out", "last_seen_at", "open_holds", "open_reservations",
)
_TABLE = StandingRow.__table__
# Guarded by the seq that was read: a standing never moves past an entry it has not folded.
_MOVE = (
    update(StandingRow)
    .where(StandingRow.specimen_id == bindparam("this"), StandingRow.seq == bindparam("was"))
    .values({_TABLE.c[name]: bindparam(f"to_{name}") for name in _MOVED})
    .execution_options(synchronize_session=False)
)
_BELONGS = (
    update(StandingRow)
    .where(StandingRow.specimen_id == bindparam("this"))
    .values(participant_id=bindparam("participant"), enrolment_id=bindparam("enrolment"), study=bindparam("in_study"))
    .execution_options(synchronize_session=False)
)
_CLOSE_HOLD = (
    update(HoldRow)
    .where(HoldRow.specimen_id == bindparam("this"), HoldRow.kind == bindparam("which"), HoldRow.closed_seq.is_(None))
    .values(closed_seq=bindparam("at"))
    .execution_options(synchronize_session=False)
)
_OPEN_PROMISE = (Reservation.specimen_id == bindparam("this"), Reservation.for_ == bindparam("which"), Reservation.closed_seq.is_(None))
_CLOSE_PROMISE = update(Reservation).where(*_OPEN_PROMISE).values(closed_seq=bindparam("at")).execution_options(synchronize_session=False)
_STAGE = update(Reservation).where(*_OPEN_PROMISE).values(stage=bindparam("to")).execution_options(synchronize_session=False)


@dataclass(frozen=True, slots=True)
class Change:
    """A tube's standing before and after an entry."""

    row: AnyRow
    before: Standing
    after: Standing
    seq: int
    effect: dict[str, Any]
    container_id: int | None
    belongs: Belonging | None = None


def columns_of(standing: Standing, seq: int, container_id: int | None) -> dict[str, Any]:
    """A standing as the columns of its row."""
    place = standing.place
    return {
        "seq": seq, "status": standing.status, "reason": standing.reason, "custodian": standing.custodian, "responsible": standing.responsible,
        "residual": standing.residual, "released_on": date.fromisoformat(standing.released_on) if standing.released_on else None,
        "unit": standing.unit, "remaining": standing.remaining, "reserved": standing.reserved, "certainty": standing.certainty,
        "thaws": standing.thaws, "container_id": container_id, "row": place.row if place else None, "column": place.column if place else None,
        "placed_at": parse_stamp(standing.placed_at) if standing.placed_at else None, "is_out": standing.is_out,
        "last_seen_at": parse_stamp(standing.last_seen_at) if standing.last_seen_at else None,
        "open_holds": len(standing.holds), "open_reservations": len(standing.promises),
    }


def write_changes(work: Work, changes: Sequence[Change]) -> None:
    """Move the standings and the rows behind them, in the order of the changes."""
    connection = work.session.connection()
    for change in changes:
        values = {f"to_{name}": value for name, value in columns_of(change.after, change.seq, _container_id(work, change)).items()}
        moved = connection.execute(_MOVE, {"this": change.row.specimen_id, "was": change.row.seq, **values})
        if moved.rowcount != 1:
            raise ChainMoved(chain=spaced(change.row.code))
        if change.belongs is not None:
            owner = change.belongs
            told = {"participant": owner.participant_id, "enrolment": owner.enrolment_id, "in_study": owner.study}
            connection.execute(_BELONGS, {"this": change.row.specimen_id, **told})
        write_side_rows(work, change.row.specimen_id, change.seq, change.effect)
    lines = [
        line
        for change in changes
        for line in posting_rows(change.row.chain_id, change.seq, change.row.lot_id, change.row.specimen_id, change.effect)
    ]
    if lines:
        connection.execute(insert(Posting), lines)


def _container_id(work: Work, change: Change) -> int | None:
    if change.after.place is None:
        return None
    if change.container_id is not None:
        return change.container_id
    if change.before.place is not None and change.before.place.container == change.after.place.container:
        return int(change.row.container_id)
    return work.session.execute(select(Container.id).where(Container.code == change.after.place.container)).scalar_one()


def posting_rows(chain_id: int, seq: int, lot_id: int, specimen_id: int, effect: dict[str, Any]) -> list[dict[str, Any]]:
    """The effect's double entry as rows."""
    return [
        {"chain_id": chain_id, "seq": seq, "line": number, "lot_id": lot_id, "account": account, "amount": amount,
         "specimen_id": specimen_id if account == OWN else None}
        for number, (account, amount) in enumerate(effect.get("lines", ()), start=1)
    ]


def write_side_rows(work: Work, specimen_id: int, seq: int, effect: dict[str, Any]) -> None:
    """Open and close holds and reservations as the effect says."""
    connection = work.session.connection()
    for kind in effect.get("close", ()):
        connection.execute(_CLOSE_HOLD, {"this": specimen_id, "which": kind, "at": seq})
    for hold in effect.get("open", ()):
        row = {"specimen_id": specimen_id, "kind": hold["kind"], "since": date.fromisoformat(hold["since"]), "opened_seq": seq, "closed_seq": None}
        connection.execute(insert(HoldRow), row)
    for which in effect.get("free", ()):
        connection.execute(_CLOSE_PROMISE, {"this": specimen_id, "which": which, "at": seq})
    if "promise" in effect:
        promise = effect["promise"]
        row = {"specimen_id": specimen_id, "for": promise["for"], "amount": promise["amount"], "stage": "reserved", "opened_seq": seq}
        connection.execute(insert(Reservation), row)
    if "stage" in effect:
        connection.execute(_STAGE, {"this": specimen_id, "which": effect["stage"]["for"], "to": effect["stage"]["stage"]})
