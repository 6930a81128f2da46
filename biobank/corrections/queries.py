"""Reading corrections, and the trees they are about as they are now."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import ColumnElement, and_, or_, select

from biobank.core.db import AnyRow
from biobank.core.work import Work
from biobank.corrections.models import Correction, CorrectionTube
from biobank.corrections.rules import CorrectionUnknown, State
from biobank.custody.models import Standing
from biobank.specimens import queries as specimens
from biobank.specimens.models import Collection, Specimen
from biobank.specimens.rules import SpecimenKind
from biobank.subjects.models import Enrolment, Participant
from biobank.subjects.queries import seen_with

PERMISSION = "read-custody"
# More than there will ever be, and within what a column holds.
DIGITS = 18


def number(text: str) -> int:
    """The number of a correction as it stands in a path. Raises CorrectionUnknown for anything that is none."""
    if not (text.isascii() and text.isdecimal()) or len(text) > DIGITS:
        raise CorrectionUnknown(what="correction", key=text[:40])
    return int(text)


def correction(work: Work, correction_id: int) -> Correction:
    """The correction with this number. Raises CorrectionUnknown also for one about tubes or children that the actor may not see."""
    found = work.session.execute(select(Correction).where(Correction.id == correction_id, _seen(work))).scalar_one_or_none()
    if found is None:
        raise CorrectionUnknown(what="correction", key=correction_id)
    return found


def page_of(work: Work, state: str | None, after: int | None, limit: int) -> list[Correction]:
    """Corrections that the actor may see, newest first; `limit + 1` of them after the number `after`."""
    query = select(Correction).where(_seen(work)).order_by(Correction.id.desc()).limit(limit + 1)
    if state is not None:
        query = query.where(Correction.state == state)
    if after is not None:
        query = query.where(Correction.id < after)
    return list(work.session.execute(query).scalars())


def _seen(work: Work) -> ColumnElement[bool]:
    tubes = select(Standing.specimen_id).where(specimens.visible(work, PERMISSION))
    children = select(Enrolment.id).where(seen_with(work, PERMISSION))
    return and_(
        Correction.specimen_id.in_(tubes), or_(Correction.with_id.is_(None), Correction.with_id.in_(tubes)),
        or_(Correction.enrolment_id.is_(None), Correction.enrolment_id.in_(children)),
    )


def kept(work: Work, correction_ids: Iterable[int]) -> dict[int, list[AnyRow]]:
    """The tubes of corrections as they were proposed, with their draw and child of then, by correction; the first of a side is its primary."""
    query = (
        select(
            CorrectionTube.correction_id, CorrectionTube.side, CorrectionTube.status, CorrectionTube.enrolment_id, CorrectionTube.collection_id,
            Specimen.id, Specimen.code, Specimen.kind, Specimen.material, Specimen.family, Collection.code.label("collection"), Collection.event,
            Participant.code.label("participant"), Enrolment.study,
        )
        .join(Specimen, Specimen.id == CorrectionTube.specimen_id)
        .join(Collection, Collection.id == CorrectionTube.collection_id)
        .join(Enrolment, Enrolment.id == CorrectionTube.enrolment_id)
        .join(Participant, Participant.id == Enrolment.participant_id)
        .where(CorrectionTube.correction_id.in_(sorted(set(correction_ids))))
        .order_by(CorrectionTube.correction_id, CorrectionTube.side, Specimen.id)
    )
    found: dict[int, list[AnyRow]] = {}
    for row in work.session.execute(query):
        found.setdefault(row.correction_id, []).append(row)
    return found


def waiting_with(work: Work, specimen_ids: Iterable[int]) -> AnyRow | None:
    """A tube among these that waits for a correction (`code`, `correction_id`), or None."""
    query = (
        select(Specimen.code, CorrectionTube.correction_id)
        .join(Specimen, Specimen.id == CorrectionTube.specimen_id)
        .where(CorrectionTube.specimen_id.in_(sorted(set(specimen_ids))), CorrectionTube.waiting)
        .order_by(Specimen.code)
        .limit(1)
    )
    return work.session.execute(query).first()


def waiting_count(work: Work) -> int:
    """How many wait that somebody else proposed: those the actor could answer."""
    return len([one for one in page_of(work, State.WAITING, None, 99) if one.proposed_by_id != work.who.id])


def primary_of(work: Work, tube: Specimen) -> str:
    """The code of the drawn tube that this one comes from."""
    rows, pairs = specimens.lineage(work, tube)
    above, by_id = {child: parent for parent, child in pairs}, {row.id: row for row in rows}
    here = tube.id
    while by_id[here].kind != SpecimenKind.PRIMARY:
        here = above[here]
    return str(by_id[here].code)


def tree(work: Work, primary: Specimen) -> list[AnyRow]:
    """A drawn tube and everything made from it, in the order they were made, as they are now."""
    rows, pairs = specimens.lineage(work, primary)
    members = {primary.id}
    # Who was made later has the higher number, so one pass finds every descendant.
    for parent, child in sorted(pairs, key=lambda pair: pair[1]):
        if parent in members:
            members.add(child)
    return [row for row in rows if row.id in members]


def collection_of(work: Work, collection_id: int) -> Any:
    """Code and event of a draw."""
    return work.session.execute(select(Collection.id, Collection.code, Collection.event).where(Collection.id == collection_id)).one()


def target_of(work: Work, enrolment_id: int) -> Any:
    """Whose an enrolment is: ids, codes, study version and organisation."""
    query = (
        select(
            Enrolment.id.label("enrolment_id"), Enrolment.participant_id, Participant.code.label("participant"), Enrolment.study,
            Enrolment.version, Enrolment.organisation,
        )
        .join(Participant, Participant.id == Enrolment.participant_id)
        .where(Enrolment.id == enrolment_id)
    )
    return work.session.execute(query).one()
