"""`/labels/designs`, `/specimens/{code}/label`, `/labels/sheets`."""

from __future__ import annotations

from typing import Any

import flask

from biobank.core.work import Work
from biobank.labels import service
from biobank.labels.rules import Design
from biobank.labels.schemas import DESIGNS, LABEL_ARGS, SHEET_IN, SHEET_OUT
from biobank.web.blueprint import ApiBlueprint

api = ApiBlueprint("labels", __name__, "Labels: designs, single labels for a look, sheets that are printed")

MEDIA = {"pdf": "application/pdf", "png": "image/png", "svg": "image/svg+xml"}
BINARY: dict[str, Any] = {"type": "string", "format": "binary"}


@api.get("/labels/designs", permission="read-labels")
@api.answers(200, DESIGNS)
def designs(work: Work) -> dict[str, Any]:
    """The label designs there are."""
    return {"items": [_shown(design) for design in service.designs(work)], "next": None}


@api.get("/specimens/<code>/label", permission="read-labels")
@api.takes(LABEL_ARGS, location="query")
@api.answers(200, BINARY, content_type=MEDIA["pdf"])
@api.answers(200, BINARY, content_type=MEDIA["png"])
@api.answers(200, BINARY, content_type=MEDIA["svg"])
def specimen_label(work: Work, args: dict[str, Any], code: str) -> flask.Response:
    """One label to look at. It writes nothing; a sheet does."""
    made = service.render_for_specimen(work, code, args["design"], args["format"], args["dpi"], args["note"])
    return _file(made, args["format"], "label")


@api.post("/labels/sheets", permission="print-labels")
@api.takes(SHEET_IN)
@api.answers(201, SHEET_OUT, headers={"Location": {"schema": {"type": "string"}, "description": "the PDF"}})
def print_sheet(work: Work, body: dict[str, Any]) -> tuple[dict[str, Any], int, dict[str, str]]:
    """Labels for tubes on sheets. Each tube's custody gets a `label` entry."""
    printed = service.print_sheet(work, body["specimens"], body["design"], body["start"])
    href = f"/api/v1/labels/sheets/{printed.code}"
    return {"id": printed.code, "href": href, "labels": printed.labels}, 201, {"Location": href}


@api.get("/labels/sheets/<code>", permission="read-labels")
@api.answers(200, BINARY, content_type=MEDIA["pdf"])
def sheet(work: Work, code: str) -> flask.Response:
    """The PDF of a sheet. It can be fetched again and writes nothing."""
    return _file(service.sheet(work, code), "pdf", "sheet")


def _file(made: bytes, form: str, name: str) -> flask.Response:
    # Never kept by browsers: what stands on a label changes with the tube.
    headers = {"Content-Disposition": f'inline; filename="{name}.{form}"', "Cache-Control": "no-store"}
    return flask.Response(made, content_type=MEDIA[form], headers=headers)


def _shown(design: Design) -> dict[str, Any]:
    stock = design.stock
    return {
        "code": design.code, "title": design.title, "made_for": design.made_for, "size_mm": [stock.width, stock.height],
        "fields_": list(design.fields), "dpi": list(design.resolutions), "places": stock.sheet.places if stock.sheet else None,
    }
