"""Shapes of withdrawals."""

from __future__ import annotations

from marshmallow import fields, validate

from biobank.web.parser import Shape

EFFECT_WORDS = ("stop-collection", "no-further-use", "destroy", "own-care-only", "further-use-allowed")


class ComponentChoice(Shape):
    """One component and what may still be done with what is there."""

    component = fields.String(required=True)
    effect = fields.String(required=True, validate=validate.OneOf(EFFECT_WORDS))


class WithdrawalIn(Shape):
    """A withdrawal as the family says it."""

    study = fields.String(required=True)
    components = fields.List(fields.Nested(ComponentChoice), required=True, validate=validate.Length(min=1, max=50))
    signed_on = fields.Date(load_default=None)


class TubeEffect(Shape):
    """What was done to one tube."""

    specimen = fields.String(required=True)
    effect = fields.String(required=True)


class WithdrawalOut(Shape):
    """What was withdrawn and done."""

    chain = fields.String(required=True)
    seq = fields.Integer(required=True)
    components = fields.List(fields.Nested(ComponentChoice), required=True)
    tubes = fields.List(fields.Nested(TubeEffect), required=True)
