"""Shapes of requests."""

from __future__ import annotations

from marshmallow import fields, validate

from biobank.availability.rules import FAMILIES, USES
from biobank.requests.rules import State
from biobank.web.parser import Shape
from biobank.web.shapes import PageArgs, QuantityIn, QuantityOut

_REASON = validate.Length(max=2000)


class ItemIn(Shape):
    """One wish: at most `n` tubes of a material."""

    material = fields.String(required=True, metadata={"examples": ["BM"]})
    n = fields.Integer(required=True, strict=True, metadata={"description": "tubes at most, 1 to 1000"})
    event = fields.String(load_default=None, metadata={"description": "only tubes of this event"})
    family = fields.String(load_default=None, metadata={"enum": list(FAMILIES), "description": "only what was drawn from this"})
    amount = fields.Nested(QuantityIn, load_default=None, metadata={"description": "each tube still holds this much; whole tubes are handed over"})


class RequestIn(Shape):
    """A new request."""

    study = fields.String(required=True)
    purpose = fields.String(required=True, metadata={"description": "supply, or use:<sub-study>", "examples": ["supply"]})
    items = fields.List(fields.Nested(ItemIn), required=True)
    uses = fields.List(fields.String(metadata={"enum": list(USES)}), load_default=list, metadata={"description": "declared uses of a supply"})
    title = fields.String(load_default=None, validate=validate.Length(max=200))
    organisation = fields.String(load_default=None, metadata={"description": "who receives the tubes; the requester's own when not told"})


class TransitionIn(Shape):
    """The next state."""

    to = fields.String(required=True, validate=validate.OneOf([str(state) for state in State]))
    reason = fields.String(load_default=None, validate=_REASON)


class AllocationIn(Shape):
    """Tubes for an item. Without `specimens` the plan chooses."""

    item = fields.Integer(required=True, strict=True, metadata={"description": "the item's number, from 1"})
    specimens = fields.List(fields.String(validate=validate.Length(max=40)), load_default=None, validate=validate.Length(min=1, max=1000))
    reason = fields.String(load_default=None, validate=_REASON, metadata={"description": "needed to take a last tube"})


class UnreserveIn(Shape):
    """Tubes to set free."""

    specimens = fields.List(fields.String(validate=validate.Length(max=40)), required=True, validate=validate.Length(min=1, max=1000))
    reason = fields.String(load_default=None, validate=_REASON)


class RequestsArgs(PageArgs):
    """Filters of the list."""

    state = fields.String(load_default=None, validate=validate.OneOf([str(state) for state in State]))
    study = fields.String(load_default=None)


class ListedOut(Shape):
    """A request in a list."""

    code = fields.String(required=True)
    study = fields.String(required=True)
    purpose = fields.String(required=True)
    title = fields.String(required=True, allow_none=True)
    organisation = fields.String(required=True)
    requester = fields.String(required=True)
    state = fields.String(required=True)
    created_at = fields.AwareDateTime(required=True, format="iso")
    asked = fields.Integer(required=True, metadata={"description": "tubes asked for"})
    open = fields.Integer(required=True, metadata={"description": "tubes reserved or picked"})


class RequestsOut(Shape):
    """A page of requests, newest first."""

    items = fields.List(fields.Nested(ListedOut), required=True)
    next = fields.String(required=True, allow_none=True)


class TubeOut(Shape):
    """A tube of an item; only insiders see codes."""

    specimen = fields.String(required=True)
    stage = fields.String(required=True, metadata={"enum": ["reserved", "picked", "delivered", "freed"]})
    freed_by = fields.String(required=True, allow_none=True, metadata={"description": "the act that set it free, or consent"})
    amount = fields.Nested(QuantityOut, required=True)
    held = fields.Boolean(required=True)
    identity = fields.String(
        required=True, allow_none=True,
        metadata={"enum": ["in-doubt", "corrected", None], "description": "it turned out to be another child's after it was handed over"},
    )


class ReasonOut(Shape):
    """Why a tube was taken or not."""

    specimen = fields.String(required=True)
    taken = fields.Boolean(required=True)
    last = fields.Boolean(required=True)
    reason = fields.String(required=True)
    text = fields.String(required=True)


