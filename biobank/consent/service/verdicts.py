"""Giving and keeping verdicts."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import date

from sqlalchemy import insert

from biobank.consent import queries
from biobank.consent.models import VerdictGiven
from biobank.consent.rules import Verdict, judge, uses_towards
from biobank.core.errors import Fault, FieldsWrong
from biobank.core.near import near
from biobank.core.work import Work
from biobank.identity.queries import organisation
from biobank.studies.queries import definition, sub_study
from biobank.studies.rules import PURPOSES, USES

_KEEP = insert(VerdictGiven).returning(VerdictGiven.id)


def verdict(
    work: Work, enrolment_id: int, purpose: str, on: date | None = None, uses: frozenset[str] = frozenset(), new: bool | None = None
) -> Verdict:
    """Whether a purpose is granted on a day (default: today at the site). One statement per unit and enrolment; writes nothing.

    `new`: for material that is not here yet (None: what the purpose says, `collect` is about that).

    Ask it after the participant's lock was taken.
    """
    return verdicts(work, [enrolment_id], purpose, on, uses, new)[enrolment_id]


def verdicts(
    work: Work, enrolment_ids: Iterable[int], purpose: str, on: date | None = None, uses: frozenset[str] = frozenset(), new: bool | None = None
) -> dict[int, Verdict]:
    """Verdicts for many enrolments at once, by enrolment id."""
    asked = sorted(set(enrolment_ids))
    unknown = [one for one in asked if ("consent", one) not in work.memo]
    if unknown:
        for one, state in queries.states(work, unknown).items():
            work.memo[("consent", one)] = state
    day = on or work.today
    found: dict[int, Verdict] = {}
    for one in asked:
        study, version, by_component = work.memo[("consent", one)]
        found[one] = judge(definition(work, study, version), by_component, purpose, uses, day, purpose == "collect" if new is None else new)
    return found


def asked_uses(work: Work, declared: Iterable[str], recipient: str | None) -> frozenset[str]:
    """The uses a verdict is asked for: those declared, and `outside_eea` when the recipient organisation's country says so.

    Raises FieldsWrong for an unknown use or organisation.
    """
    words = frozenset(declared)
    declarable = [use for use in USES if use != "outside_eea"]
    for word in sorted(words):
        if word not in declarable:
            raise FieldsWrong([Fault("/uses", near(word, declarable), word)])
    return words | (uses_towards(organisation(work, recipient, "/to").country) if recipient else frozenset())


def check_purpose(work: Work, purpose: str, pointer: str = "/purpose") -> str:
    """The purpose, when there is such a one. Raises FieldsWrong naming the known ones, also for a sub-study that does not exist."""
    head, _, code = purpose.partition(":")
    if head not in PURPOSES or (head == "use") != bool(code):
        known = [f"{word}:<sub-study>" if word == "use" else word for word in PURPOSES]
        raise FieldsWrong([Fault(pointer, near(purpose, known), purpose)])
    if code:
        sub_study(work, code, pointer)
    return purpose


def keep_verdict(work: Work, given: Verdict, enrolment_id: int) -> int:
    """Keep a verdict that an act relies on; the act's entry names the id and the outcome, never the reasons."""
    row = {
        "enrolment_id": enrolment_id, "purpose": given.purpose, "on_date": given.on, "granted": given.granted,
        "reasons": json.dumps([reason.as_json() for reason in given.reasons], sort_keys=True), "rules_version": given.rules_version,
        "at": work.now,
    }
    return int(work.session.connection().execute(_KEEP, row).scalar_one())
