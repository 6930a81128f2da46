"""Registering participants, enrolling them, and recording episodes, anchors, doses and deaths."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from biobank.core.codes import bind_codes, new_codes
from biobank.core.times import aware
from biobank.core.vocabulary import Term, term
from biobank.core.work import Event, Work
from biobank.identity.queries import organisation
from biobank.identity.service import require
from biobank.ledger.rules import Line
from biobank.ledger.service import append, open_chain
from biobank.studies.queries import definition
from biobank.studies.rules import Unmet, check_eligibility, check_stratum
from biobank.subjects import queries
from biobank.subjects.models import Anchor, Dose, Enrolment, Episode, Participant, ParticipantPerson
from biobank.subjects.rules import (
    DOSE_ANCHOR,
    AlreadyEnrolled,
    NewAnchor,
    NewDose,
    NewEnrolment,
    NewEpisode,
    NewParticipant,
    SubjectNumberTaken,
    check_day,
    check_person,
    check_subject_number,
    check_units,
    refuse_unless_eligible,
    warnings_of,
)


@dataclass(frozen=True, slots=True)
class PersonChanged(Event):
    """Birth date or death was recorded or corrected: what was judged by age is to be judged anew."""

    participant_id: int


def register_participant(work: Work, new: NewParticipant) -> Enrolment:
    """A new participant with person facts and the first enrolment; the code is drawn here.

    Raises as `enrol`, and FieldsWrong for an impossible birth date or sex.
    """
    require(work, "enrol", new.enrolment.study, new.enrolment.organisation)
    check_person(new.birth_date, new.sex, work.today)
    code = new_codes(work.session, work.random, 1)[0]
    participant = Participant(code=code)
    work.session.add(participant)
    work.session.flush()
    bind_codes(work.session, "participant", [(code, participant.id)])
    person = ParticipantPerson(participant_id=participant.id, birth_date=new.birth_date, sex=new.sex, deceased_on=None)
    work.session.add(person)
    work.session.flush()
    return _enrol(work, participant, person.birth_date, new.enrolment)


def enrol(work: Work, participant_code: str, new: NewEnrolment) -> Enrolment:
    """A further enrolment of a known participant, judged on `enrolled_on` by the study's rules.

    Raises NotEligible for unmet rules with a source when there is no `override_reason`; AlreadyEnrolled; SubjectNumberTaken; FieldsWrong for a
    day in the future or before birth, or an unknown word; StudyUnknown; StratumUnknown. Unmet assumed rules are kept as warnings.
    """
    require(work, "enrol", new.study, new.organisation)
    participant = queries.find(work, participant_code)
    queries.lock_participant(work, participant.id, share=False)
    for known in queries.enrolments(work, participant.id):
        if known.study == new.study:
            raise AlreadyEnrolled(participant=participant.code, study=new.study, since=known.enrolled_on.isoformat())
    born = queries.person_of(work, participant.id, "eligibility").birth_date
    return _enrol(work, participant, born, new)


def _enrol(work: Work, participant: Participant, born: date, new: NewEnrolment) -> Enrolment:
    study = definition(work, new.study, pointer="/study")
    check_stratum(study, new.stratum)
    at = organisation(work, new.organisation)
    number = check_subject_number(new.subject_number)
    enrolled_on = new.enrolled_on or work.today
    check_day(enrolled_on, born, work.today, "/enrolled_on")
    if queries.number_taken(work, new.study, number):
        raise SubjectNumberTaken(study=new.study, met=number)
    episodes = _episodes_with(work, participant, born, new.episode)
    unmet = _judge(work, new, at.country, enrolled_on, born, episodes)
    refuse_unless_eligible(new.study, unmet, new.override_reason)
    reason = (new.override_reason or "").strip()
    enrolment = Enrolment(
        participant_id=participant.id, study=study.code, version=study.version, organisation=at.code, country=at.country,
        subject_number=number, enrolled_on=enrolled_on, stratum=new.stratum, override_reason_given=bool(reason),
        warnings=json.dumps(warnings_of(unmet), sort_keys=True), chain_id=open_chain(work, "consent", f"{participant.code}/{study.code}"),
    )
    work.session.add(enrolment)
    work.session.flush()
    _write_entry(work, participant, enrolment, unmet, reason)
    for episode in episodes:
        _anchor_episode(work, episode, episodes, [enrolment])
    return enrolment


def _episodes_with(work: Work, participant: Participant, born: date, told: NewEpisode | None) -> list[Episode]:
    """The participant's episodes, the told one among them; one that is known already is not written twice."""
    known = queries.episodes(work, participant.id)
    if told is None or any((e.kind, e.diagnosed_on) == (told.kind, told.diagnosed_on) for e in known):
        return known
    return [*known, _add_episode(work, participant, born, told, "/episode", queries.enrolments(work, participant.id))]


