"""Containers over the API."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from biobank.core.units import quantity_json
from biobank.core.work import Work
from biobank.places import queries as places
from biobank.places import service as containers
from biobank.places.rules import position_text
from biobank.specimens import queries as specimens
from biobank.storage import queries
from biobank.storage.schemas import ContainerIn, ContainerOut, ContentsOut, MapOut
from biobank.web.blueprint import ApiBlueprint

if TYPE_CHECKING:
    from biobank.places.models import Container

api = ApiBlueprint("storage", __name__, "Containers and positions")


def _shown(work: Work, here: Container) -> dict[str, Any]:
    path = places.path_of(work, here)
    found = queries.box_map(work, here)
    return {
        "code": here.code, "kind": here.kind, "title": here.title, "rows": here.rows, "columns": here.columns,
        "temperature_class": here.temperature_class,
        "parent": path[-2].code if len(path) > 1 else None, "path": path, "inside": places.children(work, here.id), "filled": len(found.tubes),
        "next_free": found.next_free_text,
    }


@api.post("/containers", permission="keep-places")
@api.takes(ContainerIn())
@api.answers(201, ContainerOut())
def add(work: Work, body: dict[str, Any]) -> dict[str, Any]:
    """Make a freezer, shelf, rack or box."""
    return _shown(work, containers.add_container(work, containers.NewContainer(**body)))


@api.get("/containers/<container>", permission="read-storage")
@api.answers(200, ContainerOut())
def one(work: Work, container: str) -> dict[str, Any]:
    """A container, its way from the outermost one, and what is directly inside."""
    return _shown(work, places.container(work, container))


@api.get("/containers/<container>/map", permission="read-storage")
@api.answers(200, MapOut())
def box_map(work: Work, container: str) -> dict[str, Any]:
    """Every taken position of a box."""
    here = places.container(work, container)
    found = queries.box_map(work, here)
    cells = [_cell(work, row, column, tube) for (row, column), tube in sorted(found.tubes.items())]
    return {"container": here.code, "rows": here.rows, "columns": here.columns, "next_free": found.next_free_text, "cells": cells}


def _cell(work: Work, row: int, column: int, tube: Any) -> dict[str, Any]:
    """A taken position; that something stands there is told to everybody, what it is only to those who may see the tube."""
    cell: dict[str, Any] = {"position": position_text(row, column), "row": row, "column": column}
    if not specimens.may_see(work, tube):
        hidden = dict.fromkeys(("code", "material", "family", "status", "remaining"))
        return cell | hidden | {"is_out": False, "held": False, "reserved": False}
    return cell | {
        "code": tube.code, "material": tube.material, "family": tube.family, "status": tube.status, "is_out": tube.is_out,
        "held": tube.open_holds > 0, "reserved": tube.open_reservations > 0,
        "remaining": quantity_json(None if tube.certainty == "unknown" else tube.remaining, tube.unit),
    }


@api.get("/containers/<container>/contents", permission="read-storage")
@api.answers(200, ContentsOut())
def contents(work: Work, container: str) -> dict[str, Any]:
    """The tubes in a box that the reader may see, by position."""
    found = queries.box_map(work, places.container(work, container))
    seen = [tube.id for _, tube in sorted(found.tubes.items()) if specimens.may_see(work, tube)]
    return {"items": specimens.shown(work, seen), "next": None}
