"""Shapes of studies. Whatever no source gives is marked `assumed`, in whole or field by field."""

from __future__ import annotations

from typing import Any

from marshmallow import fields, validate

from biobank.studies.rules import PURPOSES, USES
from biobank.web.parser import Shape
from biobank.web.shapes import PageArgs, QuantityOut

_DAY = {"description": "inclusive; null is open-ended"}


class _Amount(fields.Nested):
    """A Quantity as it leaves the API, or null."""

    def _serialize(self, nested_obj: Any, attr: str | None, obj: Any, **kwargs: Any) -> Any:  # type: ignore[override]
        return None if nested_obj is None else nested_obj.as_json()


class Basis(Shape):
    """Where a part comes from."""

    source = fields.List(fields.String(), required=True, metadata={"description": "keys of published sources"})
    assumed = fields.Boolean(required=True, metadata={"description": "nothing published stands behind this part; it warns and never refuses"})
    assumed_fields = fields.List(fields.String(), required=True, metadata={"description": "keys of single values that no source gives"})
    note = fields.String(required=True, allow_none=True)


class RecruitmentOut(Basis):
    """When the study, or one stratum of it, takes children in."""

    opens_on = fields.Date(required=True, allow_none=True, metadata=_DAY)
    closes_on = fields.Date(required=True, allow_none=True, metadata=_DAY)
    stratum = fields.String(required=True, allow_none=True)


class StratumOut(Basis):
    """A part of a study with rules or registry ids of its own."""

    code = fields.String(required=True)
    title = fields.String(required=True)
    registry_ids = fields.Dict(keys=fields.String(), values=fields.String(), required=True)


class AgeOut(Shape):
    """Ages in completed years or days; `max_*` inclusive, `below_*` exclusive; null is no limit."""

    min_years = fields.Integer(required=True, allow_none=True)
    max_years = fields.Integer(required=True, allow_none=True)
    below_years = fields.Integer(required=True, allow_none=True)
    min_days = fields.Integer(required=True, allow_none=True)
    max_days = fields.Integer(required=True, allow_none=True)
    below_days = fields.Integer(required=True, allow_none=True)


class ConditionOut(Shape):
    """Facts that must all hold; of a list any one suffices; null says nothing."""

    age = fields.Nested(AgeOut, required=True, allow_none=True)
    disease_group = fields.List(fields.String(), required=True, allow_none=True)
    genetics = fields.List(fields.String(), required=True, allow_none=True)
    episode_kind = fields.List(fields.String(), required=True, allow_none=True)
    country = fields.List(fields.String(), required=True, allow_none=True)
    relapse = fields.List(fields.Integer(), required=True, allow_none=True)


class EligibilityRuleOut(Basis):
    """One criterion; with neither `require` nor `exclude` it is a statement that people judge."""

    id = fields.String(required=True)
    text = fields.String(required=True)
    judged_on = fields.String(required=True, validate=validate.OneOf(["diagnosis", "enrolment"]))
    country = fields.String(required=True, allow_none=True)
    stratum = fields.String(required=True, allow_none=True)
    valid_from = fields.Date(required=True, allow_none=True, metadata=_DAY)
    valid_until = fields.Date(required=True, allow_none=True, metadata=_DAY)
    require = fields.Nested(ConditionOut, required=True, allow_none=True)
    # `exclude` is a word of marshmallow's own.
    excluded = fields.Nested(ConditionOut, required=True, allow_none=True, attribute="exclude", data_key="exclude")


class StudyComponentOut(Basis):
    """One thing that families are asked and answer by itself."""

    code = fields.String(required=True)
    title = fields.String(required=True)
    title_nl = fields.String(required=True, allow_none=True)


class ConsentFormOut(Basis):
    """A version of the consent form."""

    version = fields.String(required=True)
    valid_from = fields.Date(required=True)
    valid_until = fields.Date(required=True, allow_none=True, metadata=_DAY)


class PurposeOut(Basis):
    """Which components a purpose needs, all of them."""

    purpose = fields.String(required=True, validate=validate.OneOf(PURPOSES))
    components = fields.List(fields.String(), required=True)


