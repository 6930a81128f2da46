"""Reading chains and their entries."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from itertools import groupby
from operator import itemgetter
from typing import Any

from sqlalchemy import ColumnElement, Select, String, and_, bindparam, func, inspect, select, text, type_coerce
from sqlalchemy.orm import InstrumentedAttribute

from biobank.core.db import AnyRow
from biobank.core.work import Work
from biobank.ledger.models import Chain, Entry, Leaf, Note

_SEALED = (
    select(Leaf.chain_id, func.count(), func.count(Leaf.seq.distinct()), func.max(Leaf.seq))
    .where(Leaf.chain_id >= bindparam("first"), Leaf.chain_id <= bindparam("last"))
    .group_by(Leaf.chain_id)
)


@dataclass(frozen=True, slots=True)
class EntryRead:
    """An entry as it is shown: columns, exact body, the notes that have not been erased, and its place in the tree once it is sealed."""

    chain: str
    seq: int
    act: str
    actor_id: int | None
    occurred_at: datetime
    recorded_at: datetime
    body: bytes
    previous: str
    hash: str
    notes: dict[str, str]
    leaf_index: int | None = None


def entries(work: Work, chain_id: int) -> list[EntryRead]:
    """All entries of a chain in `seq` order."""
    name = work.session.execute(select(Chain.kind, Chain.ref).where(Chain.id == chain_id)).one()
    notes: dict[int, dict[str, str]] = {}
    for row in work.session.execute(select(Note.seq, Note.name, Note.text).where(Note.chain_id == chain_id)):
        notes.setdefault(row.seq, {})[row.name] = row.text
    query = (
        select(Entry, Leaf.leaf_index)
        .outerjoin(Leaf, and_(Leaf.chain_id == Entry.chain_id, Leaf.seq == Entry.seq))
        .where(Entry.chain_id == chain_id)
        .order_by(Entry.seq)
    )
    return [
        EntryRead(
            f"{name.kind}/{name.ref}", e.seq, e.act, e.actor_id, e.occurred_at, e.recorded_at, e.body, e.previous, e.hash,
            notes.get(e.seq, {}), leaf_index,
        )
        for e, leaf_index in work.session.execute(query)
    ]


Batches = Iterator[tuple[Sequence[AnyRow], dict[int, list[tuple[Any, ...]]]]]


def chains_with_entries(work: Work, chains: int = 500, entries: int = 5000, *, columns: bool = True) -> Batches:
    """Batches of chains in id order, each with its entries in seq order: memory stays constant however long the ledger is.

    A batch has at most so many chains, and about so many entries unless one chain alone has more. Entries of no chain come with the
    batch that their chain would be in, or in a last one without chains. Entries are (chain_id, seq, body, previous, hash) and, with
    `columns`, act, actor_id, occurred_at, recorded_at. Times come as text (`stamp`), so that no session's zone, date style or locale
    has a say in them.
    """
    connection, after = work.session.connection(), -(2**63)
    sqlite = connection.dialect.name == "sqlite"
    listed, read = _chains(sqlite), _entries_between(sqlite, columns)
    while True:
        found = connection.execute(listed, {"after": after, "most": chains}).all()
        batch = found[: _few(found, entries)]
        upto = batch[-1].id if batch else 2**63 - 1
        rows: dict[int, list[tuple[Any, ...]]] = {chain.id: [] for chain in batch}
        # The driver's own tuples: making rows of a million of them would take as long as hashing them.
        raw: Any = connection.execute(read, {"after": after, "upto": upto}).cursor
        for chain_id, mine in groupby(raw.fetchall(), key=itemgetter(0)):
            rows[chain_id] = list(mine)
        if rows:
            yield batch, rows
        if not batch:
            return
        after = upto


@cache
def _chains(sqlite: bool) -> Select[Any]:
    return (
        select(Chain.id, Chain.kind, Chain.ref, Chain.last_seq, Chain.last_hash, _stamped(Chain.last_at, sqlite).label("last_at"), Chain.sealed_seq)
        .where(Chain.id > bindparam("after"))
        .order_by(Chain.id)
        .limit(bindparam("most"))
    )


def _few(chains: Sequence[AnyRow], entries: int) -> int:
    """How many of these chains have so many entries together; at least one."""
    total = 0
    for number, chain in enumerate(chains, start=1):
        total += max(chain.last_seq, 0)
        if total >= entries:
            return number
    return len(chains)


@cache
def _entries_between(sqlite: bool, columns: bool) -> Select[Any]:
    told: list[Any] = [Entry.act, Entry.actor_id, _stamped(Entry.occurred_at, sqlite), _stamped(Entry.recorded_at, sqlite)] if columns else []
    return (
        select(Entry.chain_id, Entry.seq, Entry.body, Entry.previous, Entry.hash, *told)
        .where(Entry.chain_id > bindparam("after"), Entry.chain_id <= bindparam("upto"))
        .order_by(Entry.chain_id, Entry.seq)
    )


def _stamped(column: ColumnElement[Any] | InstrumentedAttribute[Any], sqlite: bool) -> ColumnElement[Any]:
    if sqlite:
        return func.replace(type_coerce(column, String), " ", "T", type_=String).concat("Z")
    return func.to_char(func.timezone("UTC", column), 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"', type_=String)


def sealed_of(work: Work, first: int, last: int) -> dict[int, tuple[int, int, int]]:
    """Of each chain from id `first` to `last` that has leaves: how many, how many different, and the greatest seq among them."""
    rows = work.session.connection().execute(_SEALED, {"first": first, "last": last})
    return {chain_id: (count, different, greatest) for chain_id, count, different, greatest in rows}


def entry_count(work: Work) -> int:
    """How many entries the ledger holds."""
    return int(work.session.execute(text("SELECT count(*) FROM entry")).scalar_one())


def has_schema(work: Work) -> bool:
    """Whether the ledger's tables exist."""
    return bool(inspect(work.session.connection()).has_table("entry"))


def newest_recorded(work: Work) -> datetime | None:
    """When the newest entry was recorded; None for an empty ledger."""
    return work.session.execute(select(func.max(Entry.recorded_at))).scalar()