def _judge(
    work: Work, new: NewEnrolment, country: str, enrolled_on: date, born: date, episodes: Sequence[Episode]
) -> list[Unmet]:
    """The unmet rules, judged on the episode told with the enrolment, else on the newest one before it."""
    told = new.episode
    fitting = [e for e in episodes if e.diagnosed_on <= enrolled_on and told is None]
    fitting += [e for e in episodes if told is not None and (e.kind, e.diagnosed_on) == (told.kind, told.diagnosed_on)]
    latest = max(fitting or episodes, key=lambda e: (e.diagnosed_on, e.ordinal), default=None)
    genetics = json.loads(latest.genetics) if latest else None
    same = [e for e in episodes if latest is not None and e.kind == latest.kind and e.diagnosed_on <= latest.diagnosed_on]
    numbered = latest is not None and bool(term(work, "episode_kind", latest.kind, "/episode/kind").facts.get("numbered"))
    return check_eligibility(
        definition(work, new.study),
        birth_date=born,
        diagnosed_on=latest.diagnosed_on if latest else None,
        enrolled_on=enrolled_on,
        disease_group=latest.disease_group if latest else None,
        genetics=genetics,
        country=country,
        stratum=new.stratum,
        episode_kind=latest.kind if latest else None,
        relapse=len(same) if numbered else None,
    )


def _write_entry(work: Work, participant: Participant, enrolment: Enrolment, unmet: list[Unmet], reason: str) -> None:
    facts = {
        "participant": participant.code,
        "study": enrolment.study,
        "version": enrolment.version,
        "organisation": enrolment.organisation,
        "country": enrolment.country,
        "enrolled_on": enrolment.enrolled_on.isoformat(),
        "stratum": enrolment.stratum,
        "unmet": [rule.rule_id for rule in unmet if not rule.warns_only],
        "warned": [rule.rule_id for rule in unmet if rule.warns_only],
        "override_reason_given": bool(reason),
    }
    append(work, [Line(enrolment.chain_id, "enrol", facts, notes={"override_reason": reason} if reason else None)])


def add_episode(work: Work, participant_code: str, new: NewEpisode) -> Episode:
    """A further episode; it sets its anchor (relapse …) in each of the participant's enrolments.

    Raises FieldsWrong for an unknown word or an impossible day, Forbidden without the right to enrol in one of the studies.
    """
    participant = queries.find(work, participant_code)
    _require_any(work, participant)
    queries.lock_participant(work, participant.id, share=False)
    born = queries.person_of(work, participant.id, "day of an episode").birth_date
    return _add_episode(work, participant, born, new, "", queries.enrolments(work, participant.id))


def _add_episode(
    work: Work, participant: Participant, born: date, new: NewEpisode, at: str, enrolments: Sequence[Enrolment]
) -> Episode:
    term(work, "episode_kind", new.kind, f"{at}/kind")
    term(work, "disease_group", new.disease_group, f"{at}/disease_group")
    for number, finding in enumerate(new.genetics or ()):
        term(work, "genetics", finding, f"{at}/genetics/{number}")
    check_day(new.diagnosed_on, born, work.today, f"{at}/diagnosed_on")
    known = queries.episodes(work, participant.id)
    genetics = None if new.genetics is None else sorted(set(new.genetics))
    episode = Episode(
        participant_id=participant.id, ordinal=len(known) + 1, kind=new.kind, diagnosed_on=new.diagnosed_on,
        disease_group=new.disease_group, genetics=json.dumps(genetics),
    )
    work.session.add(episode)
    work.session.flush()
    _anchor_episode(work, episode, [*known, episode], enrolments)
    return episode


def _anchor_episode(work: Work, episode: Episode, episodes: Sequence[Episode], enrolments: Sequence[Enrolment]) -> None:
    """Set the anchors that the vocabulary names for this kind of episode."""
    kind: Term = term(work, "episode_kind", episode.kind, "/kind")
    again = any(other.kind == episode.kind and other.ordinal < episode.ordinal for other in episodes)
    names = [kind.facts.get("anchor"), kind.facts.get("again_anchor") if again else None]
    for enrolment in enrolments:
        for name in filter(None, names):
            _set_anchor(work, enrolment, str(name), episode.diagnosed_on, None, None)


