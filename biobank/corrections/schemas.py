"""Shapes of corrections."""

from __future__ import annotations

from marshmallow import ValidationError, fields, validate, validates_schema

from biobank.corrections.rules import Kind, State
from biobank.web.parser import Shape
from biobank.web.shapes import QuantityOut

_REASON = validate.Length(min=1, max=1000)
_CODE = validate.Length(min=1, max=60)


class ReassignIn(Shape):
    """Whose a whole tree is: it changes places `with` another tree, or goes to a `participant` in a `study` (and a draw of theirs)."""

    with_ = fields.String(data_key="with", validate=_CODE, metadata={"description": "the other tree's drawn tube"})
    participant = fields.String(validate=_CODE)
    study = fields.String(validate=_CODE)
    collection = fields.String(validate=_CODE, metadata={"description": "default: a draw of its own is opened"})
    reason = fields.String(required=True, validate=_REASON)

    @validates_schema
    def one_way(self, data: dict[str, str], **_: object) -> None:
        """Either a swap or a move."""
        if "with_" in data:
            for name in ("participant", "study", "collection"):
                if name in data:
                    raise ValidationError("give this, or `with` for a swap; not both", name)
        else:
            for name in ("participant", "study"):
                if name not in data:
                    raise ValidationError("give `with` for a swap, or `participant` and `study` for another child", name)


class RevivalIn(Shape):
    """A tube that was lost or ended wrongly is here; without a position it is in somebody's hand, out of any slot."""

    reason = fields.String(required=True, validate=_REASON)
    position = fields.String(validate=validate.Length(min=1, max=40), metadata={"examples": ["C612FF2G:A1"]})


class ConfirmationIn(Shape):
    """Nothing to say but yes."""


class RefusalIn(Shape):
    """Why it is declined, or taken back."""

    reason = fields.String(load_default=None, allow_none=True, validate=_REASON)


class CorrectionsArgs(Shape):
    """Which corrections; those that wait, unless another state is named."""

    state = fields.String(load_default=State.WAITING.value, validate=validate.OneOf([*State, "all"]))
    after = fields.Integer(load_default=None, validate=validate.Range(min=1, max=2**53), metadata={"description": "the last number seen"})
    limit = fields.Integer(load_default=100, validate=validate.Range(min=1, max=1000))


class BelongsOut(Shape):
    """A child in a study, and a draw; no draw: one is opened when it is confirmed."""

    participant = fields.String(required=True)
    study = fields.String(required=True)
    collection = fields.String(required=True, allow_none=True)
    event = fields.String(required=True, allow_none=True)


class CorrectedTubeOut(Shape):
    """A tube as it was proposed, and what would happen to it if it were confirmed now."""

    code = fields.String(required=True)
    kind = fields.String(required=True)
    material = fields.String(required=True)
    status = fields.String(required=True)
    holds_opened = fields.List(fields.String(), required=True)
    holds_lifted = fields.List(fields.String(), required=True)
    reservations_ended = fields.List(fields.String(), required=True)
    earmarks_ended = fields.List(fields.String(), required=True)
    amount_back = fields.Nested(QuantityOut, required=True, allow_none=True)


class TreeOut(Shape):
    """A tree: whose it was when it was proposed, and whose it is to be (null: as it is)."""

    was = fields.Nested(BelongsOut, required=True)
    to = fields.Nested(BelongsOut, required=True, allow_none=True)
    specimens = fields.List(fields.Nested(CorrectedTubeOut), required=True)


class CorrectionOut(Shape):
    """A correction by two people."""

    id = fields.Integer(required=True)
    kind = fields.String(required=True, metadata={"enum": list(Kind)})
    state = fields.String(required=True, metadata={"enum": list(State)})
    reason = fields.String(required=True, allow_none=True)
    proposed_by = fields.String(required=True)
    proposed_at = fields.AwareDateTime(required=True, format="iso")
    decided_by = fields.String(required=True, allow_none=True)
    decided_at = fields.AwareDateTime(required=True, allow_none=True, format="iso")
    answer = fields.String(required=True, allow_none=True)
    position = fields.String(required=True, allow_none=True)
    trees = fields.List(fields.Nested(TreeOut), required=True)
    overtaken = fields.List(fields.String(), required=True, metadata={"description": "what has changed since; it can only be declined"})


class CorrectionsOut(Shape):
    """A page of corrections, newest first."""

    items = fields.List(fields.Nested(CorrectionOut), required=True)
    next = fields.String(required=True, allow_none=True)


class EntryRef(Shape):
    """Where an entry stands."""

    chain = fields.String(required=True)
    seq = fields.Integer(required=True)
    hash = fields.String(required=True)


class ConfirmedOut(Shape):
    """A confirmed correction, and the entry it wrote on every tube."""

    correction = fields.Nested(CorrectionOut, required=True)
    entries = fields.List(fields.Nested(EntryRef), required=True)


REASSIGN_IN = ReassignIn()
REVIVAL_IN = RevivalIn()
CONFIRMATION_IN = ConfirmationIn()
REFUSAL_IN = RefusalIn()
CORRECTIONS_ARGS = CorrectionsArgs()
CORRECTION = CorrectionOut()
CORRECTIONS = CorrectionsOut()
CONFIRMED = ConfirmedOut()
