"""Shapes of containers and box maps."""

from __future__ import annotations

from marshmallow import fields, validate

from biobank.places.rules import KINDS, LARGEST, TEMPERATURES
from biobank.specimens.schemas import SpecimenOut
from biobank.web.parser import Shape
from biobank.web.shapes import QuantityOut


class ContainerIn(Shape):
    """A container to make; rows and columns are 0 for one that holds containers."""

    kind = fields.String(required=True, metadata={"examples": list(KINDS)})
    title = fields.String(required=True, validate=validate.Length(min=1, max=100))
    parent = fields.String(load_default=None)
    rows = fields.Integer(required=True, strict=True, validate=validate.Range(min=0, max=LARGEST))
    columns = fields.Integer(required=True, strict=True, validate=validate.Range(min=0, max=LARGEST))
    temperature_class = fields.String(load_default=None, metadata={"examples": list(TEMPERATURES)})


class Step(Shape):
    """A container on the way to another."""

    code = fields.String(required=True)
    kind = fields.String(required=True)
    title = fields.String(required=True)


class ContainerOut(Step):
    """A container, where it is, and how full."""

    rows = fields.Integer(required=True)
    columns = fields.Integer(required=True)
    temperature_class = fields.String(required=True, allow_none=True)
    parent = fields.String(required=True, allow_none=True)
    path = fields.List(fields.Nested(Step), required=True)
    inside = fields.List(fields.Nested(Step), required=True)
    filled = fields.Integer(required=True)
    next_free = fields.String(required=True, allow_none=True)


class Cell(Shape):
    """A taken position. `code`, `material`, `family`, `status` and `remaining` are null for a tube that the reader may not see."""

    position = fields.String(required=True)
    row = fields.Integer(required=True)
    column = fields.Integer(required=True)
    code = fields.String(required=True, allow_none=True)
    material = fields.String(required=True, allow_none=True)
    family = fields.String(required=True, allow_none=True)
    status = fields.String(required=True, allow_none=True)
    is_out = fields.Boolean(required=True)
    held = fields.Boolean(required=True)
    reserved = fields.Boolean(required=True)
    remaining = fields.Nested(QuantityOut, required=True, allow_none=True)


class MapOut(Shape):
    """Every taken position, and the next free one."""

    container = fields.String(required=True)
    rows = fields.Integer(required=True)
    columns = fields.Integer(required=True)
    next_free = fields.String(required=True, allow_none=True)
    cells = fields.List(fields.Nested(Cell), required=True)


class ContentsOut(Shape):
    """The tubes in a container, by position."""

    items = fields.List(fields.Nested(SpecimenOut), required=True)
    next = fields.String(required=True, allow_none=True)
