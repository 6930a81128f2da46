"""What can be told of a participant, and what is refused when it is told."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from biobank.core.errors import N_, Conflict, Fault, FieldsWrong, NotFound, RuleBroken
from biobank.core.times import day_not_ahead
from biobank.studies.rules import Unmet

SEXES = ("female", "male", "intersex", "unknown")
DOSE_ANCHOR = "asparaginase_dose"
SUBJECT_NUMBER = re.compile(r"^[A-Za-z0-9][A-Za-z0-9 ._/-]{0,39}$")
# More than this per square metre is a slip: the largest published dose is 2,500 IU/m2, at most 3,750 IU in all [S11].
MOST_UNITS_PER_M2 = 100_000


class ParticipantUnknown(NotFound):
    """No such participant, or not for this person."""

    title = N_("Unknown participant")
    message = N_("There is no participant %(code)s that you may see. Check the code, or ask for a role in the participant's study.")


class NotEnrolled(NotFound):
    """The participant is not in this study, or this person may not see it."""

    title = N_("Not in this study")
    message = N_("Participant %(participant)s has no enrolment in %(study)s that you may see. Enrol the participant first.")


class AlreadyEnrolled(Conflict):
    """A participant is in a study once."""

    title = N_("Already in this study")
    message = N_("Participant %(participant)s has been in %(study)s since %(since)s. A participant is enrolled once per study.")


class SubjectNumberTaken(Conflict):
    """Another participant of the study has this number."""

    title = N_("Subject number taken")
    message = N_("The subject number “%(met)s” is already used in %(study)s. Check it; whoever is here already is enrolled by code.")


class NotEligible(RuleBroken):
    """Rules with a source are not met, and no reason was given."""

    title = N_("Not eligible")
    message = N_(
        "The participant does not meet %(count)s rule(s) of %(study)s: %(listed)s. "
        "Check the facts; if the trial office agreed, give an “override_reason”, which is kept for ever."
    )


class PersonErased(Conflict):
    """Birth date and death were erased; nothing can be judged by age any more."""

    title = N_("Personal facts erased")
    message = N_("The personal facts of participant %(participant)s have been erased, so this can no longer be done.")


class AnchorUnknown(NotFound):
    """No such anchor yet."""

    title = N_("Anchor not set")
    message = N_("%(study)s of participant %(participant)s has no anchor %(kind)s %(ordinal)s yet. Record its day first.")


@dataclass(frozen=True, slots=True)
class NewEpisode:
    """An episode of disease. `genetics` None: not known; empty: nothing was found."""

    kind: str
    diagnosed_on: date
    disease_group: str
    genetics: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class NewEnrolment:
    """An enrolment as it is told. `enrolled_on` None: today. `override_reason`: why it is accepted although a rule is not met."""

    study: str
    organisation: str
    subject_number: str
    enrolled_on: date | None = None
    stratum: str | None = None
    episode: NewEpisode | None = None
    override_reason: str | None = None


@dataclass(frozen=True, slots=True)
class NewParticipant:
    """A person and the first enrolment."""

    birth_date: date
    sex: str
    enrolment: NewEnrolment


@dataclass(frozen=True, slots=True)
class NewAnchor:
    """A day to count from. `ordinal` names one that is there already, whose day is then corrected; None: the next one of its kind."""

    study: str
    kind: str
    at: date | datetime
    ordinal: int | None = None


@dataclass(frozen=True, slots=True)
class NewDose:
    """An asparaginase dose; `units_per_m2` in whole IU per square metre."""

    study: str
    at: date | datetime
    product: str
    units_per_m2: int
    route: str
    ordinal: int | None = None


def check_person(birth_date: date, sex: str, today: date) -> None:
    """Raises FieldsWrong for a birth date in the future or more than 120 years ago, or an unknown sex."""
    faults: list[Fault] = []
    if birth_date > today or birth_date.year < today.year - 120:
        faults.append(Fault("/birth_date", "give a day up to today and not more than 120 years ago", birth_date.isoformat()))
    if sex not in SEXES:
        faults.append(Fault("/sex", f"use one of {', '.join(SEXES)}", sex))
    if faults:
        raise FieldsWrong(faults)


def check_day(day: date, born: date, today: date, pointer: str) -> None:
    """Raises FieldsWrong for a day in the future or before the birth; the fault never names the birth date."""
    day_not_ahead(day, today, pointer)
    if day < born:
        raise FieldsWrong([Fault(pointer, "this lies before the participant's birth; check both days", day.isoformat())])


def check_units(units_per_m2: int) -> None:
    """Raises FieldsWrong unless the dose is 1 to 100,000 IU per square metre."""
    if not 0 < units_per_m2 <= MOST_UNITS_PER_M2:
        raise FieldsWrong([Fault("/units_per_m2", f"give whole IU per m², 1 to {MOST_UNITS_PER_M2}", units_per_m2)])


def check_subject_number(text: str) -> str:
    """The trial's number, tidied. Raises FieldsWrong for anything that is not a number or code of at most 40 characters."""
    tidy = text.strip()
    if not SUBJECT_NUMBER.match(tidy):
        raise FieldsWrong([Fault("/subject_number", "give the trial's own number: letters, digits and . _ / - (at most 40 characters)", text)])
    return tidy


def refuse_unless_eligible(study: str, unmet: list[Unmet], override_reason: str | None) -> None:
    """Raises NotEligible for unmet rules that have a source, unless there is a reason. Assumed rules and unknown facts only warn."""
    broken = [rule for rule in unmet if not rule.warns_only]
    if not broken or (override_reason or "").strip():
        return
    asked = "met: %s; asked: %s. An override_reason would accept it."
    faults = [Fault(f"/rules/{rule.rule_id}", asked % (rule.met, rule.text), rule.met) for rule in broken]
    listed = "; ".join(f"{rule.text} (met: {rule.met})" for rule in broken)
    raise NotEligible(study=study, count=len(broken), listed=listed, rules=[rule.rule_id for rule in broken], faults=faults)


def warnings_of(unmet: list[Unmet]) -> list[dict[str, Any]]:
    """What is kept and shown of the unmet rules. Without the age that was met: with the day of enrolment it would tell the birth date."""
    return [
        {
            "rule": rule.rule_id, "text": rule.text, "assumed": rule.assumed, "unknown": rule.unknown, "source": list(rule.source),
            "overridden": not rule.warns_only,
        }
        for rule in unmet
    ]