def add_anchor(work: Work, participant_code: str, new: NewAnchor) -> Anchor:
    """A day to count from, in one enrolment; with the ordinal of one that is there, its day is corrected.

    Raises FieldsWrong for an unknown kind or an impossible day, NotEnrolled, Forbidden.
    """
    term(work, "anchor", new.kind, "/kind")
    enrolment, day, moment = _dated(work, participant_code, new.study, new.at)
    return _set_anchor(work, enrolment, new.kind, day, moment, new.ordinal)


def add_dose(work: Work, participant_code: str, new: NewDose) -> tuple[Anchor, Dose]:
    """An asparaginase dose: an anchor from which its activity samples are counted [S10, S11]. Raises as `add_anchor`."""
    term(work, "product", new.product, "/product")
    term(work, "route", new.route, "/route")
    check_units(new.units_per_m2)
    enrolment, day, moment = _dated(work, participant_code, new.study, new.at)
    anchor = _set_anchor(work, enrolment, DOSE_ANCHOR, day, moment, new.ordinal)
    dose = work.session.merge(Dose(anchor_id=anchor.id, product=new.product, units_per_m2=new.units_per_m2, route=new.route))
    work.session.flush()
    return anchor, dose


def _dated(work: Work, participant_code: str, study: str, at: date | datetime) -> tuple[Enrolment, date, datetime | None]:
    """The enrolment, permitted and locked, and the civil day at the site with the moment when it is known."""
    enrolment = queries.enrolment_of(work, participant_code, study)
    require(work, "enrol", enrolment.study, enrolment.organisation)
    queries.lock_participant(work, enrolment.participant_id, share=False)
    moment = aware(at, "/at") if isinstance(at, datetime) else None
    day = moment.astimezone(work.zone).date() if moment else at
    born = queries.person_of(work, enrolment.participant_id, "day of an anchor").birth_date
    check_day(day, born, work.today, "/at")
    return enrolment, day, moment


def _set_anchor(work: Work, enrolment: Enrolment, kind: str, day: date, moment: datetime | None, ordinal: int | None) -> Anchor:
    if ordinal is not None:
        anchor = queries.anchor_of(work, enrolment, kind, ordinal)
        anchor.at, anchor.moment = day, moment
    else:
        number = queries.next_ordinal(work, enrolment.id, kind)
        anchor = Anchor(enrolment_id=enrolment.id, kind=kind, ordinal=number, at=day, moment=moment)
        work.session.add(anchor)
    work.session.flush()
    return anchor


def record_death(work: Work, participant_code: str, deceased_on: date | None) -> Participant:
    """The day of death; None takes a mistaken one back. Age gates dated after it are dropped at once (by those who follow PersonChanged).

    Raises FieldsWrong for a day in the future or before birth, Forbidden.
    """
    participant = queries.find(work, participant_code)
    _require_any(work, participant)
    queries.lock_participant(work, participant.id, share=False)
    person = queries.person_of(work, participant.id, "recording a death")
    if deceased_on is not None:
        check_day(deceased_on, person.birth_date, work.today, "/deceased_on")
    person.deceased_on = deceased_on
    work.session.flush()
    work.events.append(PersonChanged(participant.id))
    return participant


def correct_person(work: Work, participant_code: str, birth_date: date, sex: str) -> Participant:
    """Right a mistyped birth date or sex; consent is judged anew. Enrolments stand as they were judged. Raises FieldsWrong, Forbidden."""
    participant = queries.find(work, participant_code)
    _require_any(work, participant)
    check_person(birth_date, sex, work.today)
    queries.lock_participant(work, participant.id, share=False)
    person = queries.person_of(work, participant.id, "correcting person facts")
    if person.deceased_on is not None:
        check_day(person.deceased_on, birth_date, work.today, "/birth_date")
    person.birth_date, person.sex = birth_date, sex
    work.session.flush()
    work.events.append(PersonChanged(participant.id))
    return participant


def _require_any(work: Work, participant: Participant) -> None:
    """Raises Forbidden unless the actor may enrol in one of the participant's studies."""
    if not queries.enrolments(work, participant.id, "enrol"):
        mine = queries.enrolments(work, participant.id)[0]
        require(work, "enrol", mine.study, mine.organisation)
