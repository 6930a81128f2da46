"""Reading standings, holds, reservations; and the locks that every act takes first."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Select, and_, bindparam, func, null, select

from biobank.core.codes import Code
from biobank.core.db import AnyRow
from biobank.core.times import stamp
from biobank.core.work import Work
from biobank.custody.models import HoldRow, Lot, Posting, Reservation, Standing
from biobank.custody.rules import Hold, Place, Promise
from biobank.custody.rules import Standing as Fold
from biobank.ledger.models import Chain, Entry
from biobank.places.models import Container
from biobank.subjects.models import Enrolment, Participant

_STANDING = Standing.__table__
_ROW = select(_STANDING, Container.code.label("container")).outerjoin(Container, Container.id == Standing.container_id)
_LOCKED = (
    _ROW.add_columns(Chain.kind, Chain.ref, Chain.last_seq, Chain.last_hash, Chain.last_at)
    .join(Chain, Chain.id == Standing.chain_id)
    .where(Standing.specimen_id.in_(bindparam("ids", expanding=True)))
    .order_by(Standing.chain_id)
    .with_for_update(of=[_STANDING, Chain.__table__])
)
_BY_ID = _ROW.where(Standing.specimen_id.in_(bindparam("ids", expanding=True)))
_AT = _ROW.where(Standing.container_id == bindparam("container"), Standing.row == bindparam("r"), Standing.column == bindparam("c"))
_PARTICIPANTS = (
    select(Participant.id)
    .join(Standing, Standing.participant_id == Participant.id)
    .where(Standing.specimen_id.in_(bindparam("ids", expanding=True)))
    .order_by(Participant.id)
    .with_for_update(read=True, of=Participant.__table__)
)
_HOLDS = select(HoldRow.specimen_id, HoldRow.kind, HoldRow.since, HoldRow.opened_seq).where(
    HoldRow.specimen_id.in_(bindparam("ids", expanding=True)), HoldRow.closed_seq.is_(None)
).order_by(HoldRow.id)
_PROMISES = select(Reservation.specimen_id, Reservation.for_.label("for_"), Reservation.amount, Reservation.stage).where(
    Reservation.specimen_id.in_(bindparam("ids", expanding=True)), Reservation.closed_seq.is_(None)
).order_by(Reservation.id)


def lock_participants(work: Work, specimen_ids: Iterable[int]) -> set[int] | None:
    """The first lock of every act that asks consent: the tubes' participants, shared, in id order; their ids.

    None on SQLite, where a writing unit is alone.
    """
    if work.session.get_bind().dialect.name != "postgresql":
        return None
    return set(work.session.connection().execute(_PARTICIPANTS, {"ids": sorted(set(specimen_ids))}).scalars())


def locked(work: Work, specimen_ids: Iterable[int]) -> dict[int, AnyRow]:
    """Standing rows with the heads of their chains, locked in chain order; by specimen id."""
    ids = {"ids": sorted(set(specimen_ids))}
    rows = work.session.connection().execute(_LOCKED, ids).all()
    if any(row.container_id is not None and row.container is None for row in rows):
        # PostgreSQL gives a row that was waited for as it is now, but joined to the container it was in before: read again under the lock.
        rows = work.session.connection().execute(_LOCKED, ids).all()
    return {row.specimen_id: row for row in rows}


def standings(work: Work, specimen_ids: Iterable[int]) -> dict[int, AnyRow]:
    """Standing rows (with `container`, the code), by specimen id."""
    rows = work.session.connection().execute(_BY_ID, {"ids": sorted(set(specimen_ids))})
    return {row.specimen_id: row for row in rows}


def open_holds(work: Work, specimen_ids: Iterable[int]) -> dict[int, list[AnyRow]]:
    """Open holds (`kind, since, opened_seq`), oldest first, by specimen id."""
    found: dict[int, list[AnyRow]] = {}
    row: AnyRow
    for row in work.session.connection().execute(_HOLDS, {"ids": sorted(set(specimen_ids))}):
        found.setdefault(row.specimen_id, []).append(row)
    return found


def open_promises(work: Work, specimen_ids: Iterable[int]) -> dict[int, list[AnyRow]]:
    """Open reservations (`for_, amount, stage`), oldest first, by specimen id."""
    found: dict[int, list[AnyRow]] = {}
    row: AnyRow
    for row in work.session.connection().execute(_PROMISES, {"ids": sorted(set(specimen_ids))}):
        found.setdefault(row.specimen_id, []).append(row)
    return found


def folds(work: Work, rows: Sequence[AnyRow]) -> dict[int, Fold]:
    """The rules' view of standing rows, with their open holds and reservations; by specimen id."""
    held = [row.specimen_id for row in rows if row.open_holds]
    promised = [row.specimen_id for row in rows if row.open_reservations]
    holds = open_holds(work, held) if held else {}
    promises = open_promises(work, promised) if promised else {}
    return {row.specimen_id: _fold(row, holds.get(row.specimen_id, []), promises.get(row.specimen_id, [])) for row in rows}


