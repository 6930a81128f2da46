"""What follows from what, inside the same transaction: one table from event to use case."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from biobank.consent.service import ConsentChanged, refold_after_person_change
from biobank.core.work import Work
from biobank.custody.service import reconsider
from biobank.subjects.queries import enrolments
from biobank.subjects.service import PersonChanged


def _judged_anew(work: Work, event: PersonChanged) -> None:
    refold_after_person_change(work, event.participant_id)
    for enrolment in enrolments(work, event.participant_id):
        reconsider(work, enrolment.id)


FOLLOWS: dict[type, Callable[[Work, Any], object]] = {
    # A birth date or a death moves age gates.
    PersonChanged: _judged_anew,
    # A decision opens and lifts the holds of tubes that are here.
    ConsentChanged: lambda work, event: reconsider(work, event.enrolment_id),
}


def react(work: Work) -> None:
    """Do what follows from the unit's events, and from the events that this brings, until nothing new happens."""
    while work.events:
        event = work.events.pop(0)
        follow = FOLLOWS.get(type(event))
        if follow is not None:
            follow(work, event)