class DrawOut(Basis):
    """One tube of an event."""

    material = fields.String(required=True)
    container_type = fields.String(required=True)
    purpose = fields.String(required=True, validate=validate.OneOf(["residual", "extra"]))
    min_amount = _Amount(QuantityOut, required=True, allow_none=True)


class EventOut(Basis):
    """A collection: `offset_days` after its anchor, from `from_days` to `to_days` around that day."""

    code = fields.String(required=True)
    title = fields.String(required=True)
    anchor = fields.String(required=True)
    anchor_ordinal = fields.Integer(required=True, allow_none=True, metadata={"description": "only the nth anchor of its kind"})
    offset_days = fields.Integer(required=True)
    from_days = fields.Integer(required=True)
    to_days = fields.Integer(required=True)
    repeatable = fields.Boolean(required=True)
    at_most = fields.Integer(required=True, allow_none=True)
    one_of = fields.Boolean(required=True, metadata={"description": "one of the draws suffices"})
    alias = fields.String(required=True, allow_none=True)
    draws = fields.List(fields.Nested(DrawOut), required=True)


class WantedOut(Basis):
    """Material that a sub-study asks for; no events: whenever there is some."""

    material = fields.String(required=True)
    alternatives = fields.List(fields.String(), required=True)
    container_type = fields.String(required=True, allow_none=True)
    events = fields.List(fields.String(), required=True)
    min_amount = _Amount(QuantityOut, required=True, allow_none=True)


class SubStudyOut(Basis):
    """A sub-study; lower `priority` comes first, `quota` is in tubes."""

    code = fields.String(required=True)
    title = fields.String(required=True)
    component = fields.String(required=True)
    priority = fields.Integer(required=True)
    quota = fields.Integer(required=True, allow_none=True)
    wanted = fields.List(fields.Nested(WantedOut), required=True)


class StudySummary(Basis):
    """A study in its newest version."""

    code = fields.String(required=True)
    version = fields.Integer(required=True)
    title = fields.String(required=True)
    short_title = fields.String(required=True)
    sponsor = fields.String(required=True)
    registry_ids = fields.Dict(keys=fields.String(), values=fields.String(), required=True)
    countries = fields.List(fields.String(), required=True)
    opens_on = fields.Date(required=True, allow_none=True)
    closes_on = fields.Date(required=True, allow_none=True, metadata={"description": "last day on which any stratum recruits; null: open"})


class StudyOut(StudySummary):
    """A study with its rules; its events and sub-studies have endpoints of their own."""

    recruitment = fields.List(fields.Nested(RecruitmentOut), required=True)
    strata = fields.List(fields.Nested(StratumOut), required=True)
    eligibility = fields.List(fields.Nested(EligibilityRuleOut), required=True)
    components = fields.List(fields.Nested(StudyComponentOut), required=True)
    consent_forms = fields.List(fields.Nested(ConsentFormOut), required=True)
    purposes = fields.List(fields.Nested(PurposeOut), required=True)
    supply_uses = fields.Dict(
        keys=fields.String(), values=fields.String(), required=True, metadata={"description": f"use ({', '.join(USES)}) to the component it needs"}
    )


class StudyList(Shape):
    """Studies by code."""

    items = fields.List(fields.Nested(StudySummary), required=True)
    next = fields.String(required=True, allow_none=True)


class EventList(Shape):
    """Collection events in the order of the file."""

    items = fields.List(fields.Nested(EventOut), required=True)
    next = fields.String(required=True, allow_none=True)


class SubStudyList(Shape):
    """Sub-studies in the order of the file."""

    items = fields.List(fields.Nested(SubStudyOut), required=True)
    next = fields.String(required=True, allow_none=True)


class VersionArgs(Shape):
    """Which version; the newest when left out."""

    version = fields.Integer(load_default=None, validate=validate.Range(min=1, max=2**31 - 1))


class VersionPageArgs(PageArgs):
    """One page of a list that belongs to a study."""

    version = fields.Integer(load_default=None, validate=validate.Range(min=1, max=2**31 - 1))


STUDY = StudyOut()
STUDIES = StudyList()
EVENTS = EventList()
SUB_STUDIES = SubStudyList()
PAGE_ARGS = PageArgs()
VERSION_ARGS = VersionArgs()
VERSION_PAGE_ARGS = VersionPageArgs()
