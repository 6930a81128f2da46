"""A small second opinion on who must have signed: day by day, for the Netherlands. Imports nothing from the product and reads no file of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

JOINT, SOLE, GUARDIAN = {"parent", "second-parent"}, {"parent"}, {"guardian"}
ADULTS = {"joint": JOINT, "sole": SOLE, "guardian": GUARDIAN}


@dataclass(frozen=True)
class Told:
    """One decision: answer, day, authority, signatures (role -> day), and the days on which its form was in use."""

    answer: str
    on: date
    authority: str | None
    signed: tuple[tuple[str, date], ...]
    form_from: date
    form_until: date


def years(born: date, day: date) -> int:
    count = 0
    while True:
        next_year = born.year + count + 1
        leap = next_year % 4 == 0 and (next_year % 100 != 0 or next_year % 400 == 0)
        turns = date(next_year, 3, 1) if (born.month, born.day) == (2, 29) and not leap else date(next_year, born.month, born.day)
        if turns > day:
            return count
        count += 1


def on_day(told: list[Told], born: date, died: date | None, day: date) -> str:
    """`granted` or the reason, by living through every day from the first decision on."""
    if not any(one.on <= day for one in told):
        return "no-decision"
    ended, yes, ever, ever_own = None, [], False, False
    answer = ""
    today = min(one.on for one in told)
    while today <= day:
        for one in [one for one in told if one.on == today]:
            if one.answer == "yes":
                yes.append(one)
            else:
                ended, yes, ever, ever_own = one, [], False, False
        answer, complete, own = _today(yes, ended, born, died, today, ever, ever_own)
        ever, ever_own = ever or complete, ever_own or own
        today += timedelta(days=1)
    return answer


def _today(yes, ended, born, died, today, ever, ever_own):
    refusal = {"no": "component-declined", "withdrawn": "withdrawn"}[ended.answer] if ended else None
    if not yes:
        return refusal, False, False
    age = years(born, min(today, died) if died else today)
    authority = "joint"
    for one in yes:
        authority = one.authority or authority
    grown = ADULTS[authority]
    needed = grown if age < 12 else grown | {"participant"} if age < 16 else {"participant"}
    sound, any_form = set(), set()
    for one in yes:
        for role, day in one.signed:
            if day > today or (ended and day < ended.on):
                continue
            if role == "participant" and (years(born, day) < (12 if age < 16 else 16) or (died and day > died)):
                continue
            any_form.add(role)
            if one.form_from <= day <= one.form_until:
                sound.add(role)
    complete = needed <= sound
    if complete or (age >= 16 and ever_own):
        return "granted", complete, complete and 12 <= age < 16
    if refusal:
        return refusal, False, False
    if needed <= any_form:
        return "form-version-too-old", False, False
    if needed - sound == {"participant"} and ever:
        return "age-gate", False, False
    return "signatory-missing", False, False
