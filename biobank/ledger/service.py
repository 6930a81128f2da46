"""Appending to chains, and verifying them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import bindparam, insert, select, update

from biobank.core.db import AnyRow
from biobank.core.times import stamp
from biobank.core.work import Work
from biobank.ledger import queries
from biobank.ledger.models import Chain, Entry, Note
from biobank.ledger.rules import GENESIS, ChainMoved, Finding, Head, Line, Written, compose, digest, note_hash

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

# A further check of verification, handed in by whoever knows what the chains are about: given the bodies of a batch of chains.
Check = Callable[[Work, Mapping[str, Sequence[dict[str, Any]]]], Iterator[Finding]]
Progress = Callable[[int], None]


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


def verify(work: Work, checks: Sequence[Check] = (), progress: Progress = lambda entries: None) -> Iterator[Finding]:
    """Recompute every hash and link, compare the searching columns, assert the triggers, then run the further checks per batch.

    Constant memory; `progress` is told how many entries were read. Yields a Finding for every fault.
    """
    for name in queries.missing_triggers(work):
        yield Finding("-", None, "trigger", f"the trigger {name} that forbids changing entries is missing or not enabled")
    for chains, rows in queries.chains_with_entries(work):
        bodies: dict[str, list[dict[str, Any]]] = {}
        for chain in chains:
            name = f"{chain.kind}/{chain.ref}"
            bodies[name] = []
            yield from _verify_chain(name, chain, rows[chain.id], bodies[name])
        progress(sum(len(found) for found in rows.values()))
        for check in checks:
            yield from check(work, bodies)


def _verify_chain(name: str, chain: AnyRow, rows: Sequence[AnyRow], bodies: list[dict[str, Any]]) -> Iterator[Finding]:
    previous, seq = GENESIS, 0
    for row in rows:
        seq += 1
        if row.seq != seq:
            yield Finding(name, seq, "seq", f"entry {seq} is missing; the next one found is {row.seq}")
            seq = row.seq
        body = bytes(row.body)
        if digest(body) != row.hash:
            yield Finding(name, seq, "hash", "the body does not give this hash: body or hash was changed")
        if row.previous != previous:
            yield Finding(name, seq, "previous", "does not name the hash of the entry before")
        try:
            read = json.loads(body)
        except ValueError:
            yield Finding(name, seq, "body", "cannot be read")
            continue
        yield from _compare_columns(name, seq, row, read)
        bodies.append(read)
        previous = row.hash
    if chain.last_seq != seq:
        yield Finding(name, None, "last_seq", f"the chain says {chain.last_seq} entries, {seq} are there")
    if chain.last_hash != previous:
        yield Finding(name, None, "last_hash", "the chain's head is not the hash of its last entry")


def _compare_columns(name: str, seq: int, row: AnyRow, body: Mapping[str, Any]) -> Iterator[Finding]:
    columns = {
        "chain": name, "seq": row.seq, "act": row.act, "actor": row.actor_id, "previous": row.previous,
        "occurred_at": _utc(row.occurred_at), "recorded_at": _utc(row.recorded_at),
    }
    for key, value in columns.items():
        if body.get(key) != value:
            yield Finding(name, seq, key, f"the column says {value!r}, the hashed body {body.get(key)!r}")


def _utc(at: datetime) -> str:
    return stamp(at if at.tzinfo else at.replace(tzinfo=UTC))
