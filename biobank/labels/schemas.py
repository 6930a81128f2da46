"""Shapes of labels."""

from __future__ import annotations

from marshmallow import fields, validate

from biobank.labels.rules import DPIS, THINGS
from biobank.labels.service import DEFAULT_DESIGN, DEFAULT_DPI, FORMATS, MOST_LABELS
from biobank.web.parser import Shape

_CODE = validate.Length(min=1, max=40)


class DesignOut(Shape):
    """A label design."""

    code = fields.String(required=True)
    title = fields.String(required=True)
    made_for = fields.String(required=True, data_key="for", validate=validate.OneOf(THINGS))
    size_mm = fields.List(fields.Float(), required=True, metadata={"description": "width and height of the label"})
    fields_ = fields.List(fields.String(), required=True, data_key="fields", metadata={"description": "what it shows, out of a fixed list"})
    dpi = fields.List(fields.Integer(), required=True, metadata={"description": "the printers it is meant for"})
    places = fields.Integer(required=True, allow_none=True, metadata={"description": "labels on a sheet; null where they come on a roll only"})


class DesignsOut(Shape):
    """All designs."""

    items = fields.List(fields.Nested(DesignOut), required=True)
    next = fields.String(required=True, allow_none=True)


class LabelArgs(Shape):
    """How the label is drawn."""

    design = fields.String(load_default=DEFAULT_DESIGN, validate=_CODE)
    format = fields.String(load_default=FORMATS[0], validate=validate.OneOf(FORMATS))
    dpi = fields.Integer(load_default=DEFAULT_DPI, validate=validate.OneOf(DPIS))
    note = fields.String(load_default=None, validate=validate.Length(max=40), metadata={"description": "a free line, for designs that show one"})


class SheetIn(Shape):
    """Which tubes get labels, in this order."""

    specimens = fields.List(fields.String(validate=_CODE), required=True, validate=validate.Length(min=1, max=MOST_LABELS))
    design = fields.String(load_default=DEFAULT_DESIGN, validate=_CODE)
    start = fields.Integer(
        load_default=1, strict=True, validate=validate.Range(min=1, max=1000),
        metadata={"description": "the first place to use on the first sheet, counted from 1 row by row"},
    )


class SheetOut(Shape):
    """Where the sheet is fetched; its labels are in the custody of their tubes."""

    id = fields.String(required=True)
    href = fields.String(required=True)
    labels = fields.Integer(required=True)


DESIGNS = DesignsOut()
LABEL_ARGS = LabelArgs()
SHEET_IN = SheetIn()
SHEET_OUT = SheetOut()
