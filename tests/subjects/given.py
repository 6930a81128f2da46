"""What the tests of participants and consent begin with: a child in ALLTogether1."""

from __future__ import annotations

from datetime import date

from biobank.core.work import Work
from biobank.subjects.queries import participant
from biobank.subjects.rules import NewEnrolment, NewEpisode, NewParticipant
from biobank.subjects.service import register_participant

HERE, ABROAD = "maxima", "boston"
PRIMARY = NewEpisode("primary", date(2026, 3, 1), "BCP_ALL", ())


def enrolling(number: str = "T-001", **changes: object) -> NewEnrolment:
    """An enrolment in ALLTogether1 of March 2026."""
    facts = {"study": "alltogether1", "organisation": HERE, "subject_number": number, "enrolled_on": date(2026, 3, 2), "episode": PRIMARY}
    return NewEnrolment(**{**facts, **changes})  # type: ignore[arg-type]


def child(work: Work, number: str = "T-001", born: date = date(2018, 6, 15), **changes: object):
    """A participant enrolled in ALLTogether1; the enrolment."""
    return register_participant(work, NewParticipant(born, "female", enrolling(number, **changes)))


def code_of(work: Work, enrolment) -> str:
    """The participant's code."""
    return participant(work, enrolment.participant_id).code
