"""Participants in lists, and what is left of each child by material."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import case, func, select

from biobank.core.work import Work
from biobank.custody.models import Standing
from biobank.desk.queries.tubes import seen_tubes
from biobank.specimens.models import Collection, Specimen
from biobank.subjects.models import Enrolment, Participant
from biobank.subjects.queries import seen_with


@dataclass(frozen=True, slots=True)
class TubeCounts:
    """How many tubes of a child are here, and how many of them on hold."""

    here: int = 0
    held: int = 0


def tube_counts(work: Work, participant_ids: Iterable[int]) -> dict[int, TubeCounts]:
    """Tubes in custody by participant id; those the actor may see."""
    query = (
        select(Standing.participant_id, func.count(), func.sum(case((Standing.open_holds > 0, 1), else_=0)))
        .where(Standing.participant_id.in_(sorted(set(participant_ids))), Standing.status == "in_custody", seen_tubes(work))
        .group_by(Standing.participant_id)
    )
    return {row[0]: TubeCounts(int(row[1]), int(row[2])) for row in work.session.execute(query)}


def what_is_left(work: Work, participant_id: int) -> list[dict[str, Any]]:
    """By material and unit: the events it comes from, tubes that still hold something, and the sum of what is known to be left."""
    query = (
        select(Specimen.material, Specimen.family, Standing.unit, Collection.event, func.count(), func.sum(Standing.remaining))
        .join(Standing, Standing.specimen_id == Specimen.id)
        .join(Collection, Collection.id == Specimen.collection_id)
        .where(Standing.participant_id == participant_id, Standing.status == "in_custody", Standing.remaining > 0, seen_tubes(work))
        .group_by(Specimen.material, Specimen.family, Standing.unit, Collection.event)
        .order_by(Specimen.family, Specimen.material, Collection.event)
    )
    found: dict[tuple[str, str, str], dict[str, Any]] = {}
    for material, family, unit, event, tubes, amount in work.session.execute(query):
        empty = {"material": material, "family": family, "unit": unit, "events": [], "tubes": 0, "amount": 0}
        row = found.setdefault((material, family, unit), empty)
        row["events"].append(event or "–")
        row["tubes"] += int(tubes)
        row["amount"] += int(amount)
    order = {"marrow": 0, "blood": 1, "csf": 2}
    return sorted(found.values(), key=lambda row: (order.get(row["family"], 3), row["material"]))


def by_subject_number(work: Work, number: str) -> list[str]:
    """Codes of participants with this number in a study the actor may see."""
    query = (
        select(Participant.code)
        .join(Enrolment, Enrolment.participant_id == Participant.id)
        .where(Enrolment.subject_number == number, seen_with(work, "read-participants"))
        .order_by(Participant.code)
    )
    return list(work.session.execute(query).scalars().unique())
