"""Shapes of availability."""

from __future__ import annotations

from marshmallow import fields

from biobank.availability.rules import BY, FAMILIES, USES
from biobank.web.parser import Shape

_LIST = "several separated by commas"


class AvailabilityArgs(Shape):
    """What is asked."""

    purpose = fields.String(required=True, metadata={"description": "supply, use:<sub-study>, export or store", "examples": ["supply"]})
    uses = fields.String(load_default="", metadata={"description": f"declared uses of a supply: {', '.join(USES)}; {_LIST}"})
    to = fields.String(load_default=None, metadata={"description": "the receiving organisation: outside the EEA it needs consent for that"})
    study = fields.String(load_default="", metadata={"description": _LIST})
    organisation = fields.String(load_default="", metadata={"description": f"where the children are treated; {_LIST}"})
    material = fields.String(load_default="", metadata={"description": _LIST})
    family = fields.String(load_default="", metadata={"description": f"what it was drawn from: {', '.join(FAMILIES)}; {_LIST}"})
    event = fields.String(load_default="", metadata={"description": _LIST})
    disease = fields.String(load_default="", metadata={"description": _LIST})
    by = fields.String(load_default="", metadata={"description": f"axes of the cells: {', '.join(BY)}; {_LIST}"})


class CellOut(Shape):
    """One cell; it bears the axes asked for."""

    study = fields.String()
    organisation = fields.String()
    family = fields.String(metadata={"description": "marrow, blood, csf or other: what it was drawn from"})
    material = fields.String()
    event = fields.String(allow_none=True, metadata={"description": "null: drawn outside the plan"})
    disease = fields.String(allow_none=True)
    tubes = fields.Integer(required=True)
    participants = fields.Integer(required=True)


class ReasonOut(Shape):
    """Tubes that do not count, each under the first reason that applies."""

    reason = fields.String(required=True)
    title = fields.String(required=True)
    tubes = fields.Integer(required=True)


class AvailabilityOut(Shape):
    """Exact counts at one moment."""

    tubes = fields.Integer(required=True)
    participants = fields.Integer(required=True)
    cells = fields.List(fields.Nested(CellOut), required=True)
    not_available = fields.List(fields.Nested(ReasonOut), required=True)
    as_of = fields.AwareDateTime(required=True, format="iso")


AVAILABILITY_ARGS = AvailabilityArgs()
AVAILABILITY = AvailabilityOut()
