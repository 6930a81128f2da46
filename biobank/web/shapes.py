"""Shapes that several capabilities use."""

from __future__ import annotations

from marshmallow import INCLUDE, fields, validate

from biobank.core.units import UNITS
from biobank.web.parser import Shape


class QuantityIn(Shape):
    """A value with its unit; read exactly by `core.units.parse_quantity`."""

    value = fields.Raw(required=True, metadata={"type": "number", "examples": [250]})
    unit = fields.String(required=True, metadata={"enum": list(UNITS)})


class QuantityOut(Shape):
    """A quantity in a readable unit, and the exact integer in base units. `value` is null when the amount is not known."""

    value = fields.Raw(required=True, metadata={"type": ["number", "null"]})
    unit = fields.String(required=True)
    base = fields.Integer(required=True, allow_none=True)
    base_unit = fields.String(required=True)


class PageArgs(Shape):
    """Keyset paging: `after` is the key of the last item seen."""

    after = fields.String(load_default=None, validate=validate.Length(max=100), metadata={"description": "key of the last item seen"})
    limit = fields.Integer(load_default=100, validate=validate.Range(min=1, max=1000))


class FaultOut(Shape):
    """One wrong field."""

    pointer = fields.String(required=True)
    message = fields.String(required=True)
    met = fields.Raw(required=True, metadata={"description": "what was met"})


class Problem(Shape):
    """RFC 9457 problem details; facts of the refusal come as further members."""

    class Meta:
        """Each kind of refusal has facts of its own."""

        unknown = INCLUDE

    type = fields.String(required=True)
    title = fields.String(required=True)
    status = fields.Integer(required=True)
    detail = fields.String(required=True)
    instance = fields.String(required=True)
    faults = fields.List(fields.Nested(FaultOut))
