"""Shapes of consent."""

from __future__ import annotations

from marshmallow import fields, validate

from biobank.consent.rules import ANSWERS, AUTHORITIES, ROLES
from biobank.studies.rules import PURPOSES, USES
from biobank.web.parser import Shape

_WORD = validate.Length(min=1, max=60)


class SignatoryIn(Shape):
    """Who signed, and on which day."""

    role = fields.String(required=True, metadata={"enum": list(ROLES)})
    signed_on = fields.Date(required=True)


class DecisionIn(Shape):
    """A decision on one component. It is recorded even when somebody still has to sign."""

    study = fields.String(required=True, validate=_WORD)
    component = fields.String(required=True, validate=_WORD, metadata={"examples": ["residual_storage"]})
    answer = fields.String(required=True, metadata={"enum": list(ANSWERS)})
    form_version = fields.String(required=True, validate=_WORD, metadata={"examples": ["v1"]})
    signed_on = fields.Date(required=True)
    authority = fields.String(
        load_default=None, allow_none=True, metadata={"enum": [*AUTHORITIES, None], "description": "default: as told before, else joint"}
    )
    signatories = fields.List(fields.Nested(SignatoryIn), load_default=list, validate=validate.Length(max=10))


class VerdictArgs(Shape):
    """What a verdict is asked for."""

    study = fields.String(required=True, validate=_WORD)
    purpose = fields.String(
        required=True, validate=_WORD, metadata={"description": f"{', '.join(PURPOSES)}; a use names its sub-study", "examples": ["use:asparaginase"]}
    )
    on = fields.Date(load_default=None, metadata={"description": "default: today at the site"})
    uses = fields.String(load_default="", metadata={"description": f"declared uses of a supply, separated by commas: {', '.join(USES[:2])}"})
    to = fields.String(
        load_default=None, validate=_WORD, metadata={"description": "the receiving organisation; its country says whether it is outside the EEA"}
    )


class ReasonOut(Shape):
    """Why something is refused."""

    code = fields.String(required=True)
    component = fields.String(required=True, allow_none=True)
    roles = fields.List(fields.String(), metadata={"description": "who still has to sign"})
    study = fields.String()


class VerdictOut(Shape):
    """Whether a purpose is granted on a day."""

    participant = fields.String(required=True)
    study = fields.String(required=True)
    purpose = fields.String(required=True)
    uses = fields.List(fields.String(), required=True)
    on = fields.Date(required=True)
    granted = fields.Boolean(required=True)
    reasons = fields.List(fields.Nested(ReasonOut), required=True)
    rules_version = fields.String(required=True)


class SignatoryOut(Shape):
    """Who signed, and on which day."""

    role = fields.String(required=True)
    signed_on = fields.Date(required=True)


class EntryRef(Shape):
    """Where it stands in the ledger."""

    chain = fields.String(required=True)
    seq = fields.Integer(required=True)


class DecisionOut(Shape):
    """A decision as recorded; `withdrawn` comes from a withdrawal, which has an effect and no form."""

    component = fields.String(required=True)
    answer = fields.String(required=True, metadata={"enum": [*ANSWERS, "withdrawn"]})
    form_version = fields.String(required=True, allow_none=True)
    authority = fields.String(required=True, allow_none=True)
    effect = fields.String(required=True, allow_none=True)
    signed_on = fields.Date(required=True)
    recorded_at = fields.AwareDateTime(required=True, format="iso")
    signatories = fields.List(fields.Nested(SignatoryOut), required=True)
    entry = fields.Nested(EntryRef, required=True)


class PeriodOut(Shape):
    """Granted or refused from a day until the day before another (null: for good).

    A day that is a birthday is null without the permission for person facts; `at_birthday` and `until_birthday` tell which.
    """

    from_on = fields.Date(required=True, allow_none=True)
    until_on = fields.Date(required=True, allow_none=True)
    at_birthday = fields.Boolean(required=True)
    until_birthday = fields.Boolean(required=True)
    granted = fields.Boolean(required=True)
    reason = fields.String(required=True, allow_none=True)
    roles = fields.List(fields.String(), required=True)


class TodayOut(Shape):
    """What a component amounts to today."""

    granted = fields.Boolean(required=True)
    reasons = fields.List(fields.Nested(ReasonOut), required=True)


class ComponentOut(Shape):
    """One component: decisions, periods, and today."""

    component = fields.String(required=True)
    title = fields.String(required=True)
    assumed = fields.Boolean(required=True)
    today = fields.Nested(TodayOut, required=True)
    decisions = fields.List(fields.Nested(DecisionOut), required=True)
    periods = fields.List(fields.Nested(PeriodOut), required=True)


class JurisdictionOut(Shape):
    """Whose rule says who must sign; `assumed` without a source."""

    country = fields.String(required=True)
    title = fields.String(required=True)
    assumed = fields.Boolean(required=True)
    source = fields.List(fields.String(), required=True)


class StudyConsentOut(Shape):
    """The consent of one enrolment."""

    study = fields.String(required=True)
    version = fields.Integer(required=True)
    jurisdiction = fields.Nested(JurisdictionOut, required=True)
    components = fields.List(fields.Nested(ComponentOut), required=True)


class ConsentOut(Shape):
    """A participant's consent, per study and component."""

    participant = fields.String(required=True)
    studies = fields.List(fields.Nested(StudyConsentOut), required=True)


class DecidedOut(DecisionOut):
    """A decision as recorded, and what its component amounts to today."""

    study = fields.String(required=True)
    today = fields.Nested(TodayOut, required=True)


DECISION_IN, DECIDED = DecisionIn(), DecidedOut()
VERDICT_ARGS, VERDICT, CONSENT = VerdictArgs(), VerdictOut(), ConsentOut()