def _fold(row: AnyRow, holds: Sequence[AnyRow], promises: Sequence[AnyRow]) -> Fold:
    return Fold(
        status=row.status, reason=row.reason, custodian=row.custodian, responsible=row.responsible, residual=row.residual,
        released_on=row.released_on.isoformat() if row.released_on else None, unit=row.unit, remaining=row.remaining,
        certainty=row.certainty, thaws=row.thaws,
        place=Place(row.container, row.row, row.column) if row.container_id is not None else None,
        placed_at=_stamp(row.placed_at), is_out=row.is_out, last_seen_at=_stamp(row.last_seen_at),
        holds=tuple(Hold(hold.kind, hold.since.isoformat()) for hold in holds),
        promises=tuple(Promise(promise.for_, promise.amount, promise.stage) for promise in promises),
    )


def _stamp(at: datetime | None) -> str | None:
    return stamp(at) if at else None


def held_by_consent(work: Work, enrolment_id: int) -> list[AnyRow]:
    """Every tube of an enrolment: `specimen_id, status, residual, open_holds`, in id order."""
    query = select(Standing.specimen_id, Standing.status, Standing.residual, Standing.open_holds).where(Standing.enrolment_id == enrolment_id)
    return list(work.session.execute(query.order_by(Standing.specimen_id)))


def promised_of(work: Work, enrolment_id: int) -> list[AnyRow]:
    """The tubes of an enrolment that are reserved: `specimen_id, for_`, one promise each, and `body`, the entry that reserved it."""
    query = (
        select(Reservation.specimen_id, Reservation.for_.label("for_"), Entry.body)
        .join(Standing, Standing.specimen_id == Reservation.specimen_id)
        .join(Entry, and_(Entry.chain_id == Standing.chain_id, Entry.seq == Reservation.opened_seq))
        .where(Standing.enrolment_id == enrolment_id, Reservation.closed_seq.is_(None))
        .order_by(Reservation.specimen_id)
    )
    return list(work.session.execute(query))


def in_container(work: Work, container_id: int) -> list[AnyRow]:
    """Standing rows of the tubes that have a position in a container, in one query."""
    query = _ROW.where(Standing.container_id == container_id).order_by(Standing.row, Standing.column)
    return list(work.session.execute(query))


def occupant(work: Work, container_id: int, row: int, column: int) -> AnyRow | None:
    """The tube whose position this is, also while it is checked out."""
    return work.session.connection().execute(_AT, {"container": container_id, "r": row, "c": column}).one_or_none()


def occupant_of(work: Work, place: Place) -> AnyRow | None:
    """The tube whose position this is, by the container's code."""
    query = _ROW.where(Container.code == place.container, Standing.row == place.row, Standing.column == place.column)
    return work.session.execute(query).one_or_none()


def by_codes(work: Work, codes: Iterable[str]) -> dict[str, AnyRow]:
    """Standing rows by tube code."""
    rows = work.session.execute(_ROW.where(Standing.code.in_(sorted(set(codes)))))
    return {row.code: row for row in rows}


def postings_of(work: Work, chain_ids: Iterable[int]) -> dict[tuple[int, int], list[AnyRow]]:
    """Postings by (chain id, seq), in line order."""
    found: dict[tuple[int, int], list[AnyRow]] = {}
    query = select(Posting.__table__).where(Posting.chain_id.in_(sorted(set(chain_ids)))).order_by(Posting.chain_id, Posting.seq, Posting.line)
    for row in work.session.execute(query):
        found.setdefault((row.chain_id, row.seq), []).append(row)
    return found


