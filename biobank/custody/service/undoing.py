"""Undo: the tube's last entry, a place act, at the same station, within ten minutes."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

from sqlalchemy import select

from biobank.core.codes import spaced
from biobank.core.db import AnyRow
from biobank.core.times import AHEAD_AT_MOST
from biobank.core.work import Work
from biobank.custody import queries
from biobank.custody.rules import ACTS, Place, UndoNotPossible
from biobank.identity import service as identity
from biobank.ledger.models import Entry


def effect_of_undo(work: Work, row: AnyRow) -> tuple[dict[str, Any], int]:
    """The effect that puts the tube back where it was, and the `seq` of the entry undone. Raises UndoNotPossible."""
    last = work.session.execute(select(Entry.body, Entry.act, Entry.recorded_at).where(Entry.chain_id == row.chain_id, Entry.seq == row.seq)).one()
    body = json.loads(last.body)
    minutes = work.limits["undo_minutes"]
    if not ACTS[last.act].undoable:
        _refuse(row, f"its last entry is “{last.act}”, and only store, move, check-out and return can be undone")
    # Without a named station only the person who did it is sure where the tube was in the hand.
    if body["station"] != work.station or (work.station is None and body["actor"] != work.who.id):
        _refuse(row, "its last entry was made at another station")
    if work.now < last.recorded_at - AHEAD_AT_MOST:
        _refuse(row, "the server's clock lies before its last entry, so nobody knows how long ago that was")
    if work.now > last.recorded_at + timedelta(minutes=minutes):
        _refuse(row, f"its last entry is older than {minutes} minutes")
    was = body["facts"]["was"]
    effect: dict[str, Any] = {"out": was["out"], "seen": True}
    if "place" in body["facts"]["effect"]:
        effect["place"] = was["place"]
        _check_free(work, row, was["place"])
    return effect, row.seq


def _check_free(work: Work, row: AnyRow, place: dict[str, Any] | None) -> None:
    """Its old position may have been given to another tube since."""
    if place is None:
        return
    holder = queries.occupant_of(work, Place(place["container"], place["row"], place["column"]))
    if holder is not None and holder.specimen_id != row.specimen_id:
        seen = any(identity.may(work, "read-specimens", holder.study, at) for at in (holder.custodian, holder.responsible) if at)
        taken = spaced(holder.code) if seen else "another tube"
        _refuse(row, f"its old position has been given to {taken} since; move it to a free one")


def _refuse(row: AnyRow, why: str) -> None:
    raise UndoNotPossible(code=spaced(row.code), why=why)
