"""Appending to chains."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import bindparam, insert, select, update

from biobank.core.work import Work
from biobank.ledger.models import Chain, Entry, Note
from biobank.ledger.rules import GENESIS, ChainMoved, Head, Line, Written, compose, digest, note_hash

_LOCK = (
    select(Chain.id, Chain.kind, Chain.ref, Chain.last_seq, Chain.last_hash, Chain.last_at)
    .where(Chain.id.in_(bindparam("ids", expanding=True)))
    .order_by(Chain.id)
    .with_for_update()
)
_MOVE = (
    update(Chain)
    .where(Chain.id == bindparam("chain"), Chain.last_seq == bindparam("was"))
    .values(last_seq=bindparam("seq"), last_hash=bindparam("head"), last_at=bindparam("at"))
    .execution_options(synchronize_session=False)
)
_INSERT = insert(Entry.__table__)  # type: ignore[arg-type]
_OPEN = insert(Chain).returning(Chain.id, sort_by_parameter_order=True)


def open_chain(work: Work, kind: str, ref: str) -> int:
    """A new, empty chain named `kind/ref`; its id."""
    return open_chains(work, kind, [ref])[0]


def open_chains(work: Work, kind: str, refs: Sequence[str]) -> list[int]:
    """New, empty chains named `kind/ref`, in the order of `refs`; their ids."""
    rows = [{"kind": kind, "ref": ref, "last_seq": 0, "last_hash": GENESIS, "last_at": None} for ref in refs]
    return list(work.session.scalars(_OPEN, rows))


def lock(work: Work, chain_ids: Sequence[int]) -> dict[int, Head]:
    """Lock chains in id order, always the same, so that two acts on the same tubes never wait for each other."""
    rows = work.session.execute(_LOCK, {"ids": sorted(set(chain_ids))})
    return {row.id: Head(f"{row.kind}/{row.ref}", row.last_seq, row.last_hash, row.last_at) for row in rows}


def append(work: Work, lines: Sequence[Line], heads: Mapping[int, Head] | None = None) -> list[Written]:
    """Append entries, in order, to their chains. `heads` are those from `lock` when the caller locked them already.

    Raises ChainMoved when another transaction appended in between, which the lock makes impossible.
    """
    at_start = heads if heads is not None else lock(work, [line.chain_id for line in lines])
    moving = dict(at_start)
    rows: list[dict[str, Any]] = []
    notes: list[dict[str, Any]] = []
    written: list[Written] = []
    actor, organisation = (work.actor.id, work.actor.organisation) if work.actor else (None, None)
    for line in lines:
        head = moving[line.chain_id]
        salts = {name: work.random.randbytes(16) for name in line.notes or {}}
        hashes = {name: note_hash(salts[name], text) for name, text in (line.notes or {}).items()}
        body, recorded_at = compose(head, line, hashes, actor=actor, station=work.station, organisation=organisation, now=work.now)
        hash_ = digest(body)
        moving[line.chain_id] = Head(head.name, head.seq + 1, hash_, recorded_at)
        rows.append(
            {
                "chain_id": line.chain_id, "seq": head.seq + 1, "body": body, "previous": head.hash, "hash": hash_, "act": line.act,
                "actor_id": actor, "occurred_at": line.occurred_at or work.now, "recorded_at": recorded_at,
            }
        )
        notes += [{"chain_id": line.chain_id, "seq": head.seq + 1, "name": n, "salt": salts[n], "text": t} for n, t in (line.notes or {}).items()]
        written.append(Written(line.chain_id, head.name, head.seq + 1, hash_, recorded_at, body))
    _write(work, rows, notes, at_start, moving)
    return written


def _write(
    work: Work, rows: list[dict[str, Any]], notes: list[dict[str, Any]], was: Mapping[int, Head], now: Mapping[int, Head]
) -> None:
    connection = work.session.connection()
    connection.execute(_INSERT, rows)
    if notes:
        connection.execute(insert(Note), notes)
    touched = {row["chain_id"] for row in rows}
    for chain_id in sorted(touched):
        head = now[chain_id]
        moved = connection.execute(
            _MOVE, {"chain": chain_id, "was": was[chain_id].seq, "seq": head.seq, "head": head.hash, "at": head.recorded_at}
        )
        if moved.rowcount != 1:
            raise ChainMoved(chain=head.name)
