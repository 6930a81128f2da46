"""The place a tube that comes back is put in."""

from __future__ import annotations

from biobank.core.codes import spaced
from biobank.core.work import Work
from biobank.places.models import Container
from biobank.places.rules import position_text
from biobank.specimens import queries as specimens
from biobank.storage import queries as storage
from biobank.storage.rules import PositionOccupied


def refuse_occupied(work: Work, here: Container, row: int, column: int) -> None:
    """Raises PositionOccupied that names the occupant and the next free position."""
    held_by = storage.occupant(work, here, row, column)
    if held_by is None:
        return
    free = storage.next_free(work, here)
    raise PositionOccupied(
        position=position_text(row, column), container=spaced(here.code),
        occupant=spaced(held_by.code) if specimens.may_see(work, held_by) else "a tube that you may not see",
        next_free=position_text(*free) if free else "another box",
    )
