"""The container tree and the map of a box."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flask import redirect, render_template
from werkzeug.wrappers import Response

from biobank.core.errors import Refusal
from biobank.core.vocabulary import terms
from biobank.core.work import Work
from biobank.custody.rules.shown import shown_standing
from biobank.identity import service as identity
from biobank.places import queries as places
from biobank.places import service as keeping
from biobank.places.rules import KINDS, TEMPERATURES
from biobank.storage import queries
from biobank.web import forms, present
from biobank.web.blueprint import PageBlueprint
from biobank.web.language import _

if TYPE_CHECKING:
    from biobank.places.models import Container

pages = PageBlueprint("storage", "biobank.storage")


@pages.get("/storage", permission="read-storage")
def tree(work: Work) -> str:
    """All containers with how full they are."""
    return _tree_page(work)


@pages.post("/storage", permission="keep-places")
def add(work: Work) -> Response | tuple[str, int]:
    """A new container."""
    try:
        made = keeping.add_container(
            work,
            keeping.NewContainer(
                kind=forms.text("kind"), title=forms.text("title"), rows=forms.whole_or_none("rows") or 0,
                columns=forms.whole_or_none("columns") or 0, parent=forms.text("parent") or None,
                temperature_class=forms.text("temperature_class") or None,
            ),
        )
    except Refusal as refusal:
        return _tree_page(work, present.put_back(work, refusal)), refusal.status
    return redirect(f"/storage/{made.code}", 303)


@pages.get("/storage/<code>", permission="read-storage")
def container(work: Work, code: str) -> str:
    """One container: the map of a box, or what is inside a larger one. Raises CodeMistyped or CodeUnknown."""
    here = places.container(work, code)
    path = places.path_of(work, here)
    if not here.rows:
        below = [one for one in places.tree(work) if one.path.startswith(here.path)]
        nodes = _nodes(work, below, queries.fill(work))
        return render_template(
            "storage/tree.html", path=path, here=here, nodes=nodes, open_to=3, **_form_words(), refusal=None, typed={}
        )
    found = queries.box_map(work, here)
    box = box_view(work, found)
    materials: dict[str, int] = {}
    standings: dict[str, int] = {}
    for cell in box["cells"].values():
        materials[cell["family"]] = materials.get(cell["family"], 0) + 1
        standings[cell["standing"]] = standings.get(cell["standing"], 0) + 1
    shown = {"materials": materials, "standings": standings, "next": found.next_free_text}
    return render_template("storage/box.html", path=path, here=here, box=box, **shown)


def box_view(work: Work, found: queries.BoxMap) -> dict[str, Any]:
    """A box for the macro `box_map`: rows, columns, and a cell per taken position; tubes of studies the reader may not see stay unnamed."""
    known = terms(work, "material")
    cells: dict[str, dict[str, Any]] = {}
    for (row, column), tube in found.tubes.items():
        seen = any(identity.may(work, "read-specimens", tube.study, at) for at in (tube.custodian, tube.responsible) if at)
        term = known.get(tube.material)
        amount = "" if tube.certainty == "unknown" else present.quantity_text(tube.remaining, tube.unit)
        cells[f"{chr(64 + row)}{column}"] = {
            "code": tube.code if seen else "", "href": f"/specimens/{tube.code}" if seen else "",
            "family": tube.family if seen else "other", "standing": shown_standing(tube),
            # A cell of the map is narrow: cells are told in millions there.
            "about": " ".join(filter(None, [tube.event or "", amount.replace(" " + _("cells"), "")])) if seen else "",
            "title": (present.in_language(term.title, term.title_nl) if term else tube.material) if seen else _("tube of another study"),
            "event": (tube.event or "") if seen else "", "amount": amount if seen else "", "placed_at": tube.placed_at,
        }
    here = found.container
    return {"code": here.code, "title": here.title, "kind": here.kind, "rows": here.rows, "columns": here.columns, "cells": cells}


def _tree_page(work: Work, refusal: dict[str, Any] | None = None) -> str:
    nodes = _nodes(work, places.tree(work), queries.fill(work))
    typed = {name: forms.text(name) for name in ("kind", "title", "rows", "columns", "parent", "temperature_class")} if refusal else {}
    shown = _form_words() | {"refusal": refusal, "typed": typed}
    return render_template("storage/tree.html", path=[], here=None, nodes=nodes, open_to=_depth_shown(nodes), **shown)


def _depth_shown(nodes: list[dict[str, Any]]) -> int:
    """How deep the tree is unfolded at first: all of a small installation, freezers and shelves of a large one."""
    inside = sum(len(child["children"]) for node in nodes for child in node["children"])
    return 4 if inside <= 12 else 2


def _form_words() -> dict[str, Any]:
    kinds = {
        "freezer": _("Freezer"), "tank": _("Tank"), "refrigerator": _("Refrigerator"), "shelf": _("Shelf"), "rack": _("Rack"), "box": _("Box"),
        "quarantine": _("Quarantine"),
    }
    degrees = {
        "room": _("room temperature"), "2to10": "2 – 10 °C", "-18to-35": "−18 – −35 °C", "-60to-85": "−60 – −85 °C", "LN": _("liquid nitrogen"),
    }
    return {"kinds": {kind: kinds.get(kind, kind) for kind in KINDS}, "degrees": {one: degrees.get(one, one) for one in TEMPERATURES}}


def _nodes(work: Work, containers: list[Container], taken: dict[int, int]) -> list[dict[str, Any]]:
    """The containers as a tree: each with its children, its positions and how many are taken, sums included."""
    nodes: dict[int, dict[str, Any]] = {
        one.id: {"container": one, "children": [], "size": one.rows * one.columns, "taken": taken.get(one.id, 0)} for one in containers
    }
    roots: list[dict[str, Any]] = []
    for one in containers:
        above = nodes.get(one.parent_id or 0)
        (above["children"] if above else roots).append(nodes[one.id])
    for one in sorted(containers, key=lambda each: -len(each.path)):
        above = nodes.get(one.parent_id or 0)
        if above:
            above["size"] += nodes[one.id]["size"]
            above["taken"] += nodes[one.id]["taken"]
    return roots