class PlanOut(Shape):
    """A plan as it was applied; the same input gives the same hash and the same tubes."""

    input_sha256 = fields.String(required=True)
    at = fields.AwareDateTime(required=True, format="iso")
    chosen = fields.List(fields.String(), required=True)
    reasons = fields.List(fields.Nested(ReasonOut), required=True)


class ItemOut(Shape):
    """An item with what became of it; `tubes` and `plans` only for insiders."""

    item = fields.Integer(required=True)
    material = fields.String(required=True)
    family = fields.String(required=True, allow_none=True)
    event = fields.String(required=True, allow_none=True)
    n = fields.Integer(required=True)
    amount = fields.Nested(QuantityOut, required=True, allow_none=True)
    reserved = fields.Integer(required=True)
    picked = fields.Integer(required=True)
    delivered = fields.Integer(required=True)
    freed = fields.Integer(required=True)
    in_doubt = fields.Integer(required=True, metadata={"description": "delivered, but whose they are was wrong: results are withheld"})
    tubes = fields.List(fields.Nested(TubeOut))
    plans = fields.List(fields.Nested(PlanOut))


class StepOut(Shape):
    """A step the reader may take now."""

    to = fields.String(required=True)
    needs_reason = fields.Boolean(required=True)


class EntryOut(Shape):
    """An entry of the request's chain."""

    seq = fields.Integer(required=True)
    act = fields.String(required=True)
    actor = fields.String(required=True, allow_none=True)
    recorded_at = fields.AwareDateTime(required=True, format="iso")
    reason = fields.String(required=True, allow_none=True)
    hash = fields.String(required=True)


class RequestOut(Shape):
    """A request with its items, the steps open to the reader, and its history."""

    code = fields.String(required=True)
    study = fields.String(required=True)
    purpose = fields.String(required=True)
    uses = fields.List(fields.String(), required=True)
    title = fields.String(required=True, allow_none=True)
    organisation = fields.String(required=True)
    requester = fields.String(required=True)
    state = fields.String(required=True)
    created_at = fields.AwareDateTime(required=True, format="iso")
    etag = fields.String(required=True)
    items = fields.List(fields.Nested(ItemOut), required=True)
    transitions = fields.List(fields.Nested(StepOut), required=True)
    history = fields.List(fields.Nested(EntryOut), required=True)


class AllocationOut(Shape):
    """What was reserved, and why these."""

    request = fields.String(required=True)
    state = fields.String(required=True)
    etag = fields.String(required=True)
    item = fields.Integer(required=True)
    reserved = fields.List(fields.String(), required=True)
    short = fields.Integer(required=True, metadata={"description": "tubes asked for that could not be found"})
    input_sha256 = fields.String(required=True)
    reasons = fields.List(fields.Nested(ReasonOut), required=True)


class StopOut(Shape):
    """A tube to fetch, and where from."""

    specimen = fields.String(required=True)
    item = fields.Integer(required=True)
    material = fields.String(required=True)
    stage = fields.String(required=True, metadata={"enum": ["reserved", "picked"]})
    held = fields.Boolean(required=True)
    way = fields.List(fields.String(), required=True, metadata={"description": "titles from the freezer to the box"})
    container = fields.String(required=True, allow_none=True)
    position = fields.String(required=True, allow_none=True, metadata={"examples": ["C612FF2G:A1"]})


class PickListOut(Shape):
    """The tubes still to be handed over, in the order of the way through the freezers."""

    request = fields.String(required=True)
    state = fields.String(required=True)
    items = fields.List(fields.Nested(StopOut), required=True)


REQUEST_IN = RequestIn()
TRANSITION_IN = TransitionIn()
ALLOCATION_IN = AllocationIn()
UNRESERVE_IN = UnreserveIn()
REQUESTS_ARGS = RequestsArgs()
REQUESTS = RequestsOut()
REQUEST = RequestOut()
ALLOCATION = AllocationOut()
PICK_LIST = PickListOut()
