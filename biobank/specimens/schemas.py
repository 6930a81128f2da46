"""Shapes of collections and tubes."""

from __future__ import annotations

from marshmallow import fields, validate

from biobank.web.parser import Shape
from biobank.web.shapes import PageArgs, QuantityIn, QuantityOut

SHORT = validate.Length(min=1, max=80)


class CollectionIn(Shape):
    """A draw to plan; `anchor` is the ordinal of the event's anchor, by default the latest."""

    participant = fields.String(required=True)
    study = fields.String(required=True)
    event = fields.String(required=True)
    anchor = fields.Integer(load_default=None, strict=True, validate=validate.Range(min=1, max=1000))
    planned_on = fields.Date(required=True)


class HoldOut(Shape):
    """An open hold."""

    kind = fields.String(required=True)
    since = fields.Date(required=True)
    reason = fields.String(required=True, allow_none=True)


class ExternalCode(Shape):
    """A code the tube came with."""

    issuer = fields.String(required=True, validate=validate.Length(min=1, max=60))
    code = fields.String(required=True, validate=SHORT)


class SpecimenOut(Shape):
    """One tube as it stands now."""

    code = fields.String(required=True)
    kind = fields.String(required=True)
    material = fields.String(required=True)
    container_type = fields.String(required=True)
    purpose = fields.String(required=True)
    participant = fields.String(required=True)
    study = fields.String(required=True)
    collection = fields.String(required=True)
    event = fields.String(required=True, allow_none=True)
    parent = fields.String(required=True, allow_none=True)
    status = fields.String(required=True)
    reason = fields.String(required=True, allow_none=True)
    custodian = fields.String(required=True, allow_none=True)
    responsible = fields.String(required=True, allow_none=True)
    released_on = fields.Date(required=True, allow_none=True)
    position = fields.String(required=True, allow_none=True)
    is_out = fields.Boolean(required=True)
    remaining = fields.Nested(QuantityOut, required=True)
    reserved = fields.Nested(QuantityOut, required=True)
    certainty = fields.String(required=True)
    thaws = fields.Integer(required=True)
    holds = fields.List(fields.Nested(HoldOut), required=True)
    earmarks = fields.List(fields.String(), required=True)
    external_codes = fields.List(fields.Nested(ExternalCode), required=True)
    last_seen_at = fields.AwareDateTime(required=True, allow_none=True)
    etag = fields.String(required=True)


class WindowOut(Shape):
    """The days in which the event is drawn."""

    from_day = fields.Date(required=True, data_key="from")
    to_day = fields.Date(required=True, data_key="to")


class CollectionOut(Shape):
    """A draw with its tubes. `in_window` is null while the anchor is not known."""

    code = fields.String(required=True)
    participant = fields.String(required=True)
    study = fields.String(required=True)
    event = fields.String(required=True, allow_none=True)
    anchor = fields.Integer(required=True, allow_none=True)
    planned_on = fields.Date(required=True, allow_none=True)
    window = fields.Nested(WindowOut, required=True, allow_none=True)
    in_window = fields.Boolean(required=True, allow_none=True)
    drawn_at = fields.AwareDateTime(required=True, allow_none=True)
    specimens = fields.List(fields.Nested(SpecimenOut), required=True)


class ArrivalIn(Shape):
    """A tube that nobody planned."""

    participant = fields.String(required=True)
    study = fields.String(required=True)
    material = fields.String(required=True)
    container_type = fields.String(required=True)
    purpose = fields.String(required=True)
    collected_at = fields.AwareDateTime(required=True, format="iso")
    volume = fields.Nested(QuantityIn)
    cells = fields.Nested(QuantityIn)
    pieces = fields.Nested(QuantityIn)
    external_code = fields.Nested(ExternalCode)


class AliquotsIn(Shape):
    """`count` tubes of the same material and amount; another `material` makes derivatives."""

    count = fields.Integer(required=True, strict=True, validate=validate.Range(min=1, max=96))
    volume = fields.Nested(QuantityIn)
    cells = fields.Nested(QuantityIn)
    pieces = fields.Nested(QuantityIn)
    measured = fields.Nested(QuantityIn)
    material = fields.String()
    container_type = fields.String()
    occurred_at = fields.AwareDateTime(format="iso")