def unbalanced(work: Work, lot_ids: Iterable[int]) -> list[tuple[str, str | None, int]]:
    """Lots whose postings do not sum to zero (account NULL), or whose clearing account `aliquoted` does not end at zero: code, account, rest."""
    ids = sorted(set(lot_ids))
    every = (
        select(Lot.code, null().label("account"), func.sum(Posting.amount))
        .join(Posting, Posting.lot_id == Lot.id)
        .where(Lot.id.in_(ids))
        .group_by(Lot.code)
        .having(func.sum(Posting.amount) != 0)
    )
    clearing = (
        select(Lot.code, Posting.account, func.sum(Posting.amount))
        .join(Posting, Posting.lot_id == Lot.id)
        .where(Lot.id.in_(ids), Posting.account == "aliquoted")
        .group_by(Lot.code, Posting.account)
        .having(func.sum(Posting.amount) != 0)
    )
    found = [*work.session.execute(every), *work.session.execute(clearing)]
    return [(row[0], row[1], int(row[2])) for row in found]


def owners(work: Work, enrolment_ids: Iterable[int]) -> dict[int, tuple[int, str]]:
    """Participant id and study of enrolments, by id."""
    query = select(Enrolment.id, Enrolment.participant_id, Enrolment.study).where(Enrolment.id.in_(sorted(set(enrolment_ids))))
    return {row.id: (row.participant_id, row.study) for row in work.session.execute(query)}


def told_by(work: Work, chain_ids: Iterable[int]) -> dict[int, int]:
    """The number of the entry that says whose tube it is, where that is no longer the first: the last `reassign`; by chain id."""
    query = select(Entry.chain_id, func.max(Entry.seq)).where(Entry.chain_id.in_(sorted(set(chain_ids))), Entry.act == "reassign")
    return {row[0]: row[1] for row in work.session.execute(query.group_by(Entry.chain_id))}


def participant_codes(work: Work, ids: Iterable[int]) -> dict[int, str]:
    """Codes of participants, by id."""
    rows = work.session.execute(select(Participant.id, Participant.code).where(Participant.id.in_(sorted(set(ids)))))
    return {row.id: row.code for row in rows}


def held_ever(work: Work, specimen_ids: Iterable[int]) -> dict[int, list[AnyRow]]:
    """Every hold, open or closed, in the order of opening, by specimen id: for verification."""
    query = select(HoldRow.__table__).where(HoldRow.specimen_id.in_(sorted(set(specimen_ids))))
    return _by_specimen(work, query.order_by(HoldRow.opened_seq, HoldRow.kind))


def promised_ever(work: Work, specimen_ids: Iterable[int]) -> dict[int, list[AnyRow]]:
    """Every reservation, open or closed, in the order of opening, by specimen id: for verification."""
    columns = [column.label("for_") if column.name == "for" else column for column in Reservation.__table__.c]
    query = select(*columns).where(Reservation.specimen_id.in_(sorted(set(specimen_ids))))
    return _by_specimen(work, query.order_by(Reservation.opened_seq, Reservation.id))


def _by_specimen(work: Work, query: Select[Any]) -> dict[int, list[AnyRow]]:
    found: dict[int, list[AnyRow]] = {}
    row: AnyRow
    for row in work.session.execute(query):
        found.setdefault(row.specimen_id, []).append(row)
    return found


def links(work: Work, codes: Iterable[str]) -> dict[str, AnyRow]:
    """What a standing's ids stand for: the names of its chain and lot, and what its code is bound to; by tube code."""
    query = (
        select(
            Standing.code, Standing.specimen_id, Standing.unit, Standing.reserved, Standing.open_holds, Standing.open_reservations,
            Standing.container_id, Standing.row, Standing.column, Chain.kind, Chain.ref, Lot.code.label("lot"), Lot.unit.label("lot_unit"),
            Code.kind.label("bound_kind"), Code.ref.label("bound_ref"),
        )
        .outerjoin(Chain, Chain.id == Standing.chain_id)
        .outerjoin(Lot, Lot.id == Standing.lot_id)
        .outerjoin(Code, Code.code == Standing.code)
        .where(Standing.code.in_(sorted(set(codes))))
    )
    return {row.code: row for row in work.session.execute(query)}


def stray_postings(work: Work) -> list[tuple[str, int]]:
    """Postings of chains that are no tube's: name and seq."""
    query = (
        select(Chain.kind, Chain.ref, Posting.seq)
        .join(Chain, Chain.id == Posting.chain_id)
        .outerjoin(Standing, Standing.chain_id == Posting.chain_id)
        .where(Standing.specimen_id.is_(None))
        .order_by(Posting.chain_id, Posting.seq)
    )
    return [(f"{row.kind}/{row.ref}", row.seq) for row in work.session.execute(query)]
