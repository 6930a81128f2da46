"""What a study is: frozen facts read from its file. The database keeps them as JSON; nothing here changes after the file was read.

Every part says where it comes from (`source`, keys of the source list) or that it is `assumed`. `assumed_fields` marks single values of an
otherwise sourced part. Both marks are shown wherever the part is shown.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta

from biobank.core.units import Quantity


@dataclass(frozen=True, slots=True, kw_only=True)
class Based:
    """Where a part comes from. A part that is `assumed` as a whole never refuses anybody: it warns."""

    source: tuple[str, ...] = ()
    assumed: bool = False
    assumed_fields: tuple[str, ...] = ()
    note: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Recruitment(Based):
    """When the study, or one stratum of it, takes children in; both days inclusive, None is open-ended."""

    opens_on: date | None
    closes_on: date | None
    stratum: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Stratum(Based):
    """A part of a study with rules or registry ids of its own."""

    code: str
    title: str
    registry_ids: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class AgeLimits:
    """Ages in completed civil years or days. `max_*` are inclusive, `below_*` exclusive."""

    min_years: int | None = None
    max_years: int | None = None
    below_years: int | None = None
    min_days: int | None = None
    max_days: int | None = None
    below_days: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """Facts about a child that must all hold. An empty list of words or None says nothing; of a list, any one word suffices."""

    age: AgeLimits | None = None
    disease_group: tuple[str, ...] | None = None
    genetics: tuple[str, ...] | None = None
    episode_kind: tuple[str, ...] | None = None
    country: tuple[str, ...] | None = None
    relapse: tuple[int, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EligibilityRule(Based):
    """One criterion: `require`d or `exclude`d. With neither it is a statement for people, shown and never judged.

    `judged_on` is the day its age is taken: `diagnosis` or `enrolment`. It applies to children of `country` and `stratum` (None: all) who
    are enrolled from `valid_from` to `valid_until`, both inclusive.
    """

    id: str
    text: str
    judged_on: str
    country: str | None
    stratum: str | None
    valid_from: date | None
    valid_until: date | None
    require: Condition | None
    exclude: Condition | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Component(Based):
    """One thing that is asked of the family and answered by itself."""

    code: str
    title: str
    title_nl: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentForm(Based):
    """A version of the consent form, for signatures on the days from `valid_from` to `valid_until`."""

    version: str
    valid_from: date
    valid_until: date | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PurposeRule(Based):
    """Which components a purpose needs, all of them."""

    purpose: str
    components: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Draw(Based):
    """One tube of an event. `purpose` is `residual` (left over from care) or `extra` (drawn for research)."""

    material: str
    container_type: str
    purpose: str
    min_amount: Quantity | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Event(Based):
    """A collection: planned `offset_days` after its anchor, taken from `from_days` to `to_days` around that day.

    `anchor_ordinal` ties it to the nth anchor of its kind; `repeatable` events come with every one. `one_of`: one of the draws suffices.
    """

    code: str
    title: str
    anchor: str
    anchor_ordinal: int | None
    offset_days: int
    from_days: int
    to_days: int
    repeatable: bool
    at_most: int | None
    one_of: bool
    alias: str | None
    draws: tuple[Draw, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted(Based):
    """Material that a sub-study asks for: at the named events (none named: whenever there is some)."""

    material: str
    alternatives: tuple[str, ...]
    container_type: str | None
    events: tuple[str, ...]
    min_amount: Quantity | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SubStudy(Based):
    """A sub-study; its code is unique across all studies. Lower `priority` comes first; `quota` is in tubes."""

    code: str
    title: str
    component: str
    priority: int
    quota: int | None
    wanted: tuple[Wanted, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyDefinition(Based):
    """One version of a study, as its file says."""

    code: str
    version: int
    title: str
    short_title: str
    sponsor: str
    registry_ids: Mapping[str, str]
    countries: tuple[str, ...]
    recruitment: tuple[Recruitment, ...]
    strata: tuple[Stratum, ...]
    eligibility: tuple[EligibilityRule, ...]
    components: tuple[Component, ...]
    consent_forms: tuple[ConsentForm, ...]
    purposes: tuple[PurposeRule, ...]
    supply_uses: Mapping[str, str]
    events: tuple[Event, ...]
    sub_studies: tuple[SubStudy, ...]
    _events: dict[str, Event] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_events", {event.code: event for event in self.events})

    def event(self, code: str) -> Event | None:
        """The event with this code, if the study has it."""
        return self._events.get(code)

    def sub_study(self, code: str) -> SubStudy | None:
        """The sub-study with this code, if the study has it."""
        return next((sub for sub in self.sub_studies if sub.code == code), None)

    def component(self, code: str) -> Component | None:
        """The consent component with this code, if the study has it."""
        return next((component for component in self.components if component.code == code), None)

    def consent_form(self, version: str) -> ConsentForm | None:
        """The consent form with this version, if the study has it."""
        return next((form for form in self.consent_forms if form.version == version), None)

    @property
    def opens_on(self) -> date | None:
        """The first day on which any stratum recruits; None when not told."""
        days = [day for stratum in self._recruiting() if (day := max((r.opens_on for r in stratum if r.opens_on), default=None))]
        return min(days, default=None)

    @property
    def closes_on(self) -> date | None:
        """The last day on which any stratum recruits; None while one is open."""
        days = [min((r.closes_on for r in stratum if r.closes_on), default=None) for stratum in self._recruiting()]
        return None if None in days else max((day for day in days if day), default=None)

    def _recruiting(self) -> list[list[Recruitment]]:
        strata: set[str | None] = {entry.stratum for entry in self.recruitment if entry.stratum} or {None}
        return [[entry for entry in self.recruitment if entry.stratum in (None, stratum)] for stratum in strata]


def window(event: Event, anchor_day: date) -> tuple[date, date, date]:
    """(planned, first, last) civil day of an event whose anchor fell on `anchor_day`; both ends inclusive."""
    planned = anchor_day + timedelta(days=event.offset_days)
    return planned, planned + timedelta(days=event.from_days), planned + timedelta(days=event.to_days)