class ProcessingIn(Shape):
    """How it was made: g-force, minutes, °C (to a tenth)."""

    g = fields.Integer(strict=True, validate=validate.Range(min=1, max=200_000))
    minutes = fields.Integer(strict=True, validate=validate.Range(min=1, max=10_000))
    temperature = fields.Float(validate=validate.Range(min=-200, max=100))


class DerivativesIn(Shape):
    """`count` tubes of another material; `used` of this tube goes into it, by default all that is free."""

    material = fields.String(required=True)
    count = fields.Integer(required=True, strict=True, validate=validate.Range(min=1, max=96))
    volume = fields.Nested(QuantityIn)
    cells = fields.Nested(QuantityIn)
    pieces = fields.Nested(QuantityIn)
    used = fields.Nested(QuantityIn)
    processing = fields.Nested(ProcessingIn)
    container_type = fields.String()
    occurred_at = fields.AwareDateTime(format="iso")


class EntryRef(Shape):
    """Where an entry stands."""

    chain = fields.String(required=True)
    seq = fields.Integer(required=True)
    hash = fields.String(required=True)


class Made(Shape):
    """Tubes that were made, the parent as it stands now, and its entry."""

    specimens = fields.List(fields.Nested(SpecimenOut), required=True)
    parent = fields.Nested(SpecimenOut, required=True)
    entry = fields.Nested(EntryRef, required=True)


class Acted(Shape):
    """What an act did. `held`: it is recorded and the tube is on hold."""

    verdict = fields.String(required=True, validate=validate.OneOf(["done", "held"]))
    specimen = fields.Nested(SpecimenOut, required=True)
    entry = fields.Nested(EntryRef, required=True)


class EarmarkIn(Shape):
    """The sub-study this tube is for."""

    sub_study = fields.String(required=True)


class AmendmentIn(Shape):
    """Which entry is wrong, in what, and what is right."""

    entry = fields.Integer(required=True, strict=True, validate=validate.Range(min=1, max=2**31))
    field = fields.String(required=True, validate=validate.OneOf(["amount", "material", "container_type", "purpose"]))
    value = fields.Raw(required=True, metadata={"description": "a text, or a quantity for amount"})
    reason = fields.String(required=True, validate=validate.Length(min=1, max=1000))


class SpecimenArgs(PageArgs):
    """Filters of the list of tubes."""

    study = fields.String()
    participant = fields.String()
    material = fields.String()
    event = fields.String()
    status = fields.String()
    earmark = fields.String()


class SpecimenList(Shape):
    """A page of tubes."""

    items = fields.List(fields.Nested(SpecimenOut), required=True)
    next = fields.String(required=True, allow_none=True)


class EntryOut(Shape):
    """One entry of a chain; `body` is the exact hashed text."""

    chain = fields.String(required=True)
    seq = fields.Integer(required=True)
    act = fields.String(required=True)
    actor = fields.String(required=True, allow_none=True)
    station = fields.String(required=True, allow_none=True)
    organisation = fields.String(required=True, allow_none=True)
    occurred_at = fields.String(required=True)
    recorded_at = fields.String(required=True)
    facts = fields.Dict(required=True)
    notes = fields.Dict(required=True)
    body = fields.String(required=True)
    previous = fields.String(required=True)
    hash = fields.String(required=True)
    leaf_index = fields.Integer(metadata={"description": "its place in the tree, once it is sealed"})


class CustodyOut(Shape):
    """A tube's chain in `seq` order."""

    entries = fields.List(fields.Nested(EntryOut), required=True)


class Kin(Shape):
    """A tube in the tree."""

    code = fields.String(required=True)
    kind = fields.String(required=True)
    material = fields.String(required=True)
    status = fields.String(required=True)
    remaining = fields.Nested(QuantityOut, required=True)
    parents = fields.List(fields.String(), required=True)


class LineageOut(Shape):
    """Every tube that comes from the same draw."""

    collection = fields.String(required=True)
    specimens = fields.List(fields.Nested(Kin), required=True)
