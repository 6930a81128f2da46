"""Endpoints of participants, enrolments, episodes, anchors, doses and deaths."""

from __future__ import annotations

import json
from typing import Any

from biobank.core.work import Work
from biobank.subjects import queries, service
from biobank.subjects.rules import NewAnchor, NewDose, NewEnrolment, NewEpisode, NewParticipant
from biobank.subjects.schemas import (
    ANCHOR,
    ANCHOR_IN,
    DEATH_IN,
    DOSE_IN,
    ENROLMENT_IN,
    EPISODE,
    EPISODE_IN,
    PARTICIPANT,
    PARTICIPANT_IN,
    PARTICIPANTS,
    PARTICIPANTS_ARGS,
    PERSON_IN,
)
from biobank.web.blueprint import ApiBlueprint, personal
from biobank.web.paging import page

api = ApiBlueprint("participants", __name__, "Children by pseudonym: enrolments, episodes, and the days that sampling is counted from")


@api.get("/participants", permission="read-participants")
@api.takes(PARTICIPANTS_ARGS, location="query")
@api.answers(200, PARTICIPANTS)
def participants(work: Work, args: dict[str, Any]) -> dict[str, Any]:
    """The participants the reader may see, by code."""
    rows = queries.page_of(work, args["after"], args["limit"], args["study"])
    enrolled = queries.enrolments_of_many(work, [row.id for row in rows], "read-participants")
    return page([{"code": row.code, "enrolments": enrolled.get(row.id, [])} for row in rows], args["limit"], lambda item: str(item["code"]))


@api.post("/participants", permission="enrol")
@api.takes(PARTICIPANT_IN)
@api.answers(201, PARTICIPANT)
@personal
def register(work: Work, body: dict[str, Any]) -> dict[str, Any]:
    """A new participant with the first enrolment."""
    new = NewParticipant(body.pop("birth_date"), body.pop("sex"), _enrolment(body))
    enrolment = service.register_participant(work, new)
    return _whole(work, queries.participant(work, enrolment.participant_id).code)


@api.get("/participants/<participant>", permission="read-participants")
@api.answers(200, PARTICIPANT)
def one(work: Work, participant: str) -> dict[str, Any]:
    """One participant. Person facts only with the permission for them; that read is logged."""
    return _whole(work, participant, person=True)


@api.post("/participants/<participant>/enrolments", permission="enrol")
@api.takes(ENROLMENT_IN)
@api.answers(201, PARTICIPANT)
@personal
def enrol(work: Work, body: dict[str, Any], participant: str) -> dict[str, Any]:
    """A further enrolment of a known participant."""
    service.enrol(work, participant, _enrolment(body))
    return _whole(work, participant)


@api.post("/participants/<participant>/episodes", permission="enrol")
@api.takes(EPISODE_IN)
@api.answers(201, EPISODE)
def add_episode(work: Work, body: dict[str, Any], participant: str) -> dict[str, Any]:
    """A further episode; a relapse sets its anchor in every enrolment."""
    return _episode(service.add_episode(work, participant, _new_episode(body)))


@api.post("/participants/<participant>/anchors", permission="enrol")
@api.takes(ANCHOR_IN)
@api.answers(201, ANCHOR)
def add_anchor(work: Work, body: dict[str, Any], participant: str) -> dict[str, Any]:
    """A day to count from; with the ordinal of one that is there, its day is corrected."""
    return _anchor(body["study"], service.add_anchor(work, participant, NewAnchor(**body)), None)


@api.post("/participants/<participant>/doses", permission="enrol")
@api.takes(DOSE_IN)
@api.answers(201, ANCHOR)
def add_dose(work: Work, body: dict[str, Any], participant: str) -> dict[str, Any]:
    """An asparaginase dose, from which its activity samples are counted."""
    anchor, dose = service.add_dose(work, participant, NewDose(**body))
    return _anchor(body["study"], anchor, dose)


@api.post("/participants/<participant>/death", permission="enrol")
@api.takes(DEATH_IN)
@api.answers(200, PARTICIPANT)
@personal
def record_death(work: Work, body: dict[str, Any], participant: str) -> dict[str, Any]:
    """The day of death; age gates dated after it are dropped at once."""
    service.record_death(work, participant, body["deceased_on"])
    return _whole(work, participant)


@api.post("/participants/<participant>/person", permission="enrol")
@api.takes(PERSON_IN)
@api.answers(200, PARTICIPANT)
@personal
def correct_person(work: Work, body: dict[str, Any], participant: str) -> dict[str, Any]:
    """Right a mistyped birth date or sex; consent is judged anew."""
    service.correct_person(work, participant, body["birth_date"], body["sex"])
    return _whole(work, participant)


def _new_episode(body: dict[str, Any]) -> NewEpisode:
    genetics = body["genetics"]
    return NewEpisode(body["kind"], body["diagnosed_on"], body["disease_group"], None if genetics is None else tuple(genetics))


def _enrolment(body: dict[str, Any]) -> NewEnrolment:
    episode = body.pop("episode")
    return NewEnrolment(**body, episode=_new_episode(episode) if episode else None)


def _whole(work: Work, participant: str, *, person: bool = False) -> dict[str, Any]:
    whole = queries.whole(work, participant, person=person)
    anchors: dict[int, list[dict[str, Any]]] = {}
    studies = {enrolment.id: enrolment.study for enrolment in whole.enrolments}
    for anchor, dose in whole.anchors:
        anchors.setdefault(anchor.enrolment_id, []).append(_anchor(studies[anchor.enrolment_id], anchor, dose))
    return {
        "code": whole.participant.code,
        "enrolments": [_shown(enrolment, anchors.get(enrolment.id, [])) for enrolment in whole.enrolments],
        "episodes": [_episode(episode) for episode in whole.episodes],
        "person": whole.person,
    }


def _shown(enrolment: Any, anchors: list[dict[str, Any]]) -> dict[str, Any]:
    names = ("study", "version", "organisation", "country", "subject_number", "enrolled_on", "stratum", "override_reason_given")
    return {name: getattr(enrolment, name) for name in names} | {"warnings": json.loads(enrolment.warnings), "anchors": anchors}


def _episode(episode: Any) -> dict[str, Any]:
    names = ("ordinal", "kind", "diagnosed_on", "disease_group")
    return {name: getattr(episode, name) for name in names} | {"genetics": json.loads(episode.genetics)}


def _anchor(study: str, anchor: Any, dose: Any) -> dict[str, Any]:
    return {"study": study, "kind": anchor.kind, "ordinal": anchor.ordinal, "at": anchor.at, "moment": anchor.moment, "dose": dose}
