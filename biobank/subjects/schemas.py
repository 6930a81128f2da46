"""Shapes of participants."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any, TypeVar

from marshmallow import ValidationError, fields, validate

from biobank.subjects.rules import SEXES
from biobank.web.parser import Shape
from biobank.web.shapes import PageArgs

Day = TypeVar("Day", date, datetime)
_WORD = validate.Length(min=1, max=40)


class DayOrMoment(fields.Field[Any]):
    """A civil day at the site, or a time with its offset when it is known."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **options: Any) -> date | datetime:
        try:
            if isinstance(value, str) and len(value) == len("2026-11-20"):
                return _in_a_lifetime(date.fromisoformat(value))
            moment = datetime.fromisoformat(value)
        except (TypeError, ValueError):
            raise ValidationError("give a day, as 2026-11-20, or a time with its offset, as 2026-11-20T09:30:00+01:00") from None
        if moment.tzinfo is None:
            raise ValidationError("give the time with its offset, as 2026-11-20T09:30:00+01:00")
        return _in_a_lifetime(moment)


def _in_a_lifetime(at: Day) -> Day:
    # Further away, turning a time into another zone leaves the calendar.
    if not 1900 <= at.year <= 2200:
        raise ValidationError("give a year from 1900 to 2200")
    return at


def _at() -> DayOrMoment:
    return DayOrMoment(required=True, metadata={"type": "string", "examples": ["2026-11-20", "2026-11-20T09:30:00+01:00"]})


def _ordinal() -> fields.Integer:
    said = "of the one whose day is corrected; without it the next one of its kind is added"
    return fields.Integer(load_default=None, allow_none=True, strict=True, validate=validate.Range(min=1, max=1000), metadata={"description": said})


class EpisodeIn(Shape):
    """An episode of disease."""

    kind = fields.String(required=True, validate=_WORD, metadata={"examples": ["primary"]})
    diagnosed_on = fields.Date(required=True)
    disease_group = fields.String(required=True, validate=_WORD, metadata={"examples": ["BCP_ALL"]})
    genetics = fields.List(
        fields.String(validate=_WORD), load_default=None, allow_none=True, validate=validate.Length(max=50),
        metadata={"description": "null: not known; empty: nothing was found"},
    )


class EnrolmentIn(Shape):
    """An enrolment."""

    study = fields.String(required=True, validate=_WORD, metadata={"examples": ["alltogether1"]})
    organisation = fields.String(required=True, validate=_WORD)
    subject_number = fields.String(required=True, validate=_WORD)
    enrolled_on = fields.Date(load_default=None, allow_none=True, metadata={"description": "default: today at the site"})
    stratum = fields.String(load_default=None, allow_none=True, validate=_WORD)
    episode = fields.Nested(EpisodeIn, load_default=None, allow_none=True)
    override_reason = fields.String(
        load_default=None, allow_none=True, validate=validate.Length(min=1, max=2000),
        metadata={"description": "why the child is taken in although a rule is not met; kept for ever"},
    )


class ParticipantIn(EnrolmentIn):
    """A new participant and the first enrolment."""

    birth_date = fields.Date(required=True)
    sex = fields.String(required=True, metadata={"enum": list(SEXES)})


class AnchorIn(Shape):
    """A day to count from."""

    study = fields.String(required=True, validate=_WORD)
    kind = fields.String(required=True, validate=_WORD, metadata={"examples": ["treatment_start"]})
    at = _at()
    ordinal = _ordinal()


class DoseIn(Shape):
    """An asparaginase dose."""

    study = fields.String(required=True, validate=_WORD)
    at = _at()
    product = fields.String(required=True, validate=_WORD, metadata={"examples": ["PEG_Ecoli"]})
    units_per_m2 = fields.Integer(required=True, strict=True, metadata={"description": "whole IU per square metre", "examples": [1500]})
    route = fields.String(required=True, validate=_WORD, metadata={"examples": ["IV"]})
    ordinal = _ordinal()


class DeathIn(Shape):
    """A death."""

    deceased_on = fields.Date(required=True, allow_none=True, metadata={"description": "null takes a mistaken one back"})


