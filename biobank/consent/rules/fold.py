"""The fold over time: from the decisions of one component to the periods in which it is granted or refused, and why.

What counts on a day D:
- decisions signed on or before D, in order of the day they were signed, then of recording;
- the last `no` or withdrawal wipes everything before it, also signatures that were set before its day;
- but a withdrawal that only stops collecting leaves what is kept as it was: the component is `stopped`, granted for material that is here and
  refused for any that would be new;
- every `yes` since then adds its signatures, each from its own day; the newest `yes` says what authority there is;
- who must sign follows the age on D (on the day of death at most: a death drops the age gates dated after it).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Protocol

from biobank.consent.rules.jurisdictions import OWN, Band, Jurisdiction, age_on, birthday

ENDING = {"no": "component-declined", "withdrawn": "withdrawn"}
# The participant's choices that end collecting and nothing else.
STOPPING = frozenset({"stop-collection", "further-use-allowed"})
STOPPED = "stopped"
STRICTEST_AUTHORITY = "joint"


class FormSpan(Protocol):
    """When a consent form was in use; `valid_until` is the last day, None while it is."""

    @property
    def valid_from(self) -> date: ...
    @property
    def valid_until(self) -> date | None: ...


@dataclass(frozen=True, slots=True)
class Signature:
    """Who signed, and on which day."""

    role: str
    signed_on: date


@dataclass(frozen=True, slots=True)
class DecisionMade:
    """One decision as recorded; `order` rises with recording. `answer`: yes, no, or withdrawn, with the participant's choice of `effect`."""

    component: str
    answer: str
    signed_on: date
    order: int
    form_version: str | None = None
    authority: str | None = None
    signatures: tuple[Signature, ...] = ()
    effect: str | None = None


@dataclass(frozen=True, slots=True)
class Period:
    """From `from_on` until the day before `until_on` (None: for good). `reason` is None when granted, or `stopped`: nothing new is collected.

    `roles`: who still has to sign. `at_birthday`: it begins with an age gate, so its first day tells the birthday.
    """

    from_on: date
    until_on: date | None
    granted: bool
    reason: str | None = None
    roles: tuple[str, ...] = ()
    at_birthday: bool = False

    def covers(self, day: date) -> bool:
        """Whether `day` lies in it."""
        return self.from_on <= day and (self.until_on is None or day < self.until_on)


@dataclass(frozen=True, slots=True)
class _Counted:
    """A signature that may count: from which day, and whether its form was in use when it was set."""

    role: str
    set_on: date
    from_on: date
    form_in_use: bool


@dataclass(frozen=True, slots=True)
class _Life:
    """What the age rules need to know of a person."""

    birth_date: date
    deceased_on: date | None
    jurisdiction: Jurisdiction
    forms: Mapping[str, FormSpan]

    def band(self, day: date) -> int:
        """Index of the band in force on `day`, at most that of the day of death."""
        last = min(day, self.deceased_on) if self.deceased_on else day
        age = age_on(self.birth_date, last)
        return max((i for i, band in enumerate(self.jurisdiction.bands) if band.from_age <= age), default=0)

    def gates(self) -> list[date]:
        """The birthdays on which a band begins, up to the death."""
        days = [birthday(self.birth_date, band.from_age) for band in self.jurisdiction.bands[1:]]
        return [day for day in days if self.deceased_on is None or day <= self.deceased_on]


@dataclass(slots=True)
class _Stretch:
    """The decisions since the last `no` or withdrawal, up to one day, and that ending itself."""

    ended_by: DecisionMade | None = None
    yes: list[DecisionMade] = field(default_factory=list)


def periods(
    decisions: Iterable[DecisionMade],
    birth_date: date,
    deceased_on: date | None,
    jurisdiction: Jurisdiction,
    component: str,
    forms: Mapping[str, FormSpan],
    collected: bool = False,
) -> list[Period]:
    """The periods of one component, in order and without gaps, from the first decision on; before it there is `no-decision`.

    `collected`: material is collected and kept under this component, so that collecting can be stopped without ending the rest.
    Ages by the jurisdiction's bands [S70]; days are civil dates.
    """
    ordered = sorted((d for d in decisions if d.component == component), key=lambda d: (d.signed_on, d.order))
    if not ordered:
        return []
    life = _Life(birth_date, deceased_on, jurisdiction, forms)
    first, gates = ordered[0].signed_on, set(life.gates())
    days = _days_of(ordered) | {gate for gate in gates if gate > first}
    found: list[Period] = []
    for day in sorted(days):
        reason, roles = _on_day(ordered, life, day)
        if collected and reason is not None and _only_stopped(ordered, life, day):
            reason, roles = STOPPED, ()
        period = Period(day, None, reason in {None, STOPPED}, reason, roles, day in gates)
        if found and (found[-1].reason, found[-1].roles) == (reason, roles):
            continue
        if found:
            last = found.pop()
            found.append(Period(last.from_on, day, last.granted, last.reason, last.roles, last.at_birthday))
        found.append(period)
    return found


