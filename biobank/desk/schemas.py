"""Shapes of scans."""

from __future__ import annotations

from marshmallow import fields, validate

from biobank.specimens.schemas import Acted
from biobank.web.parser import Shape


class ContextIn(Shape):
    """What was scanned before the tube: the box, the pick list; or how many."""

    container = fields.String()
    pick_list = fields.String()
    count = fields.Integer(strict=True, validate=validate.Range(min=1, max=96))


class PositionIn(Shape):
    """A position in parts."""

    container = fields.String(required=True)
    row = fields.Integer(required=True, strict=True, validate=validate.Range(min=1, max=24))
    column = fields.Integer(required=True, strict=True, validate=validate.Range(min=1, max=24))


class ScanIn(Shape):
    """One scan: which thing, which act, and what goes with it. `position` is text (`C612FF2G:A1`) or its parts."""

    code = fields.String(required=True, validate=validate.Length(min=1, max=80))
    act = fields.String(required=True, validate=validate.Length(min=1, max=40))
    context = fields.Nested(ContextIn, load_default=dict)
    position = fields.Raw(load_default=None, metadata={"description": "text as C612FF2G:A1, or container, row and column"})
    facts = fields.Dict(keys=fields.String(), load_default=dict)
    occurred_at = fields.AwareDateTime(load_default=None, format="iso")
    device_now = fields.AwareDateTime(load_default=None, format="iso")
    station = fields.String(load_default=None, validate=validate.Length(min=1, max=40))


class ScanOut(Acted):
    """What the scan did: done, or recorded and held."""

    made = fields.List(fields.String(), metadata={"description": "codes of tubes that this act made"})
