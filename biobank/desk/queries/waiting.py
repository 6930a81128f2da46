"""What waits for a hand: the numbers of the home page, each one statement."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import Row, case, func, select

from biobank.core.work import Work
from biobank.custody.models import Standing
from biobank.desk.queries.tubes import TubeRow, seen_tubes, tubes_of
from biobank.ledger.models import Entry
from biobank.specimens.models import Collection, Specimen


@dataclass(frozen=True, slots=True)
class Waiting:
    """How many tubes wait for what, and since when the oldest does."""

    expected_today: int
    unreleased: int
    unstored: int
    unstored_since: datetime | None
    held: int
    out: int


def waiting(work: Work) -> Waiting:
    """The tubes the actor may see that wait for something, in one statement over the tubes here or expected."""
    here = Standing.status == "in_custody"
    unstored = here & Standing.container_id.is_(None) & (Standing.remaining > 0)

    def count(condition: Any) -> Any:
        return func.coalesce(func.sum(case((condition, 1), else_=0)), 0)

    query = (
        select(
            count((Standing.status == "expected") & (Collection.planned_on == work.today)),
            count(here & Standing.residual.is_(True) & Standing.released_on.is_(None) & (Specimen.kind == "primary")),
            count(unstored),
            func.min(case((unstored, Standing.last_seen_at))),
            count(here & (Standing.open_holds > 0)),
            count(here & Standing.is_out.is_(True)),
        )
        .select_from(Standing)
        .join(Specimen, Specimen.id == Standing.specimen_id)
        .join(Collection, Collection.id == Specimen.collection_id)
        .where(Standing.status.in_(("expected", "in_custody")), seen_tubes(work))
    )
    row = work.session.execute(query).one()
    return Waiting(int(row[0]), int(row[1]), int(row[2]), row[3], int(row[4]), int(row[5]))


def out_of_slot(work: Work, since: datetime, limit: int = 5) -> list[TubeRow]:
    """Tubes that were last in a hand before `since` and are still out of their slot, the longest first."""
    found = tubes_of(work, Standing.status == "in_custody", Standing.is_out.is_(True), Standing.last_seen_at < since, limit=200)
    return sorted(found, key=lambda tube: tube.last_seen_at or since)[:limit]


def intake_by_day(work: Work, since: datetime) -> list[Row[Any]]:
    """Primaries received since a moment: (day in UTC as ISO text or date, family, number)."""
    on = func.date(Entry.recorded_at)
    query = (
        select(on, Specimen.family, func.count())
        .join(Standing, Standing.chain_id == Entry.chain_id)
        .join(Specimen, Specimen.id == Standing.specimen_id)
        .where(Entry.act == "receive", Entry.recorded_at >= since, seen_tubes(work))
        .group_by(on, Specimen.family)
    )
    return list(work.session.execute(query))


def as_day(value: Any) -> date:
    """A day as either database gives it."""
    return value if isinstance(value, date) else date.fromisoformat(str(value)[:10])
