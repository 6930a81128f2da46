"""Undo: the tube's last entry, a place act, at the same station, within ten minutes."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

from sqlalchemy import Row, select

from biobank.core.codes import spaced
from biobank.core.work import Work
from biobank.custody.rules import ACTS, UndoNotPossible
from biobank.ledger.models import Entry


def effect_of_undo(work: Work, row: Row[Any]) -> tuple[dict[str, Any], int]:
    """The effect that puts the tube back where it was, and the `seq` of the entry undone. Raises UndoNotPossible."""
    last = work.session.execute(select(Entry.body, Entry.act, Entry.recorded_at).where(Entry.chain_id == row.chain_id, Entry.seq == row.seq)).one()
    body = json.loads(last.body)
    minutes = work.limits["undo_minutes"]
    if not ACTS[last.act].undoable:
        _refuse(row, f"its last entry is “{last.act}”, and only store, move, check-out and return can be undone")
    # Without a named station only the person who did it is sure where the tube was in the hand.
    if body["station"] != work.station or (work.station is None and body["actor"] != work.who.id):
        _refuse(row, "its last entry was made at another station")
    if work.now > last.recorded_at + timedelta(minutes=minutes):
        _refuse(row, f"its last entry is older than {minutes} minutes")
    was = body["facts"]["was"]
    effect: dict[str, Any] = {"out": was["out"], "seen": True}
    if "place" in body["facts"]["effect"]:
        effect["place"] = was["place"]
    return effect, row.seq


def _refuse(row: Row[Any], why: str) -> None:
    raise UndoNotPossible(code=spaced(row.code), why=why)