def stopped_on(listed: Sequence[Period], day: date) -> date | None:
    """Since when nothing new is collected under a component that is granted for what is kept; None when it is not so on `day`."""
    period = next((p for p in listed if p.covers(day)), None)
    return period.from_on if period is not None and period.reason == STOPPED else None


def reasons_on(listed: Sequence[Period], day: date, *, new: bool = False) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Why a component is refused on `day`, as pairs of reason and roles; empty when it is granted. `new`: for material that is not here yet."""
    period = next((p for p in listed if p.covers(day)), None)
    if period is None:
        return (("no-decision", ()),)
    if new and period.reason == STOPPED:
        return (("withdrawn", ()),)
    if period.granted or period.reason is None:
        return ()
    if period.reason in ENDING.values() and period.roles:
        return ((period.reason, ()), ("signatory-missing", period.roles))
    return ((period.reason, period.roles),)


def _days_of(decisions: Sequence[DecisionMade]) -> set[date]:
    """The days from which a decision or one of its signatures counts."""
    return {d.signed_on for d in decisions} | {max(s.signed_on, d.signed_on) for d in decisions for s in d.signatures}


def _on_day(ordered: Sequence[DecisionMade], life: _Life, day: date) -> tuple[str | None, tuple[str, ...]]:
    stretch = _stretch(ordered, day)
    ended = ENDING[stretch.ended_by.answer] if stretch.ended_by else None
    if not stretch.yes:
        return ended, ()
    index = life.band(day)
    missing = _missing(stretch, life, index, day, sound=True)
    if not missing or _stands(stretch, life, index):
        return None, ()
    roles = tuple(sorted(missing))
    if ended:
        # A refusal stands until those who must sign have all said yes again.
        return ended, roles
    if not _missing(stretch, life, index, day, sound=False):
        return "form-version-too-old", roles
    if missing == {OWN} and any(_complete_before(stretch, life, i) for i in range(index)):
        return "age-gate", roles
    return "signatory-missing", roles


def _only_stopped(ordered: Sequence[DecisionMade], life: _Life, day: date) -> bool:
    """Whether the component would be granted, had the family not stopped collecting since; a plain ending after it counts as ever."""
    kept = [decision for decision in ordered if not (decision.answer == "withdrawn" and decision.effect in STOPPING)]
    return any(d.signed_on <= day for d in kept) and _on_day(kept, life, day)[0] is None


def _stretch(ordered: Sequence[DecisionMade], day: date) -> _Stretch:
    stretch = _Stretch()
    for decision in ordered:
        if decision.signed_on > day:
            break
        if decision.answer == "yes":
            stretch.yes.append(decision)
        else:
            stretch = _Stretch(ended_by=decision)
    return stretch


def _missing(stretch: _Stretch, life: _Life, index: int, day: date, *, sound: bool) -> set[str]:
    """Roles that must sign in band `index` and have not by `day`. `sound`: only signatures on a form that was in use count."""
    said = [d for d in stretch.yes if d.signed_on <= day]
    authority = next((d.authority for d in reversed(said) if d.authority), STRICTEST_AUTHORITY)
    band = life.jurisdiction.bands[index]
    signed = {s.role for s in _counted(stretch, life, band) if s.from_on <= day and (s.form_in_use or not sound)}
    return set(band.needs[authority]) - signed


def _counted(stretch: _Stretch, life: _Life, band: Band) -> Iterable[_Counted]:
    since = stretch.ended_by.signed_on if stretch.ended_by else date.min
    for decision in stretch.yes:
        form = life.forms.get(decision.form_version or "")
        for signature in decision.signatures:
            day = signature.signed_on
            if day < since or (signature.role == OWN and not _own_counts(day, life, band)):
                continue
            in_use = form is not None and form.valid_from <= day and (form.valid_until is None or day <= form.valid_until)
            yield _Counted(signature.role, day, max(day, decision.signed_on), in_use)


def _own_counts(day: date, life: _Life, band: Band) -> bool:
    if life.deceased_on is not None and day > life.deceased_on:
        return False
    return age_on(life.birth_date, day) >= band.own_from


def _complete_before(stretch: _Stretch, life: _Life, index: int) -> bool:
    """Whether the consent was complete on any day of band `index`."""
    bands = life.jurisdiction.bands
    begins, ends = birthday(life.birth_date, bands[index].from_age), birthday(life.birth_date, bands[index + 1].from_age)
    days = {begins, ends - timedelta(days=1)} | _days_of(stretch.yes)
    within = [day for day in days if begins <= day < ends and any(d.signed_on <= day for d in stretch.yes)]
    return any(not _missing(stretch, life, index, day, sound=True) for day in within)


def _stands(stretch: _Stretch, life: _Life, index: int) -> bool:
    """Whether an earlier consent with the child's own signature suffices in band `index`."""
    bands = life.jurisdiction.bands
    if not bands[index].stands:
        return False
    with_own = [i for i in range(index) if all(OWN in roles for roles in bands[i].needs.values())]
    return any(_complete_before(stretch, life, i) for i in with_own)
