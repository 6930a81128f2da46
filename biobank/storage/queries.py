"""Reading what stands where."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import bindparam, func, select

from biobank.core.db import AnyRow
from biobank.core.work import Work
from biobank.custody import queries as custody
from biobank.custody.models import Standing
from biobank.places.models import Container
from biobank.places.rules import position_text
from biobank.specimens.queries import TUBE

_TAKEN = select(Standing.row, Standing.column).where(Standing.container_id == bindparam("container"))


@dataclass(frozen=True, slots=True)
class BoxMap:
    """A container's positions: what stands in each, and the next free one by rows."""

    container: Container
    tubes: dict[tuple[int, int], AnyRow]
    next_free: tuple[int, int] | None

    @property
    def next_free_text(self) -> str | None:
        """The next free position as `D6`."""
        return position_text(*self.next_free) if self.next_free else None


def box_map(work: Work, container: Container) -> BoxMap:
    """Every position of a container in one query."""
    rows: list[AnyRow] = list(work.session.execute(TUBE.where(Standing.container_id == container.id)))
    tubes = {(row.row, row.column): row for row in rows}
    return BoxMap(container, tubes, _first_free(container, set(tubes)))


def next_free(work: Work, container: Container) -> tuple[int, int] | None:
    """The first free position by rows, or None when the container is full."""
    taken = work.session.connection().execute(_TAKEN, {"container": container.id})
    return _first_free(container, {(row.row, row.column) for row in taken})


def _first_free(container: Container, taken: set[tuple[int, int]]) -> tuple[int, int] | None:
    every = ((row, column) for row in range(1, container.rows + 1) for column in range(1, container.columns + 1))
    return next((position for position in every if position not in taken), None)


def occupant(work: Work, container: Container, row: int, column: int) -> AnyRow | None:
    """The tube whose position this is."""
    return custody.occupant(work, container.id, row, column)


def fill(work: Work) -> dict[int, int]:
    """How many positions are taken, by container id."""
    query = select(Standing.container_id, func.count()).where(Standing.container_id.is_not(None)).group_by(Standing.container_id)
    return {row[0]: row[1] for row in work.session.execute(query) if row[0] is not None}
