"""Freezer, tank, shelves, racks and boxes of the demo; a box that is full is followed by the next."""

from __future__ import annotations

from collections.abc import Iterable

from biobank.core.work import Work
from biobank.places.service import NewContainer, add_container
from biobank.specimens import queries as specimens
from biobank.storage import service as storage

SIDE = 9
# kind of box -> rack it stands in
BOXES = {"Marrow": "Rack 1", "Blood": "Rack 2", "CSF": "Rack 3", "Quarantine": "Rack 4", "Cells": "Tower 1"}
FAMILIES = {"marrow": "Marrow", "blood": "Blood", "csf": "CSF"}


class Freezers:
    """Where tubes go: viable cells into liquid nitrogen, tubes on hold into quarantine, the rest by family at -80 °C."""

    def __init__(self, work: Work) -> None:
        freezer = self._inside(work, "freezer", "Freezer A, -80 °C", None, "-60to-85")
        shelves = [self._inside(work, "shelf", f"Shelf {number}", freezer) for number in (1, 2)]
        tank = self._inside(work, "tank", "Tank B, liquid nitrogen", None, "LN")
        self._racks = {f"Rack {number}": self._inside(work, "rack", f"Rack {number}", shelves[number > 2]) for number in (1, 2, 3, 4)}
        self._racks["Tower 1"] = self._inside(work, "rack", "Tower 1", tank)
        self._boxes: dict[str, list[str]] = {kind: [] for kind in BOXES}
        self._filled = dict.fromkeys(BOXES, SIDE * SIDE)

    def _inside(self, work: Work, kind: str, title: str, parent: str | None, temperature: str | None = None) -> str:
        return add_container(work, NewContainer(kind, title, 0, 0, parent, temperature)).code

    def put(self, work: Work, specimen_ids: Iterable[int], act: str = "store") -> None:
        """Store or move tubes, each into the next free position of the box it belongs in."""
        for row in sorted(specimens.tubes(work, specimen_ids).values(), key=lambda row: int(row.id)):
            kind = "Quarantine" if row.open_holds else "Cells" if row.material == "MNC_VIABLE" else FAMILIES[row.family]
            storage.put(work, row.id, act, None, self._box(work, kind))

    def _box(self, work: Work, kind: str) -> str:
        # Positions that were left are not used again: the demo's boxes are filled from front to back.
        if self._filled[kind] == SIDE * SIDE:
            title = f"{kind} {len(self._boxes[kind]) + 1}"
            new = NewContainer("box", title, SIDE, SIDE, self._racks[BOXES[kind]])
            self._boxes[kind].append(add_container(work, new).code)
            self._filled[kind] = 0
        self._filled[kind] += 1
        return self._boxes[kind][-1]
