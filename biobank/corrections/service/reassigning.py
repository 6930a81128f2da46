"""A confirmed swap or move: under the children's locks one `reassign` entry on every tube, and the rows that follow."""

from __future__ import annotations

from dataclasses import replace

from biobank.core.db import AnyRow
from biobank.core.times import stamp
from biobank.core.work import Work
from biobank.corrections.models import Correction
from biobank.corrections.service import sides
from biobank.corrections.service.sides import Side
from biobank.custody import queries as custody
from biobank.custody.service import Doing, Recorded, record
from biobank.specimens import service as specimens
from biobank.subjects import queries as subjects


def reassign(work: Work, found: Correction) -> list[Recorded]:
    """Give the trees to the children they are of. Raises CorrectionOvertaken, SameChild, Forbidden."""
    asked = sides.sides_of(work, found)
    children = {tube.participant_id for side in asked for tube in side.tubes} | {side.goal.participant_id for side in asked}
    subjects.lock_participants(work, children, share=False)
    # Only now does nobody take an aliquot, decide or withdraw: what was read before the lock is read again.
    both = sides.sides_of(work, found)
    tubes = [tube for side in both for tube in side.tubes]
    sides.refuse_overtaken(work, found, tubes)
    sides.judge(work, both)
    both = [_with_draw(work, found, side) for side in both]
    corrects = custody.told_by(work, [tube.chain_id for tube in tubes])
    ended = {tube: marks for side in both for tube, marks in sides.ended_marks(work, side).items()}
    doings = [_doing(found, side, tube, corrects.get(tube.chain_id, 1), ended.get(tube.id, [])) for side in both for tube in side.tubes]
    done = record(work, doings)
    draws = {tube.id: side.goal.collection_id for side in both for tube in side.tubes if side.goal.collection_id is not None}
    specimens.rehome(work, draws, [(tube, mark) for tube, marks in ended.items() for mark in marks])
    return done


def _with_draw(work: Work, found: Correction, side: Side) -> Side:
    goal = side.goal
    if goal.collection_id is not None:
        return side
    draw = specimens.open_draw(work, goal.enrolment_id, goal.organisation, side.primary.drawn_at)
    found.collection_id = draw.id
    work.session.flush()
    return replace(side, goal=replace(goal, collection_id=draw.id, collection=draw.code, event=None))


def _doing(found: Correction, side: Side, tube: AnyRow, corrects: int, ended: list[str]) -> Doing:
    facts = sides.facts_of(side, tube, side.goal) | {
        "correction": found.id, "entry": corrects, "proposed_by": found.proposed_by_id, "proposed_at": stamp(found.proposed_at),
    }
    if ended:
        facts["earmarks_ended"] = ended
    notes = {"reason": found.reason} if found.reason else None
    return Doing(tube.id, "reassign", facts, notes=notes, anew=True, belongs=side.goal.belonging)


