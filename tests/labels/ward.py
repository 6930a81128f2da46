"""A ward: children in a study, and planned draws."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

from sqlalchemy import func, select

from biobank.core.work import Work
from biobank.custody.service import Doing, record
from biobank.labels import queries
from biobank.ledger.models import Chain, Entry
from biobank.specimens.queries import of_collection
from biobank.specimens.service import NewCollection, plan_collection
from biobank.subjects.queries import codes_of
from biobank.subjects.rules import NewEnrolment, NewEpisode, NewParticipant
from biobank.subjects.service import register_participant

STUDY = "alltogether1"
HOSPITAL = "maxima"


@dataclass(frozen=True)
class Plan:
    """A planned draw: its participant, and the codes of its tubes."""

    participant: str
    codes: list[str]


def enrolled(work: Work, number: str = "LBL-1") -> str:
    """A child of six in the study; the participant's code."""
    episode = NewEpisode("primary", work.today - timedelta(days=2), "BCP_ALL", ())
    new = NewEnrolment(STUDY, HOSPITAL, number, work.today, episode=episode)
    enrolment = register_participant(work, NewParticipant(date(work.today.year - 6, 1, 1), "female", new))
    return codes_of(work, [enrolment.participant_id])[enrolment.participant_id]


def planned(work: Work) -> Plan:
    """A diagnosis draw that is expected today."""
    participant = enrolled(work)
    collection = plan_collection(work, NewCollection(participant, STUDY, "DX", work.today))
    work.session.flush()
    return Plan(participant, [row.code for row in of_collection(work, collection.id)])


def acts(work: Work, code: str) -> list[str]:
    """The acts in a tube's chain, in order."""
    query = select(Entry.act).join(Chain, Chain.id == Entry.chain_id).where(Chain.kind == "specimen", Chain.ref == code)
    return list(work.session.execute(query.order_by(Entry.seq)).scalars())


def entries(work: Work) -> int:
    """How many entries there are at all."""
    return work.session.execute(select(func.count()).select_from(Entry)).scalar_one()


def cancel(work: Work, code: str) -> None:
    """The tube is not drawn after all."""
    tube = queries.tubes(work, [code])[code]
    record(work, [Doing(tube.specimen_id, "cancel", {"reason": "not drawn"})])
