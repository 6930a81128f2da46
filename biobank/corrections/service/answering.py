"""The second person: looks at what will change, and confirms or declines. All of it happens in one transaction, or none."""

from __future__ import annotations

from sqlalchemy import update

from biobank.core.work import Work
from biobank.corrections import queries
from biobank.corrections.models import Correction, CorrectionTube
from biobank.corrections.rules import CorrectionAnswered, Kind, SecondPersonNeeded, State
from biobank.corrections.service.proposing import check_reason
from biobank.corrections.service.reassigning import reassign
from biobank.corrections.service.reviving import revive
from biobank.corrections.service.sides import PERMISSION, require_here
from biobank.custody.service import Recorded
from biobank.identity import queries as people
from biobank.specimens import queries as specimens


def confirm(work: Work, correction_id: int) -> list[Recorded]:
    """Do what was proposed, judged anew. Gives what became of every tube.

    Raises CorrectionUnknown, CorrectionAnswered, SecondPersonNeeded for whoever proposed it, CorrectionOvertaken that names what has changed
    since, Forbidden, and PositionOccupied for a tube that comes back to a place.
    """
    found = queries.correction(work, correction_id)
    _check_waiting(work, found)
    if found.proposed_by_id == work.who.id:
        raise SecondPersonNeeded(correction=found.id, permission=PERMISSION, proposed_by=work.who.login)
    _answer(work, found, State.CONFIRMED, None)
    return revive(work, found) if found.kind == Kind.REVIVAL else reassign(work, found)


def decline(work: Work, correction_id: int, reason: str | None = None) -> Correction:
    """Leave everything as it is. Whoever proposed it may take it back so.

    Raises CorrectionUnknown, CorrectionAnswered, Forbidden.
    """
    found = queries.correction(work, correction_id)
    _check_waiting(work, found)
    ids = [one for one in (found.specimen_id, found.with_id) if one is not None]
    for tube in specimens.tubes(work, ids).values():
        require_here(work, tube)
    _answer(work, found, State.REFUSED, check_reason(reason) if reason else None)
    return found


def _check_waiting(work: Work, found: Correction) -> None:
    if found.state == State.WAITING:
        return
    who = people.logins(work, [found.decided_by_id or 0]).get(found.decided_by_id or 0, "somebody")
    raise CorrectionAnswered(correction=found.id, state=found.state, who=who)


def _answer(work: Work, found: Correction, state: State, answer: str | None) -> None:
    """Taken before every other lock: of two people who answer at once the second waits here, and learns who was first."""
    guarded = update(Correction).where(Correction.id == found.id, Correction.state == State.WAITING)
    values = {"state": state.value, "decided_by_id": work.who.id, "decided_at": work.now, "answer": answer}
    answered = work.session.connection().execute(guarded.values(values))
    work.session.refresh(found)
    if answered.rowcount != 1:
        _check_waiting(work, found)
    work.session.execute(update(CorrectionTube).where(CorrectionTube.correction_id == found.id).values(waiting=False))
