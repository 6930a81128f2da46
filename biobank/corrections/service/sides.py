"""The two sides of a reassignment as they are now: whose each tree is, and whose it is to be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from biobank.core.codes import spaced
from biobank.core.db import AnyRow
from biobank.core.errors import Forbidden
from biobank.core.work import Work
from biobank.corrections import queries
from biobank.corrections.models import Correction
from biobank.corrections.rules import CorrectionOvertaken, NotAPrimary, SameChild, Seen, moved_since
from biobank.custody import queries as custody
from biobank.custody.rules import Asked, HoldKind, Standing, effect_of
from biobank.custody.service import Belonging
from biobank.identity import service as identity
from biobank.specimens import queries as specimens
from biobank.specimens.models import Specimen
from biobank.specimens.rules import SpecimenKind
from biobank.studies.queries import definition

PERMISSION = "correct"


@dataclass(frozen=True, slots=True)
class Goal:
    """Whose a tree is to be. `collection` None: a draw of its own is opened when it is confirmed."""

    participant_id: int
    participant: str
    enrolment_id: int
    study: str
    version: int
    organisation: str
    collection_id: int | None
    collection: str | None
    event: str | None

    @property
    def belonging(self) -> Belonging:
        """As ids."""
        return Belonging(self.participant_id, self.enrolment_id, self.study)


@dataclass(frozen=True, slots=True)
class Side:
    """A tree, its primary first, and where it goes; `other` is the primary it changes places with."""

    tubes: Sequence[AnyRow]
    goal: Goal
    other: str | None

    @property
    def primary(self) -> AnyRow:
        """The drawn tube."""
        return self.tubes[0]


def whole_tree(work: Work, code: str) -> list[AnyRow]:
    """The tree of a drawn tube, its primary first. Raises CodeMistyped, CodeUnknown, or NotAPrimary that names the primary."""
    tube = specimens.specimen(work, code)
    if tube.kind != SpecimenKind.PRIMARY:
        primary = queries.primary_of(work, tube)
        raise NotAPrimary(code=spaced(tube.code), primary=spaced(primary), specimen=primary)
    return queries.tree(work, tube)


def swapped(work: Work, one: Sequence[AnyRow], other: Sequence[AnyRow]) -> list[Side]:
    """The sides of a swap: each tree goes where the other is."""
    return [
        Side(one, _goal(work, other[0].enrolment_id, other[0].collection_id), other[0].code),
        Side(other, _goal(work, one[0].enrolment_id, one[0].collection_id), one[0].code),
    ]


def moved(work: Work, tubes: Sequence[AnyRow], enrolment_id: int, collection_id: int | None) -> list[Side]:
    """The one side of a move to another child."""
    return [Side(tubes, _goal(work, enrolment_id, collection_id), None)]


def sides_of(work: Work, found: Correction) -> list[Side]:
    """The sides of a correction that waits, read now."""
    trees = [queries.tree(work, _fresh(work, one)) for one in (found.specimen_id, found.with_id) if one is not None]
    if found.enrolment_id is not None:
        return moved(work, trees[0], found.enrolment_id, found.collection_id)
    return swapped(work, trees[0], trees[1])


def _fresh(work: Work, specimen_id: int) -> Specimen:
    # Read before the lock it may be of a draw that it has left since.
    return work.session.get_one(Specimen, specimen_id, populate_existing=True)


def _goal(work: Work, enrolment_id: int, collection_id: int | None) -> Goal:
    to = queries.target_of(work, enrolment_id)
    draw = queries.collection_of(work, collection_id) if collection_id is not None else None
    return Goal(
        to.participant_id, to.participant, to.enrolment_id, to.study, to.version, to.organisation, collection_id,
        draw.code if draw else None, draw.event if draw else None,
    )


def judge(work: Work, sides: Sequence[Side]) -> None:
    """Whether such a reassignment makes sense and is this person's to propose or to confirm.

    Raises SameChild, Forbidden.
    """
    for side in sides:
        primary = side.primary
        if primary.participant_id == side.goal.participant_id:
            raise SameChild(code=spaced(primary.code), participant=primary.participant)
    for side in sides:
        for tube in side.tubes:
            require_here(work, tube)
        if side.other is None:
            identity.require(work, PERMISSION, side.goal.study, side.goal.organisation)


def require_here(work: Work, tube: AnyRow) -> None:
    """Raises Forbidden without the permission where the tube is or who answers for it is."""
    if not any(identity.may(work, PERMISSION, tube.study, at) for at in (tube.custodian, tube.responsible) if at):
        raise Forbidden(permission=PERMISSION, study=tube.study, organisation=tube.custodian)


def seen_of(tubes: Sequence[Any]) -> list[Seen]:
    """Tubes as a proposal keeps them."""
    return [Seen(tube.code, tube.status, tube.enrolment_id, tube.collection_id) for tube in tubes]


def refuse_overtaken(work: Work, found: Correction, tubes: Sequence[AnyRow]) -> None:
    """Raises CorrectionOvertaken that names what has changed since it was proposed."""
    told = moved_since(seen_of(queries.kept(work, [found.id]).get(found.id, [])), seen_of(tubes))
    if told:
        raise CorrectionOvertaken(correction=found.id, moved="; ".join(told))


def facts_of(side: Side, tube: AnyRow, goal: Goal) -> dict[str, Any]:
    """What the entry says of a tube's identity: as it was, and as it is now. Who answers for it follows, unless that was transferred."""
    was = {"participant": tube.participant, "study": tube.study, "collection": tube.collection, "event": tube.event}
    now = {"participant": goal.participant, "study": goal.study, "collection": goal.collection, "event": goal.event}
    if tube.responsible == tube.organisation != goal.organisation:
        was["responsible"], now["responsible"] = tube.responsible, goal.organisation
    return {"was": was, "now": now} | ({"with": side.other} if side.other else {})


def ended_marks(work: Work, side: Side) -> dict[int, list[str]]:
    """Earmarks for sub-studies that the new child's study does not have, by tube id."""
    study = definition(work, side.goal.study, side.goal.version)
    marks = specimens.earmarks(work, [tube.id for tube in side.tubes])
    ended = {tube: [mark for mark in listed if study.sub_study(mark) is None] for tube, listed in marks.items()}
    return {tube: listed for tube, listed in ended.items() if listed}


def folds_of(work: Work, tubes: Sequence[AnyRow]) -> dict[int, Standing]:
    """The standings of tubes as the rules see them, by id."""
    return custody.folds(work, list(custody.standings(work, [tube.id for tube in tubes]).values()))


def effect_on(work: Work, standing: Standing, facts: dict[str, Any], wanted: HoldKind | None) -> dict[str, Any]:
    """What the act will do to a tube, by the rule that does it."""
    return effect_of("reassign", standing, Asked("", work.today.isoformat(), work.who.organisation, facts=facts, wanted=wanted))
