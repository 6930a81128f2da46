"""Reading participants: by code and by what the reader may see; person facts only with a trace in the access log."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, and_, bindparam, exists, false, func, or_, select, true

from biobank.core.codes import resolve, spaced
from biobank.core.work import Work
from biobank.identity.rules import PERMISSIONS
from biobank.subjects.models import Anchor, Dose, Enrolment, Episode, Participant, ParticipantPerson
from biobank.subjects.rules import AnchorUnknown, NotEnrolled, ParticipantUnknown, PersonErased

_ROW = select(Participant.id).where(Participant.id.in_(bindparam("ids", expanding=True))).order_by(Participant.id)
_LOCKS = {True: _ROW.with_for_update(read=True), False: _ROW.with_for_update()}


@dataclass(frozen=True, slots=True)
class Whole:
    """A participant as far as the reader may see. `person` None: no permission, or erased."""

    participant: Participant
    enrolments: list[Enrolment]
    episodes: list[Episode]
    anchors: list[tuple[Anchor, Dose | None]]
    person: ParticipantPerson | None


def whole(work: Work, scanned: str, *, person: bool) -> Whole:
    """Everything of a participant that the reader may see; with `person` also the person facts, and that read is logged. Raises as `find`."""
    found = find(work, scanned)
    mine = enrolments(work, found.id, "read-participants")
    kept = work.session.get(ParticipantPerson, found.id) is not None
    may_read = person and kept and bool(enrolments(work, found.id, "read-person"))
    shown = person_of(work, found.id, "participant shown") if may_read else None
    return Whole(found, mine, episodes(work, found.id), anchors(work, [one.id for one in mine]), shown)


def seen_with(work: Work, permission: str) -> ColumnElement[bool]:
    """Which enrolments the actor holds the permission for: a condition on `Enrolment` for a query."""
    roles = PERMISSIONS[permission]
    held = [grant for grant in (work.actor.grants if work.actor else ()) if grant.role in roles]
    each = [
        and_(
            true() if grant.study is None else Enrolment.study == grant.study,
            true() if grant.organisation is None else Enrolment.organisation == grant.organisation,
        )
        for grant in held
    ]
    return or_(*each) if each else false()


def find(work: Work, scanned: str, permission: str = "read-participants") -> Participant:
    """The participant with this code, when the actor holds the permission for one of the enrolments.

    Raises CodeMistyped, CodeUnknown (the code is of something else or of nothing) or ParticipantUnknown (not for this person).
    """
    code, _, row_id = resolve(work.session, scanned, "participant")
    seen = exists().where(Enrolment.participant_id == Participant.id, seen_with(work, permission))
    found = work.session.execute(select(Participant).where(Participant.id == row_id, seen)).scalar_one_or_none()
    if found is None:
        raise ParticipantUnknown(code=spaced(code), what="participant", key=code)
    return found


def page_of(work: Work, after: str | None, limit: int, study: str | None = None) -> list[Participant]:
    """Participants the actor may see, by code, at most `limit + 1` after the code `after`."""
    seen = exists().where(
        Enrolment.participant_id == Participant.id,
        seen_with(work, "read-participants"),
        true() if study is None else Enrolment.study == study,
    )
    query = select(Participant).where(seen, Participant.code > (after or "")).order_by(Participant.code).limit(limit + 1)
    return list(work.session.execute(query).scalars())


def enrolment_of(work: Work, participant_code: str, study: str, permission: str = "read-participants") -> Enrolment:
    """The enrolment in this study. Raises as `find`, or NotEnrolled when there is none that the actor may see with the permission."""
    participant = find(work, participant_code)
    query = select(Enrolment).where(
        Enrolment.participant_id == participant.id, Enrolment.study == study, seen_with(work, permission)
    )
    found = work.session.execute(query).scalar_one_or_none()
    if found is None:
        raise NotEnrolled(participant=participant.code, study=study, what="enrolment", key=study)
    return found


def enrolment(work: Work, enrolment_id: int) -> Enrolment:
    """The enrolment with this id, whoever asks."""
    return work.session.get_one(Enrolment, enrolment_id)


def enrolments(work: Work, participant_id: int, permission: str | None = None) -> list[Enrolment]:
    """A participant's enrolments by day; with a permission only those the actor holds it for."""
    seen = true() if permission is None else seen_with(work, permission)
    query = select(Enrolment).where(Enrolment.participant_id == participant_id, seen).order_by(Enrolment.enrolled_on, Enrolment.id)
    return list(work.session.execute(query).scalars())


