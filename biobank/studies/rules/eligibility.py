"""Whether a child fits a study, judged on civil dates. The trial office decides in the end: what is unmet is told, with its source.

An unmet sourced rule needs a reason to be overridden; an unmet `assumed` rule and a fact that is not known only warn.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date
from functools import reduce

from biobank.core.errors import N_, RuleBroken
from biobank.core.near import near
from biobank.studies.rules.definition import AgeLimits, Condition, EligibilityRule, Recruitment, StudyDefinition


class StratumUnknown(RuleBroken):
    """The study has no stratum of this code."""

    title = N_("Unknown stratum")
    message = N_("%(study)s has no stratum “%(met)s”; %(near)s.")


@dataclass(frozen=True, slots=True)
class Unmet:
    """A rule that is not met, or that cannot be judged because a fact is missing (`unknown`). `met` says what was found."""

    rule_id: str
    text: str
    assumed: bool
    source: tuple[str, ...]
    met: str
    unknown: bool = False

    @property
    def warns_only(self) -> bool:
        """Whether it needs no reason to go on."""
        return self.assumed or self.unknown


@dataclass(frozen=True, slots=True, kw_only=True)
class Child:
    """The facts a rule may look at; None is not known. An empty `genetics` says that none was found."""

    birth_date: date | None
    diagnosed_on: date | None
    enrolled_on: date
    disease_group: str | None
    genetics: frozenset[str] | None
    country: str | None
    stratum: str | None
    episode_kind: str | None
    relapse: int | None


def whole_years(birth: date, on: date) -> int:
    """Completed years of age. Somebody born on 29 February completes a year on 1 March of a common year."""
    return on.year - birth.year - ((on.month, on.day) < (birth.month, birth.day))


def check_stratum(definition: StudyDefinition, stratum: str | None) -> None:
    """Raises StratumUnknown for a stratum the study does not have. None is always fine."""
    known = [entry.code for entry in definition.strata]
    if stratum is not None and stratum not in known:
        raise StratumUnknown(study=definition.code, met=stratum, near=near(stratum, known))


def check_eligibility(
    definition: StudyDefinition,
    *,
    birth_date: date | None,
    diagnosed_on: date | None,
    enrolled_on: date,
    disease_group: str | None,
    genetics: Collection[str] | None,
    country: str | None,
    stratum: str | None,
    episode_kind: str | None,
    relapse: int | None = None,
) -> list[Unmet]:
    """Every rule of the study that this child does not meet or that cannot be judged, in the order of the file, recruitment first.

    All dates are civil dates of the site. `relapse` is the number of the relapse (1 is the first). `genetics` None: not known.
    """
    child = Child(
        birth_date=birth_date,
        diagnosed_on=diagnosed_on,
        enrolled_on=enrolled_on,
        disease_group=disease_group,
        genetics=None if genetics is None else frozenset(genetics),
        country=country,
        stratum=stratum,
        episode_kind=episode_kind,
        relapse=relapse,
    )
    unmet = _recruitment(definition, child)
    for rule in definition.eligibility:
        if (rule.require is None and rule.exclude is None) or not _applies(rule, child):
            continue
        holds = _judge(rule, child)
        unsure = rule.stratum is not None and child.stratum is None
        if holds is None or (holds is False and unsure):
            unmet.append(Unmet(rule.id, rule.text, rule.assumed, rule.source, _met(rule, child), unknown=True))
        elif not holds:
            unmet.append(Unmet(rule.id, rule.text, rule.assumed, rule.source, _met(rule, child)))
    return unmet


def _applies(rule: EligibilityRule, child: Child) -> bool:
    if rule.valid_from is not None and child.enrolled_on < rule.valid_from:
        return False
    if rule.valid_until is not None and child.enrolled_on > rule.valid_until:
        return False
    # An unknown stratum may still be the rule's own; the country is that of the hospital and always known.
    return rule.country in (None, child.country) and (rule.stratum is None or child.stratum in (None, rule.stratum))


def _recruitment(definition: StudyDefinition, child: Child) -> list[Unmet]:
    unmet: list[Unmet] = []
    for entry in definition.recruitment:
        if _recruits(entry, child.enrolled_on) or (entry.stratum is not None and child.stratum not in (None, entry.stratum)):
            continue
        # With the stratum unknown it is certain only when no stratum recruits on that day.
        others = [other for other in definition.recruitment if other.stratum not in (None, entry.stratum)]
        unsure = entry.stratum is not None and child.stratum is None and any(_recruits(other, child.enrolled_on) for other in others)
        met = f"enrolled on {child.enrolled_on.isoformat()}"
        unmet.append(Unmet("recruitment", _period_text(entry), entry.assumed, entry.source, met, unknown=unsure))
    return unmet


def _recruits(entry: Recruitment, on: date) -> bool:
    return (entry.opens_on is None or entry.opens_on <= on) and (entry.closes_on is None or on <= entry.closes_on)


def _period_text(entry: Recruitment) -> str:
    whose = f"Stratum {entry.stratum} recruits" if entry.stratum else "The study recruits"
    since = f" from {entry.opens_on.isoformat()}" if entry.opens_on else ""
    until = f" until {entry.closes_on.isoformat()}" if entry.closes_on else ""
    return f"{whose}{since}{until}"


def _judge(rule: EligibilityRule, child: Child) -> bool | None:
    """True: met. False: not met. None: a fact is missing."""
    if rule.require is not None:
        return _holds(rule.require, rule.judged_on, child)
    held = _holds(rule.exclude, rule.judged_on, child) if rule.exclude is not None else False
    return None if held is None else not held


def _holds(condition: Condition, judged_on: str, child: Child) -> bool | None:
    """All parts of a condition; one that fails decides, otherwise one that is unknown does."""
    parts: list[bool | None] = [
        _within(condition.age, child, judged_on),
        _among(condition.disease_group, child.disease_group),
        _any_of(condition.genetics, child.genetics),
        _among(condition.episode_kind, child.episode_kind),
        _among(condition.country, child.country),
        _numbered(condition.relapse, child),
    ]
    return reduce(_both, parts)


def _both(one: bool | None, other: bool | None) -> bool | None:
    if one is False or other is False:
        return False
    return None if one is None or other is None else True


def _among(allowed: tuple[str, ...] | None, met: str | None) -> bool | None:
    if allowed is None:
        return True
    return None if met is None else met in allowed


def _any_of(wanted: tuple[str, ...] | None, met: frozenset[str] | None) -> bool | None:
    if wanted is None:
        return True
    return None if met is None else bool(met.intersection(wanted))


def _numbered(allowed: tuple[int, ...] | None, child: Child) -> bool | None:
    if allowed is None:
        return True
    return None if child.relapse is None else child.relapse in allowed


def _within(limits: AgeLimits | None, child: Child, judged_on: str) -> bool | None:
    if limits is None:
        return True
    on = child.diagnosed_on if judged_on == "diagnosis" else child.enrolled_on
    if on is None or child.birth_date is None:
        return None
    days, years = (on - child.birth_date).days, whole_years(child.birth_date, on)
    least = ((limits.min_years, years), (limits.min_days, days), (0, days))
    most = ((limits.max_years, years), (limits.max_days, days))
    below = ((limits.below_years, years), (limits.below_days, days))
    return (
        all(limit is None or met >= limit for limit, met in least)
        and all(limit is None or met <= limit for limit, met in most)
        and all(limit is None or met < limit for limit, met in below)
    )


def _met(rule: EligibilityRule, child: Child) -> str:
    """What was found of the facts this rule looks at, never a birth date."""
    condition = rule.require or rule.exclude or Condition()
    found: list[str] = []
    if condition.age is not None:
        on = child.diagnosed_on if rule.judged_on == "diagnosis" else child.enrolled_on
        known = on is not None and child.birth_date is not None
        age = _age_text(child.birth_date, on) if on is not None and child.birth_date is not None else ""
        found.append(f"{age} at {rule.judged_on}" if known else f"age at {rule.judged_on} unknown")
    for name, wanted, met in (
        ("disease group", condition.disease_group, child.disease_group),
        ("genetics", condition.genetics, None if child.genetics is None else ", ".join(sorted(child.genetics)) or "none found"),
        ("episode", condition.episode_kind, child.episode_kind),
        ("country", condition.country, child.country),
        ("relapse", condition.relapse, None if child.relapse is None else str(child.relapse)),
    ):
        if wanted is not None:
            found.append(f"{name} {met if met is not None else 'unknown'}")
    if rule.stratum is not None and child.stratum is None:
        found.append("stratum unknown")
    return "; ".join(found)


def _age_text(birth: date, on: date) -> str:
    years, days = whole_years(birth, on), (on - birth).days
    if days < 0:
        return "not yet born"
    return f"{years} years" if years >= 2 else f"{days} days"
