"""A small stock of real tubes, made through the use cases: enrol, consent, draw, receive, release, aliquot."""

from __future__ import annotations

from datetime import timedelta

from biobank.consent.rules import Signature
from biobank.consent.service import NewDecision, decide
from biobank.core.units import Quantity
from biobank.core.work import Actor, Grant, Work
from biobank.custody.queries import by_codes
from biobank.identity import queries as identity
from biobank.identity.models import Person
from biobank.specimens import queries as specimens
from biobank.specimens.service import NewAliquots, NewCollection, aliquot, do, plan_collection
from biobank.studies.queries import definition
from biobank.subjects.rules import NewAnchor, NewEnrolment, NewEpisode, NewParticipant
from biobank.subjects.service import add_anchor, register_participant

STUDY = "alltogether1"
HOME = "maxima"


def person(work: Work, login: str, *grants: Grant, organisation: str = HOME) -> Actor:
    """Somebody beside the cast with exactly these roles."""
    place = identity.organisation(work, organisation)
    row = Person(login=login, name=login, password_hash="-", active=True, organisation_id=place.id, epoch=1, failures=0, waits_until=None)
    work.session.add(row)
    work.session.flush()
    return Actor(row.id, login, organisation, grants)


def cast(work: Work, login: str) -> Actor:
    """Somebody of the cast."""
    found = identity.actor_by_login(work, login)
    assert found is not None
    return found


def child(work: Work, number: int, *, study: str = STUDY, disease: str = "BCP_ALL", declined: tuple[str, ...] = (), silent: bool = False) -> str:
    """A child of seven with both parents' signatures to every component but those declined; the participant's code."""
    born, day = work.today - timedelta(days=2600), work.today - timedelta(days=60)
    episode = NewEpisode("primary", day, disease, ())
    enrolment = register_participant(
        work, NewParticipant(born, "female", NewEnrolment(study, HOME, f"T-{number:04}", day, None, episode, "test stock"))
    )
    code = specimens.participant_code(work, enrolment.participant_id)
    if silent:
        return code
    signed = (Signature("parent", day), Signature("second-parent", day))
    for component in definition(work, study).components:
        answer = "no" if component.code in declined else "yes"
        decide(work, code, NewDecision(study, component.code, answer, "v1", day, "joint", signed))
    return code


def decline(work: Work, participant: str, component: str, study: str = STUDY) -> None:
    """The parents say no to one component, today."""
    signed = (Signature("parent", work.today), Signature("second-parent", work.today))
    decide(work, participant, NewDecision(study, component, "no", "v1", work.today, "joint", signed))


def draw(work: Work, participant: str, *, event: str = "DX", material: str = "BM", volume: int = 2_000_000, released: bool = True) -> str:
    """One received tube of an event, in nL; its code. The other tubes of the event stay expected."""
    if event == "D15":
        add_anchor(work, participant, NewAnchor(STUDY, "treatment_start", work.today - timedelta(days=50)))
    collection = plan_collection(work, NewCollection(participant, STUDY, event, work.today))
    tube = next(row for row in specimens.of_collection(work, collection.id) if row.material == material)
    do(work, tube.id, "receive", {"volume": {"value": volume, "unit": "nL"}})
    if released:
        do(work, tube.id, "release", {})
    return tube.code


def aliquots(work: Work, code: str, count: int, volume: int = 100_000) -> list[str]:
    """Aliquots of a tube, in nL; their codes in order."""
    _, made = aliquot(work, code, NewAliquots(count, Quantity(volume, "nL")))
    return sorted(tube.code for tube in made)


def standing(work: Work, code: str):
    """A tube's standing row."""
    return by_codes(work, [code])[code]
