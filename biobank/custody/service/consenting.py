"""What a decision or a withdrawal does to the tubes that are here: opens and lifts the holds that follow from consent."""

from __future__ import annotations

import json

from biobank.consent.service import verdict as ask_consent
from biobank.core.work import Work
from biobank.custody import queries
from biobank.custody.rules import HERE, HoldKind
from biobank.custody.service.doing import Doing
from biobank.custody.service.judging import ask_keeping, hold_for
from biobank.custody.service.record import Recorded, record


def reconsider(work: Work, enrolment_id: int) -> list[Recorded]:
    """Ask anew whether each tube of an enrolment may be kept, descendants included.

    Granted: `no-consent` and `withdrawn` holds are lifted, but not of a tube that came after the family had stopped collecting.
    Refused: tubes here get the hold, and their reservations are closed.
    """
    verdicts = {residual: ask_keeping(work, enrolment_id, work.today, residual=residual) for residual in (True, False)}
    holds_for = {residual: hold_for(verdict) for residual, verdict in verdicts.items()}
    tubes = queries.held_by_consent(work, enrolment_id)
    holds = queries.open_holds(work, [tube.specimen_id for tube in tubes if tube.open_holds])
    doings: list[tuple[str, Doing]] = []
    for tube in tubes:
        wanted = holds_for[tube.residual]
        open_now = {hold.kind for hold in holds.get(tube.specimen_id, [])}
        stopped = verdicts[tube.residual].stopped_on
        too_late = {hold.kind for hold in holds.get(tube.specimen_id, []) if stopped is not None and hold.since >= stopped}
        for kind in (HoldKind.NO_CONSENT, HoldKind.WITHDRAWN):
            if kind in open_now and kind is not wanted and kind not in too_late:
                doings.append(("lift", Doing(tube.specimen_id, "consent-unhold", {"kind": kind.value, "because": "consent"})))
        if wanted is not None and wanted not in open_now and tube.status in HERE:
            doings.append(("open", Doing(tube.specimen_id, "consent-hold", {"kind": wanted.value, "because": "consent"})))
    done: list[Recorded] = _free_promises(work, enrolment_id)
    # One act per tube in a call: holds are opened before others are lifted, so no moment passes without one.
    for turn in ("open", "lift"):
        batch = [doing for which, doing in doings if which == turn]
        while batch:
            taken: list[Doing] = []
            rest: list[Doing] = []
            seen: set[int] = set()
            for doing in batch:
                (rest if doing.specimen_id in seen else taken).append(doing)
                seen.add(doing.specimen_id)
            done += record(work, taken)
            batch = rest
    return done


def wanted_hold(work: Work, enrolment_id: int, *, residual: bool, new: bool = False) -> HoldKind | None:
    """The hold that today's consent asks for on residual or extra material that is here (`new`: that would come); None when it may be kept."""
    return hold_for(ask_keeping(work, enrolment_id, work.today, residual=residual, new=new))


def _free_promises(work: Work, enrolment_id: int) -> list[Recorded]:
    """Set free what is reserved for a purpose, with its declared uses, that is no longer granted."""
    freed = []
    for row in queries.promised_of(work, enrolment_id):
        asked = json.loads(row.body)["facts"]["verdict"]
        if not ask_consent(work, enrolment_id, asked["purpose"], work.today, frozenset(asked.get("uses", ()))).granted:
            freed.append(Doing(row.specimen_id, "unreserve", {"because": "consent"}, promise=row.for_))
    return record(work, freed) if freed else []
