"""Shapes of withdrawals."""

from __future__ import annotations

from typing import Any

from marshmallow import ValidationError, fields, validate, validates

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

    @validates("components")
    def _once_each(self, components: list[dict[str, str]], **_: Any) -> None:
        named = [choice["component"] for choice in components]
        twice = sorted({name for name in named if named.count(name) > 1})
        if twice:
            raise ValidationError(f"say one choice for each component; named twice: {', '.join(twice)}")


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
