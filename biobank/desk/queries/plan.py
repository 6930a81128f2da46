"""The plan of draws: collections by day, and the tubes each expects."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import date, datetime
from typing import Any

from sqlalchemy import ColumnElement, case, func, select

from biobank.core.codes import CodeUnknown, resolve, spaced
from biobank.core.work import Work
from biobank.custody.models import Standing
from biobank.desk.queries.tubes import TubeRow, seen_tubes, tubes_of
from biobank.specimens.models import Collection, Specimen
from biobank.subjects.models import Enrolment, Participant

MOST = 500
FAMILIES = ("marrow", "blood", "csf")


@dataclass(frozen=True, slots=True)
class CollectionRow:
    """A planned or unplanned draw: how many of its tubes are expected still, arrived, and cancelled; `families` of its primaries."""

    id: int
    code: str
    event: str | None
    anchor_kind: str | None
    anchor_ordinal: int | None
    planned_on: date | None
    drawn_at: datetime | None
    organisation: str
    participant: str
    study: str
    version: int
    enrolment_id: int
    expected: int
    arrived: int
    cancelled: int
    families: tuple[str, ...] = ()


PlannedTube = TubeRow


def _rows(work: Work, *where: ColumnElement[bool]) -> list[CollectionRow]:
    def count(condition: ColumnElement[bool]) -> Any:
        return func.sum(case((condition, 1), else_=0))

    expected = Standing.status == "expected"
    cancelled = Standing.status == "cancelled"
    query = (
        select(
            Collection.id, Collection.code, Collection.event, Collection.anchor_kind, Collection.anchor_ordinal, Collection.planned_on,
            Collection.drawn_at, Collection.organisation, Participant.code, Enrolment.study, Enrolment.version, Enrolment.id,
            count(expected), count(~expected & ~cancelled), count(cancelled),
            *(count(Specimen.family == family) for family in FAMILIES),
        )
        .join(Enrolment, Enrolment.id == Collection.enrolment_id)
        .join(Participant, Participant.id == Enrolment.participant_id)
        .join(Specimen, Specimen.collection_id == Collection.id)
        .join(Standing, Standing.specimen_id == Specimen.id)
        .where(seen_tubes(work), Specimen.kind == "primary", *where)
        .group_by(Collection.id, Participant.code, Enrolment.id)
        .order_by(Collection.planned_on, Collection.id)
        .limit(MOST)
    )
    rows: list[Any] = list(work.session.execute(query))
    names = [field.name for field in fields(CollectionRow)][:-1]
    return [
        CollectionRow(**dict(zip(names, row[: -len(FAMILIES)], strict=True)), families=_present(row[-len(FAMILIES) :])) for row in rows
    ]


def _present(counts: Sequence[int]) -> tuple[str, ...]:
    """The families of which there is some."""
    return tuple(family for family, n in zip(FAMILIES, counts, strict=True) if n)


def collections_between(work: Work, first: date, last: date) -> list[CollectionRow]:
    """Draws planned from `first` to `last`, both inclusive, that the actor may see."""
    return _rows(work, Collection.planned_on >= first, Collection.planned_on <= last)


def collections_of(work: Work, enrolment_ids: list[int]) -> list[CollectionRow]:
    """All draws of enrolments, planned or not."""
    return _rows(work, Collection.enrolment_id.in_(enrolment_ids))


def overdue(work: Work, before: date) -> list[CollectionRow]:
    """Draws planned before a day of which nothing has arrived and nothing was cancelled."""
    some_expected = select(Standing.specimen_id).join(Specimen, Specimen.id == Standing.specimen_id).where(
        Specimen.collection_id == Collection.id, Standing.status == "expected"
    )
    return _rows(work, Collection.planned_on < before, some_expected.exists())


def overdue_count(work: Work, before: date) -> int:
    """How many tubes planned before a day have neither arrived nor been cancelled."""
    query = (
        select(func.count())
        .select_from(Standing)
        .join(Specimen, Specimen.id == Standing.specimen_id)
        .join(Collection, Collection.id == Specimen.collection_id)
        .join(Enrolment, Enrolment.id == Standing.enrolment_id)
        .where(Standing.status == "expected", Collection.planned_on < before, seen_tubes(work))
    )
    return int(work.session.execute(query).scalar_one())


def collection(work: Work, scanned: str) -> CollectionRow:
    """The draw with this code. Raises CodeMistyped, or CodeUnknown also when the actor may not see it."""
    code, _, ref = resolve(work.session, scanned, "collection")
    found = _rows(work, Collection.id == ref)
    if not found:
        raise CodeUnknown(code=spaced(code), what="collection", key=code)
    return found[0]


def planned_tubes(work: Work, collection_id: int) -> list[TubeRow]:
    """The primaries of a draw with their standing."""
    return tubes_of(work, Specimen.collection_id == collection_id, Specimen.kind == "primary")
