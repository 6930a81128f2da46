"""A confirmed revival: an `amend` of the entry that ended the tube."""

from __future__ import annotations

import json
from typing import Any

from biobank.core.codes import spaced
from biobank.core.times import stamp
from biobank.core.work import Work
from biobank.corrections.models import Correction
from biobank.corrections.rules import ENDED, NotEnded
from biobank.corrections.service import sides
from biobank.custody.rules import Place, Status
from biobank.custody.rules.standing import OWN
from biobank.custody.service import Doing, Recorded, record
from biobank.ledger import queries as ledger
from biobank.places import queries as places
from biobank.specimens import queries as specimens
from biobank.storage import service as storage
from biobank.subjects import queries as subjects


def revive(work: Work, found: Correction) -> list[Recorded]:
    """Bring a tube back into custody, with the amount that was posted away. Consent to keep it is asked anew.

    Raises CorrectionOvertaken, NotEnded, PositionOccupied, Forbidden.
    """
    tube = specimens.tubes(work, [found.specimen_id])[found.specimen_id]
    subjects.lock_participants(work, [tube.participant_id], share=True)
    tube = specimens.tubes(work, [found.specimen_id])[found.specimen_id]
    sides.refuse_overtaken(work, found, [tube])
    sides.require_here(work, tube)
    if tube.status not in ENDED:
        raise NotEnded(code=spaced(tube.code), status=tube.status.replace("_", " "), state=tube.status)
    place = _place(work, found)
    facts = ended_by(work, tube.chain_id) | {
        "field": "status", "old": tube.status, "new": Status.IN_CUSTODY.value, "correction": found.id, "proposed_by": found.proposed_by_id,
        "proposed_at": stamp(found.proposed_at),
    }
    notes = {"reason": found.reason} if found.reason else None
    return record(work, [Doing(tube.id, "amend", facts, place=place, container_id=found.container_id, notes=notes, anew=True)])


def ended_by(work: Work, chain_id: int) -> dict[str, Any]:
    """The entry that ended a tube, and what it posted away (`back`: the account it went to, and how much in base units)."""
    for entry in reversed(ledger.entries(work, chain_id)):
        effect = json.loads(entry.body)["facts"].get("effect", {})
        if effect.get("status") in ENDED:
            away = [[account, amount] for account, amount in effect.get("lines", ()) if account != OWN]
            return {"entry": entry.seq} | ({"back": {"account": away[0][0], "base": away[0][1]}} if away else {})
    raise ValueError("a tube that has ended has an entry that ended it")


def _place(work: Work, found: Correction) -> Place | None:
    if found.container_id is None or found.row is None or found.column is None:
        return None
    here = places.by_id(work, found.container_id)
    storage.refuse_occupied(work, here, found.row, found.column, found.specimen_id)
    return Place(here.code, found.row, found.column)