def enrolments_of_many(work: Work, participant_ids: Iterable[int], permission: str) -> dict[int, list[Enrolment]]:
    """The enrolments of several participants that the actor may see, by participant id."""
    query = (
        select(Enrolment)
        .where(Enrolment.participant_id.in_(sorted(set(participant_ids))), seen_with(work, permission))
        .order_by(Enrolment.enrolled_on, Enrolment.id)
    )
    found: dict[int, list[Enrolment]] = {}
    for row in work.session.execute(query).scalars():
        found.setdefault(row.participant_id, []).append(row)
    return found


def participant(work: Work, participant_id: int) -> Participant:
    """The participant with this id, whoever asks."""
    return work.session.get_one(Participant, participant_id)


def lock_participant(work: Work, participant_id: int, *, share: bool) -> None:
    """Take the participant's lock, the first in the lock order: shared for acts that ask consent, else exclusive.

    SQLite needs nothing: a writing transaction is alone.
    """
    lock_participants(work, [participant_id], share=share)


def lock_participants(work: Work, participant_ids: Iterable[int], *, share: bool) -> None:
    """The same for several, in id order."""
    ids = sorted(set(participant_ids))
    if ids and work.session.get_bind().dialect.name == "postgresql":
        work.session.connection().execute(_LOCKS[share], {"ids": ids}).all()


def person_of(work: Work, participant_id: int, why: str) -> ParticipantPerson:
    """Birth date, sex and death; the read is written to the access log with `why`. Raises PersonErased."""
    of = participant(work, participant_id)
    found = work.session.get(ParticipantPerson, participant_id)
    if found is None:
        raise PersonErased(participant=of.code)
    work.reads.append({"participant": of.code, "what": "birth_date", "why": why})
    return found


def episodes(work: Work, participant_id: int) -> list[Episode]:
    """The participant's episodes, by ordinal."""
    query = select(Episode).where(Episode.participant_id == participant_id).order_by(Episode.ordinal)
    return list(work.session.execute(query).scalars())


def anchors(work: Work, enrolment_ids: Iterable[int]) -> list[tuple[Anchor, Dose | None]]:
    """The anchors of enrolments with their doses, by day."""
    query = (
        select(Anchor, Dose)
        .outerjoin(Dose, Dose.anchor_id == Anchor.id)
        .where(Anchor.enrolment_id.in_(sorted(set(enrolment_ids))))
        .order_by(Anchor.at, Anchor.kind, Anchor.ordinal)
    )
    return [(row[0], row[1]) for row in work.session.execute(query)]


def anchor_of(work: Work, enrolment: Enrolment, kind: str, ordinal: int | None = None) -> Anchor:
    """The anchor of this kind: the one with this ordinal, else the latest. Raises AnchorUnknown."""
    found = find_anchor(work, enrolment.id, kind, ordinal)
    if found is None:
        code = participant(work, enrolment.participant_id).code
        raise AnchorUnknown(
            study=enrolment.study, participant=code, kind=kind, ordinal="" if ordinal is None else ordinal, what="anchor", key=kind
        )
    return found


def find_anchor(work: Work, enrolment_id: int, kind: str, ordinal: int | None = None) -> Anchor | None:
    """The anchor of this kind with this ordinal (None: the one with the highest), or None."""
    query = select(Anchor).where(Anchor.enrolment_id == enrolment_id, Anchor.kind == kind)
    if ordinal is not None:
        query = query.where(Anchor.ordinal == ordinal)
    return work.session.execute(query.order_by(Anchor.ordinal.desc()).limit(1)).scalar_one_or_none()


def next_ordinal(work: Work, enrolment_id: int, kind: str) -> int:
    """The ordinal a further anchor of this kind gets. Safe under the participant's lock."""
    query = select(func.coalesce(func.max(Anchor.ordinal), 0)).where(Anchor.enrolment_id == enrolment_id, Anchor.kind == kind)
    return int(work.session.execute(query).scalar_one()) + 1


def number_taken(work: Work, study: str, subject_number: str) -> bool:
    """Whether the trial's number is used in this study."""
    query = select(Enrolment.id).where(Enrolment.study == study, Enrolment.subject_number == subject_number)
    return work.session.execute(query).first() is not None


def codes_of(work: Work, participant_ids: Sequence[int]) -> dict[int, str]:
    """Participant codes by id."""
    query = select(Participant.id, Participant.code).where(Participant.id.in_(sorted(set(participant_ids))))
    return {row.id: row.code for row in work.session.execute(query)}
