"""From the tables of a study file to a StudyDefinition, with every fault named."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import date
from typing import Any, TypedDict

from biobank.core.errors import Fault
from biobank.studies.rules.definition import (
    AgeLimits,
    Component,
    Condition,
    ConsentForm,
    Draw,
    EligibilityRule,
    Event,
    PurposeRule,
    Recruitment,
    Stratum,
    StudyDefinition,
    SubStudy,
    Wanted,
)
from biobank.studies.rules.purposes import PURPOSES, USES
from biobank.studies.rules.reading import Keys, refuse_files

COUNTRY_LENGTH = 2
DAYS = ("diagnosis", "enrolment")
LIMITS = ("min_years", "max_years", "below_years", "min_days", "max_days", "below_days")
DRAW_PURPOSES = ("residual", "extra")
# The vocabularies whose codes a study file uses.
VOCABULARIES = ("material", "container_type", "anchor", "disease_group", "genetics", "episode_kind")

Vocabulary = Mapping[str, Collection[str]]


class Everything:
    """Stands for a vocabulary that is not checked again: what the database keeps was checked when it was loaded."""

    def __contains__(self, word: object) -> bool:
        return True

    def __iter__(self) -> Any:
        return iter(())

    def __len__(self) -> int:
        return 0


class BasedOn(TypedDict):
    """The keywords of `Based`."""

    source: tuple[str, ...]
    assumed: bool
    assumed_fields: tuple[str, ...]
    note: str | None


def parse_definition(data: Mapping[str, Any], file: str, vocabulary: Vocabulary | None = None) -> StudyDefinition:
    """The study that a file describes. `vocabulary`: name -> known codes; None does not check codes of vocabularies.

    Raises StudyFileWrong listing every fault with file, key path and reason.
    """
    definition, faults = read_definition(data, file, vocabulary)
    if faults:
        raise refuse_files(faults)
    return definition


def read_definition(data: Mapping[str, Any], file: str, vocabulary: Vocabulary | None = None) -> tuple[StudyDefinition, list[Fault]]:
    """The study as far as it can be read, and all faults of its file."""
    faults: list[Fault] = []
    keys = Keys(data, file, "", faults)
    read = _Reader(keys, vocabulary)
    definition = StudyDefinition(
        code=keys.code("code"),
        version=keys.whole("version", 1) or 0,
        title=keys.text("title"),
        short_title=keys.text("short_title"),
        sponsor=keys.text("sponsor"),
        registry_ids=keys.named_texts("registry_ids"),
        countries=read.countries(keys, "countries"),
        strata=keys.tables("strata", read.stratum, unique="code"),
        recruitment=keys.tables("recruitment", read.recruitment, required=True),
        eligibility=keys.tables("eligibility", read.rule, required=True, unique="id"),
        components=keys.tables("components", read.component, required=True, unique="code"),
        consent_forms=keys.tables("consent_forms", read.form, required=True, unique="version"),
        purposes=keys.tables("purposes", read.purpose, required=True, unique="purpose"),
        supply_uses=read.supply_uses(keys),
        events=keys.tables("events", read.event, required=True, unique="code"),
        sub_studies=keys.tables("sub_studies", read.sub_study, unique="code"),
        **based(keys),
    )
    keys.done()
    return definition, faults


def based(keys: Keys, whole: BasedOn | None = None) -> BasedOn:
    """`source = ["S1"]` or `assumed = true`, one of them; with a source also `assumed = ["window_days"]` for single values.

    A part of a `whole` may leave both out: it then stands on what the whole stands on.
    """
    source = keys.words("source")
    if whole is not None and "source" not in keys.data and "assumed" not in keys.data:
        return {"source": whole["source"], "assumed": whole["assumed"], "assumed_fields": (), "note": keys.text_or_none("note")}
    if whole is not None and "source" not in keys.data:
        source = whole["source"]
    marked = keys.data.get("assumed")
    names: tuple[str, ...] = ()
    if isinstance(marked, list):
        names = keys.words("assumed", [key for key in keys.data if key not in ("source", "assumed", "note")])
    elif not keys.yes("assumed") and not source:
        keys.wrong("source", 'say where this comes from, as source = ["S31"], or mark it: assumed = true')
    if names and not source:
        keys.wrong("source", 'where only single values are assumed, the rest needs its source, as source = ["S31"]')
    return {"source": source, "assumed": marked is True, "assumed_fields": names, "note": keys.text_or_none("note")}


class _Reader:
    """Reads the parts of one file; knows the codes that parts may refer to."""

    def __init__(self, keys: Keys, vocabulary: Vocabulary | None) -> None:
        self.vocabulary: Vocabulary = {name: Everything() for name in VOCABULARIES} if vocabulary is None else vocabulary
        self.strata = _codes(keys.data, "strata")
        self.components = _codes(keys.data, "components")
        self.events = _codes(keys.data, "events")

    def countries(self, keys: Keys, key: str) -> tuple[str, ...]:
        found = keys.words(key)
        for country in found:
            if len(country) != COUNTRY_LENGTH or not country.isalpha() or not country.isupper():
                keys.wrong(key, "give two-letter country codes in capitals, as NL", country)
        return found

    def country(self, keys: Keys) -> str | None:
        found = keys.text_or_none("country")
        if found is not None and (len(found) != COUNTRY_LENGTH or not found.isalpha() or not found.isupper()):
            keys.wrong("country", "give a two-letter country code in capitals, as NL", found)
        return found

    def stratum(self, keys: Keys) -> Stratum:
        return Stratum(code=keys.code("code"), title=keys.text("title"), registry_ids=keys.named_texts("registry_ids"), **based(keys))

    def recruitment(self, keys: Keys) -> Recruitment:
        opens, closes = _period(keys, "opens_on", "closes_on")
        if opens is None and closes is None:
            keys.wrong("opens_on", "give opens_on, closes_on or both")
        return Recruitment(opens_on=opens, closes_on=closes, stratum=keys.word_or_none("stratum", self.strata), **based(keys))

    def component(self, keys: Keys) -> Component:
        return Component(code=keys.code("code"), title=keys.text("title"), title_nl=keys.text_or_none("title_nl"), **based(keys))

    def form(self, keys: Keys) -> ConsentForm:
        version = keys.text("version")
        start, end = _period(keys, "valid_from", "valid_until", required=True)
        return ConsentForm(version=version, valid_from=start or date.min, valid_until=end, **based(keys))

    def rule(self, keys: Keys) -> EligibilityRule:
        start, end = _period(keys, "valid_from", "valid_until")
        require, exclude = self.condition(keys, "require"), self.condition(keys, "exclude")
        ages = [condition for condition in (require, exclude) if condition is not None and condition.age is not None]
        if require is not None and exclude is not None:
            keys.wrong("exclude", "a rule either requires or excludes; make two rules of it")
        judged_on = keys.word("judged_on", DAYS, None if ages else "enrolment")
        return EligibilityRule(
            id=keys.text("id"),
            text=keys.text("text"),
            judged_on=judged_on,
            country=self.country(keys),
            stratum=keys.word_or_none("stratum", self.strata),
            valid_from=start,
            valid_until=end,
            require=require,
            exclude=exclude,
            **based(keys),
        )

    def condition(self, keys: Keys, key: str) -> Condition | None:
        with keys.table(key) as inner:
            if inner is None:
                return None
            if not inner.data:
                keys.wrong(key, 'name at least one fact, as { disease_group = ["BCP_ALL"] }')
            country = self.countries(inner, "country") if "country" in inner.data else None
            return Condition(
                age=_age(inner),
                disease_group=inner.words_or_none("disease_group", self.vocabulary["disease_group"]),
                genetics=inner.words_or_none("genetics", self.vocabulary["genetics"]),
                episode_kind=inner.words_or_none("episode_kind", self.vocabulary["episode_kind"]),
                country=country,
                relapse=inner.wholes_or_none("relapse"),
            )

    def purpose(self, keys: Keys) -> PurposeRule:
        components = keys.words("components", self.components)
        if not components:
            keys.wrong("components", "name at least one component; leave the purpose out where the study does not allow it")
        return PurposeRule(purpose=keys.word("purpose", PURPOSES), components=components, **based(keys))

    def supply_uses(self, keys: Keys) -> dict[str, str]:
        found = keys.named_texts("supply_uses")
        with keys.table("supply_uses") as inner:
            if inner is not None:
                for use in USES:
                    inner.word_or_none(use, self.components)
        return found

    def event(self, keys: Keys) -> Event:
        start, end = _window(keys)
        basis = based(keys)
        return Event(
            code=keys.code("code"),
            title=keys.text("title"),
            anchor=keys.word("anchor", self.vocabulary["anchor"]),
            anchor_ordinal=keys.whole("anchor_ordinal", 1, required=False),
            offset_days=keys.whole("offset_days") or 0,
            from_days=start,
            to_days=end,
            repeatable=keys.yes("repeatable"),
            at_most=keys.whole("at_most", 1, required=False),
            one_of=keys.yes("one_of"),
            alias=keys.text_or_none("alias"),
            draws=keys.tables("draws", lambda row: self.draw(row, basis), required=True),
            **basis,
        )

    def draw(self, keys: Keys, whole: BasedOn) -> Draw:
        return Draw(
            material=keys.word("material", self.vocabulary["material"]),
            container_type=keys.word("container_type", self.vocabulary["container_type"]),
            purpose=keys.word("purpose", DRAW_PURPOSES, "residual"),
            min_amount=keys.quantity("min_amount"),
            **based(keys, whole),
        )

    def sub_study(self, keys: Keys) -> SubStudy:
        basis = based(keys)
        return SubStudy(
            code=keys.code("code"),
            title=keys.text("title"),
            component=keys.word("component", self.components),
            priority=keys.whole("priority", 1) or 1,
            quota=keys.whole("quota", 0, required=False),
            wanted=keys.tables("wanted", lambda row: self.wanted(row, basis), required=True),
            **basis,
        )

    def wanted(self, keys: Keys, whole: BasedOn) -> Wanted:
        return Wanted(
            material=keys.word("material", self.vocabulary["material"]),
            alternatives=keys.words("alternatives", self.vocabulary["material"]),
            container_type=keys.word_or_none("container_type", self.vocabulary["container_type"]),
            events=keys.words("events", self.events),
            min_amount=keys.quantity("min_amount"),
            **based(keys, whole),
        )


def _codes(data: Mapping[str, Any], key: str) -> list[str]:
    rows = data.get(key, [])
    return [str(row["code"]) for row in rows if isinstance(row, dict) and "code" in row] if isinstance(rows, list) else []


def _period(keys: Keys, first: str, last: str, *, required: bool = False) -> tuple[date | None, date | None]:
    start, end = keys.day(first, required=required), keys.day(last)
    if start is not None and end is not None and start > end:
        keys.wrong(last, f"this day lies before {first} ({start.isoformat()})", end)
    return start, end


def _window(keys: Keys) -> tuple[int, int]:
    days = keys.wholes_or_none("window_days")
    if days is None or len(days) != 2:
        if "window_days" not in keys.data or days is not None:
            keys.wrong("window_days", "give the first and the last day around the planned one, as [-3, 14]", keys.data.get("window_days"))
        return 0, 0
    if days[0] > days[1]:
        keys.wrong("window_days", "the window ends before it begins", list(days))
    return days[0], days[1]


def _age(keys: Keys) -> AgeLimits | None:
    with keys.table("age") as inner:
        if inner is None:
            return None
        limits = {name: inner.whole(name, 0, required=False) for name in LIMITS}
        if all(limit is None for limit in limits.values()):
            keys.wrong("age", "give at least one limit, as { min_years = 1, max_years = 18 }")
        return AgeLimits(**limits)
