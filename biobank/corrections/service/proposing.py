"""The first person: says what is wrong and what would be right. Nothing about the tubes changes yet."""

from __future__ import annotations

from collections.abc import Sequence

from biobank.core.codes import spaced
from biobank.core.db import AnyRow
from biobank.core.errors import Fault, FieldsWrong
from biobank.core.work import Work
from biobank.corrections import queries
from biobank.corrections.models import Correction, CorrectionTube
from biobank.corrections.rules import ENDED, CorrectionWaits, Kind, NotEnded, State
from biobank.corrections.service import sides
from biobank.specimens import queries as specimens
from biobank.storage import service as storage
from biobank.subjects import queries as subjects

LONGEST = 1000


def propose_swap(work: Work, code: str, with_: str, reason: str) -> Correction:
    """Propose that two trees change places: both primaries, and all that was made of either, are the other's child's.

    Materials and amounts stay with the tubes. Raises CodeMistyped, CodeUnknown, NotAPrimary, SameChild, CorrectionWaits, Forbidden, FieldsWrong.
    """
    said = check_reason(reason)
    one, other = sides.whole_tree(work, code), sides.whole_tree(work, with_)
    both = sides.swapped(work, one, other)
    sides.judge(work, both)
    return _keep(work, Correction(kind=Kind.SWAP, specimen_id=one[0].id, with_id=other[0].id, reason=said), [one, other])


def propose_move(work: Work, code: str, participant: str, study: str, reason: str, collection: str | None = None) -> Correction:
    """Propose that one tree is another child's, of the draw `collection` (None: of a draw of its own).

    Raises as `propose_swap`, and ParticipantUnknown, NotEnrolled, FieldsWrong for a draw of another child.
    """
    said = check_reason(reason)
    tree = sides.whole_tree(work, code)
    enrolment = subjects.enrolment_of(work, participant, study)
    draw = specimens.collection(work, collection) if collection is not None else None
    if draw is not None and draw.enrolment_id != enrolment.id:
        right = f"give a draw of {spaced(subjects.participant(work, enrolment.participant_id).code)} in {study}, or leave it out"
        raise FieldsWrong([Fault("/collection", right, spaced(draw.code))])
    sides.judge(work, sides.moved(work, tree, enrolment.id, draw.id if draw else None))
    made = Correction(
        kind=Kind.MOVE, specimen_id=tree[0].id, enrolment_id=enrolment.id, collection_id=draw.id if draw else None, reason=said,
    )
    return _keep(work, made, [tree])


def propose_revival(work: Work, code: str, reason: str, position: str | None = None) -> Correction:
    """Propose that a tube which was lost, or ended wrongly, is here after all: in the hand, or at a position.

    Raises CodeMistyped, CodeUnknown, NotEnded, CorrectionWaits, Forbidden, FieldsWrong, and the refusals of a position.
    """
    said = check_reason(reason)
    specimen_id = specimens.specimen_id(work, code)
    tube = specimens.tubes(work, [specimen_id])[specimen_id]
    sides.require_here(work, tube)
    if tube.status not in ENDED:
        raise NotEnded(code=spaced(tube.code), status=tube.status.replace("_", " "), state=tube.status)
    made = Correction(kind=Kind.REVIVAL, specimen_id=tube.id, reason=said)
    if position:
        here, made.row, made.column = storage.find_position(work, "revival", position, None)
        made.container_id = here.id
        storage.refuse_occupied(work, here, made.row, made.column, made.specimen_id)
    return _keep(work, made, [[tube]])


def check_reason(reason: str) -> str:
    """Why, as a person may read it later. Raises FieldsWrong."""
    text = reason.strip()
    if not text or len(text) > LONGEST or not text.replace("\n", " ").replace("\t", " ").isprintable():
        raise FieldsWrong([Fault("/reason", f"say why in 1 to {LONGEST} printable characters", reason[:80])])
    return text


def _keep(work: Work, made: Correction, trees: Sequence[Sequence[AnyRow]]) -> Correction:
    other = queries.waiting_with(work, [tube.id for tree in trees for tube in tree])
    if other is not None:
        raise CorrectionWaits(code=spaced(other.code), correction=other.correction_id, specimen=other.code)
    made.state, made.proposed_by_id, made.proposed_at = State.WAITING, work.who.id, work.now
    work.session.add(made)
    work.session.flush()
    work.session.add_all(
        CorrectionTube(
            correction_id=made.id, specimen_id=tube.id, side=number, enrolment_id=tube.enrolment_id, collection_id=tube.collection_id,
            status=tube.status, waiting=True,
        )
        for number, tree in enumerate(trees, start=1)
        for tube in tree
    )
    work.session.flush()
    return made
