"""Verifying: every hash, link and column of every chain, the triggers, the tree over all entries, and whatever further checks are handed in."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from hashlib import sha256
from typing import Any

from sqlalchemy.exc import MultipleResultsFound, NoResultFound

from biobank.core.db import AnyRow
from biobank.core.errors import Refusal
from biobank.core.work import Work
from biobank.ledger import queries
from biobank.ledger.rules import GENESIS, Finding, Verifier, digest
from biobank.ledger.service.noting import stray_notes, verify_notes
from biobank.ledger.service.retracing import retrace

# A further check of verification, handed in by whoever knows what the chains are about: given the bodies of a batch of chains,
# and at the end, once, no chains at all, for what belongs to none.
Check = Callable[[Work, Mapping[str, Sequence[dict[str, Any]]]], Iterator[Finding]]
Progress = Callable[[int], None]

MEMBERS = frozenset({"chain", "seq", "act", "actor", "station", "organisation", "occurred_at", "recorded_at", "facts", "previous"})
# What a check meets in rows that somebody altered: words that nothing knows, references that lead nowhere.
UNREADABLE = (KeyError, IndexError, TypeError, ValueError, AttributeError, ArithmeticError, NoResultFound, MultipleResultsFound, Refusal)
_decode = json.JSONDecoder().decode


def verify(
    work: Work,
    checks: Sequence[Check] = (),
    progress: Progress = lambda entries: None,
    *,
    verifiers: Sequence[Verifier] | None = None,
    against: Sequence[str] = (),
    hashes_only: bool = False,
) -> Iterator[Finding]:
    """Recompute every hash and link, compare the columns, assert the triggers, run the further checks per batch, and retrace the tree.

    Memory does not grow with the ledger; `progress` is told how many entries, and then how many leaves, were read. `verifiers` are the
    keys that may sign checkpoints, from outside the database; None: signatures are not looked at. `against` are signed checkpoints that
    were kept elsewhere. `hashes_only`: triggers, hashes, links and the tree, but neither columns nor further checks. Yields a Finding
    for every fault.
    """
    for name, why in queries.trigger_faults(work):
        yield Finding("-", None, "trigger", f"the trigger {name} that forbids changing entries {why}")
    checks = () if hashes_only else checks
    for chains, rows in queries.chains_with_entries(work, columns=not hashes_only):
        bodies: dict[str, list[dict[str, Any]]] = {}
        count, leaves = sum(map(len, rows.values())), queries.sealed_of(work, min(rows), max(rows))
        for chain in chains:
            name = f"{chain.kind}/{chain.ref}"
            bodies[name] = []
            yield from _verify_chain(name, chain, rows.pop(chain.id), None if hashes_only else bodies[name])
            if (sealed := leaves.get(chain.id, (0, 0, 0))) != (chain.sealed_seq,) * 3:
                yield from _verify_sealed(work, name, chain, sealed)
        for chain_id, strays in rows.items():
            yield Finding(f"chain {chain_id}", strays[0][1], "chain_id", f"{len(strays)} entries of a chain that is not there")
        progress(count)
        if checks and chains:
            yield from verify_notes(work, chains[0].id, chains[-1].id, bodies)
        for check in checks:
            yield from _understood(work, check, bodies)
    for check in checks:
        yield from _understood(work, check, {})
    yield from stray_notes(work)
    yield from retrace(work, progress, verifiers, against)


def _verify_chain(name: str, chain: AnyRow, rows: Sequence[tuple[Any, ...]], bodies: list[dict[str, Any]] | None) -> Iterator[Finding]:
    previous, seq, before = GENESIS, 0, None
    for _, at, body, link, told, *columns in rows:
        seq += 1
        if at != seq or link != previous or type(body) is not bytes or sha256(body).hexdigest() != told:
            yield from _broken_link(name, seq, previous, (at, body, link, told))
            seq = at
        if bodies is not None:
            yield from _read(name, seq, body if type(body) is bytes else str(body).encode(), (link, *columns), bodies)
            if before is not None and columns[-1] < before:
                yield Finding(name, seq, "recorded_at", f"{columns[-1]} lies before the entry before, {before}")
            before = columns[-1]
        previous = told
    heads = [("last_seq", chain.last_seq, seq), ("last_hash", chain.last_hash, previous)]
    for field, value, right in heads if bodies is None else [*heads, ("last_at", chain.last_at, before)]:
        if value != right:
            yield Finding(name, None, field, f"the chain says {value}, its entries {right}")


def _broken_link(name: str, seq: int, previous: str, met: tuple[int, Any, str, str]) -> Iterator[Finding]:
    at, body, link, told = met
    if at != seq:
        yield Finding(name, seq, "seq", f"entry {seq} is missing; the next one found is {at}")
    if type(body) is not bytes:
        yield Finding(name, at, "body", "is not kept as bytes")
        body = str(body).encode()
    if digest(body) != told:
        yield Finding(name, at, "hash", "the body does not give this hash: body or hash was changed")
    if link != previous:
        yield Finding(name, at, "previous", "does not name the hash of the entry before")


def _read(name: str, seq: int, body: bytes, columns: tuple[Any, ...], bodies: list[dict[str, Any]]) -> Iterator[Finding]:
    try:
        read = _decode(body.decode())
    except (ValueError, RecursionError):
        yield Finding(name, seq, "body", "cannot be read")
        return
    if not isinstance(read, dict) or not read.keys() >= MEMBERS or not isinstance(read["facts"], dict):
        yield Finding(name, seq, "body", "is no entry: it is not an object with all members of one")
        return
    told = (read["previous"], read["act"], read["actor"], read["occurred_at"], read["recorded_at"])
    if told != columns or read["chain"] != name or read["seq"] != seq:
        for key, value in zip(("chain", "seq", "previous", "act", "actor", "occurred_at", "recorded_at"), (name, seq, *columns), strict=True):
            if read[key] != value:
                yield Finding(name, seq, key, f"the column says {value!r}, the hashed body {read[key]!r}")
    bodies.append(read)


def _verify_sealed(work: Work, name: str, chain: AnyRow, leaves: tuple[int, int, int]) -> Iterator[Finding]:
    count, different, greatest = leaves
    if not 0 <= chain.sealed_seq <= chain.last_seq:
        yield Finding(name, None, "sealed_seq", f"the chain says that {chain.sealed_seq} of its {chain.last_seq} entries are sealed")
    if count != different:
        yield Finding(name, None, "leaf", f"{count - different} entries are sealed twice")
    missing = queries.unsealed_seqs(work, chain.id, 20)
    for seq in missing:
        yield Finding(name, seq, "leaf", "marked as sealed, but it is no leaf of the tree")
    if not missing:
        yield Finding(name, None, "sealed_seq", f"the chain says {chain.sealed_seq} are sealed; it has {different} leaves, up to entry {greatest}")


def _understood(work: Work, check: Check, bodies: Mapping[str, Sequence[dict[str, Any]]]) -> list[Finding]:
    """What a check finds. An entry that it cannot understand is itself a fault, and must not hide those of other chains."""
    try:
        return list(check(work, bodies))
    except UNREADABLE as error:
        if len(bodies) > 1:
            return [finding for name, mine in bodies.items() for finding in _understood(work, check, {name: mine})]
        return [Finding(next(iter(bodies), "-"), None, "facts", f"its entries make no sense to {check.__name__}: {type(error).__name__} {error}")]