class PersonIn(Shape):
    """Person facts, corrected."""

    birth_date = fields.Date(required=True)
    sex = fields.String(required=True, metadata={"enum": list(SEXES)})


class ParticipantsArgs(PageArgs):
    """Filters of the list."""

    study = fields.String(load_default=None, validate=_WORD)


class DoseOut(Shape):
    """What was given; units are IU per square metre."""

    product = fields.String(required=True)
    units_per_m2 = fields.Integer(required=True)
    route = fields.String(required=True)


class AnchorOut(Shape):
    """A day that sampling is counted from."""

    study = fields.String(required=True)
    kind = fields.String(required=True)
    ordinal = fields.Integer(required=True)
    at = fields.Date(required=True)
    moment = fields.AwareDateTime(required=True, allow_none=True, format="iso")
    dose = fields.Nested(DoseOut, required=True, allow_none=True)


class WarningOut(Shape):
    """A rule that was not met when enrolling. `overridden`: it has a source, and a reason was given."""

    rule = fields.String(required=True)
    text = fields.String(required=True)
    assumed = fields.Boolean(required=True)
    not_judged = fields.Boolean(
        required=True, data_key="unknown", attribute="unknown", metadata={"description": "a fact was missing, so it could not be judged"}
    )
    source = fields.List(fields.String(), required=True)
    overridden = fields.Boolean(required=True)


class EnrolmentOut(Shape):
    """An enrolment."""

    study = fields.String(required=True)
    version = fields.Integer(required=True)
    organisation = fields.String(required=True)
    country = fields.String(required=True)
    subject_number = fields.String(required=True)
    enrolled_on = fields.Date(required=True)
    stratum = fields.String(required=True, allow_none=True)
    override_reason_given = fields.Boolean(required=True)
    warnings = fields.List(fields.Nested(WarningOut), required=True)
    anchors = fields.List(fields.Nested(AnchorOut), required=True)


class EpisodeOut(Shape):
    """An episode of disease."""

    ordinal = fields.Integer(required=True)
    kind = fields.String(required=True)
    diagnosed_on = fields.Date(required=True)
    disease_group = fields.String(required=True)
    genetics = fields.List(fields.String(), required=True, allow_none=True)


class PersonOut(Shape):
    """Person facts; only with the permission for them, and the read is logged."""

    birth_date = fields.Date(required=True)
    sex = fields.String(required=True)
    deceased_on = fields.Date(required=True, allow_none=True)


class ParticipantOut(Shape):
    """A participant, as far as the reader may see.

    `person` is null without the permission, when it was erased, and in every answer to a write, since those are kept for replays.
    """

    code = fields.String(required=True)
    enrolments = fields.List(fields.Nested(EnrolmentOut), required=True)
    episodes = fields.List(fields.Nested(EpisodeOut), required=True)
    person = fields.Nested(PersonOut, required=True, allow_none=True)


class EnrolmentShort(Shape):
    """An enrolment in a list."""

    study = fields.String(required=True)
    organisation = fields.String(required=True)
    subject_number = fields.String(required=True)
    enrolled_on = fields.Date(required=True)


class ParticipantShort(Shape):
    """A participant in a list."""

    code = fields.String(required=True)
    enrolments = fields.List(fields.Nested(EnrolmentShort), required=True)


class ParticipantsOut(Shape):
    """One page of participants."""

    items = fields.List(fields.Nested(ParticipantShort), required=True)
    next = fields.String(required=True, allow_none=True)


PARTICIPANT_IN, ENROLMENT_IN, EPISODE_IN = ParticipantIn(), EnrolmentIn(), EpisodeIn()
ANCHOR_IN, DOSE_IN, DEATH_IN, PERSON_IN = AnchorIn(), DoseIn(), DeathIn(), PersonIn()
PARTICIPANTS_ARGS, PARTICIPANTS, PARTICIPANT = ParticipantsArgs(), ParticipantsOut(), ParticipantOut()
EPISODE, ANCHOR = EpisodeOut(), AnchorOut()
