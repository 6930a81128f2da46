"""Putting tubes in places."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

from biobank.core.codes import spaced
from biobank.core.db import AnyRow
from biobank.core.times import not_ahead
from biobank.core.work import Work
from biobank.custody.rules import ACTS, Place
from biobank.custody.service import Recorded, record
from biobank.custody.service.reading import read_doing
from biobank.places import queries as places
from biobank.places.models import Container
from biobank.places.rules import ContainerFull, parse_position, position_text
from biobank.specimens import queries as specimens
from biobank.storage import queries
from biobank.storage.rules import PositionNeeded, PositionOccupied

Position = str | dict[str, Any] | None


def put(
    work: Work, specimen_id: int, act: str, position: Position, container: str | None, facts: dict[str, Any] | None = None,
    occurred_at: datetime | None = None,
) -> Recorded:
    """Store or move a tube: to the position, or to the next free one of the container.

    Raises PositionOccupied that names the occupant and the next free position, ContainerFull, PositionNeeded, PositionMistyped,
    PositionOutside, NoPositions, CodeUnknown.
    """
    here, row, column = find_position(work, act, position, container)
    refuse_occupied(work, here, row, column, specimen_id)
    doing = read_doing(work, specimen_id, ACTS[act], facts or {}, not_ahead(occurred_at, work.now))
    return record(work, [replace(doing, place=Place(here.code, row, column), container_id=here.id)])[0]


def refuse_occupied(work: Work, here: Container, row: int, column: int, specimen_id: int) -> None:
    """Raises PositionOccupied, naming the occupant and the next free position, when another tube than this one stands there."""
    held_by = queries.occupant(work, here, row, column)
    if held_by is None or held_by.specimen_id == specimen_id:
        return
    free = queries.next_free(work, here)
    raise PositionOccupied(
        position=position_text(row, column), container=spaced(here.code), occupant=_named(work, held_by),
        next_free=position_text(*free) if free else "another box",
    )


def _named(work: Work, occupant: AnyRow) -> str:
    return spaced(occupant.code) if specimens.may_see(work, occupant) else "a tube that you may not see"


def find_position(work: Work, act: str, position: Position, container: str | None) -> tuple[Container, int, int]:
    """The container, row and column that are meant."""
    if isinstance(position, dict):
        here = places.container(work, str(position["container"]))
        row, column = int(position["row"]), int(position["column"])
    elif isinstance(position, str):
        named, row, column = parse_position(position)
        if named is None and container is None:
            raise PositionNeeded(act=act)
        here = places.container(work, named or str(container))
    elif container is not None:
        here = places.container(work, container)
        places.check_position(here, 1, 1)
        places.lock(work, here)
        free = queries.next_free(work, here)
        if free is None:
            raise ContainerFull(container=spaced(here.code))
        row, column = free
    else:
        raise PositionNeeded(act=act)
    places.check_position(here, row, column)
    return here, row, column
