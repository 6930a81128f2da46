"""Canonical bytes, hashes and what a fault in a chain looks like.

The body of an entry is JSON with sorted keys, no white space, UTF-8, and only strings, integers, booleans, null, arrays and objects,
so that it equals RFC 8785 and a stranger can redo it in any language.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from biobank.core.errors import N_, Conflict
from biobank.core.times import stamp

GENESIS = "0" * 64
# Larger integers are not exact in every language's JSON.
EXACT_UP_TO = 2**53 - 1
APPEND_ONLY = ("entry", "posting", "leaf", "node", "checkpoint")


class ChainMoved(Conflict):
    """Another entry was appended in between; the net below the lock order."""

    title = N_("Changed in between")
    message = N_("Another entry was written to %(chain)s at the same moment. Nothing was changed; do it again.")


@dataclass(frozen=True, slots=True)
class Line:
    """One entry to append. Free text goes into `notes`: stored erasable, and only its salted hash enters the body."""

    chain_id: int
    act: str
    facts: Mapping[str, Any] = field(default_factory=dict)
    occurred_at: datetime | None = None
    notes: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Written:
    """An appended entry."""

    chain_id: int
    chain: str
    seq: int
    hash: str
    recorded_at: datetime
    body: bytes


@dataclass(frozen=True, slots=True)
class Finding:
    """A fault found by verification: chain, seq (None: the chain as a whole), field, and what is wrong."""

    chain: str
    seq: int | None
    field: str
    message: str


def canonical(body: Mapping[str, Any]) -> bytes:
    """The canonical bytes of a body. Raises TypeError for a float or any other type that is not exact in JSON."""
    _exact(body)
    return json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def _exact(value: Any) -> None:
    if value is None or isinstance(value, str | bool):
        return
    if isinstance(value, int):
        if abs(value) > EXACT_UP_TO:
            raise TypeError(f"{value} is too large to be exact in JSON")
        return
    if isinstance(value, Mapping):
        for key, item in value.items():
            if not isinstance(key, str):
                raise TypeError(f"key {key!r} is not a string")
            _exact(item)
        return
    if isinstance(value, list | tuple):
        for item in value:
            _exact(item)
        return
    raise TypeError(f"{type(value).__name__} has no exact form in JSON: {value!r}")


def digest(body: bytes) -> str:
    """SHA-256 of a body, in hexadecimal."""
    return hashlib.sha256(body).hexdigest()


def note_hash(salt: bytes, text: str) -> str:
    """The salted hash of a free text that stands in the body for it."""
    return hashlib.sha256(salt + text.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Head:
    """Where a chain stands: its name, last seq and hash, and when its last entry was recorded."""

    name: str
    seq: int
    hash: str
    recorded_at: datetime | None


def compose(
    head: Head, line: Line, note_hashes: Mapping[str, str], *, actor: int | None, station: str | None, organisation: str | None, now: datetime
) -> tuple[bytes, datetime]:
    """The body of the next entry and its `recorded_at`, which is never before the previous entry's."""
    recorded_at = max(now, head.recorded_at) if head.recorded_at else now
    body: dict[str, Any] = {
        "chain": head.name,
        "seq": head.seq + 1,
        "act": line.act,
        "actor": actor,
        "station": station,
        "organisation": organisation,
        "occurred_at": stamp(line.occurred_at or now),
        "recorded_at": stamp(recorded_at),
        "facts": line.facts,
        "previous": head.hash,
    }
    if note_hashes:
        body["notes"] = note_hashes
    return canonical(body), recorded_at
