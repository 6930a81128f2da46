"""Reading chains."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import inspect, select, text

from biobank.core.db import AnyRow
from biobank.core.work import Work
from biobank.ledger.models import Chain, Entry, Note
from biobank.ledger.rules import APPEND_ONLY


@dataclass(frozen=True, slots=True)
class EntryRead:
    """An entry as it is shown: columns, exact body, and the notes that have not been erased."""

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


def entries(work: Work, chain_id: int) -> list[EntryRead]:
    """All entries of a chain in `seq` order."""
    name = work.session.execute(select(Chain.kind, Chain.ref).where(Chain.id == chain_id)).one()
    notes: dict[int, dict[str, str]] = {}
    for row in work.session.execute(select(Note.seq, Note.name, Note.text).where(Note.chain_id == chain_id)):
        notes.setdefault(row.seq, {})[row.name] = row.text
    query = select(Entry).where(Entry.chain_id == chain_id).order_by(Entry.seq)
    return [
        EntryRead(
            f"{name.kind}/{name.ref}", e.seq, e.act, e.actor_id, e.occurred_at, e.recorded_at, e.body, e.previous, e.hash, notes.get(e.seq, {})
        )
        for e in work.session.execute(query).scalars()
    ]


def chains_with_entries(work: Work, batch: int = 500) -> Iterator[tuple[Sequence[AnyRow], dict[int, list[AnyRow]]]]:
    """Batches of chains in id order, each with its entries in seq order: memory stays constant however long the ledger is."""
    after = -1
    while True:
        chains: Sequence[AnyRow] = work.session.execute(
            select(Chain.id, Chain.kind, Chain.ref, Chain.last_seq, Chain.last_hash).where(Chain.id > after).order_by(Chain.id).limit(batch)
        ).all()
        if not chains:
            return
        after = chains[-1].id
        rows: dict[int, list[AnyRow]] = {chain.id: [] for chain in chains}
        query = select(Entry.__table__).where(Entry.chain_id >= chains[0].id, Entry.chain_id <= after).order_by(Entry.chain_id, Entry.seq)
        for row in work.session.execute(query):
            rows.setdefault(row.chain_id, []).append(row)
        yield chains, rows


def entry_count(work: Work) -> int:
    """How many entries the ledger holds."""
    return int(work.session.execute(text("SELECT count(*) FROM entry")).scalar_one())


def missing_triggers(work: Work) -> list[str]:
    """Names of the append-only triggers that are not there (or, on PostgreSQL, not enabled ALWAYS)."""
    if work.session.get_bind().dialect.name == "sqlite":
        present = set(work.session.execute(text("SELECT name FROM sqlite_master WHERE type = 'trigger'")).scalars())
        wanted = [f"{table}_no_{what}" for table in APPEND_ONLY for what in ("update", "delete")]
    else:
        query = text("SELECT tgname FROM pg_trigger WHERE NOT tgisinternal AND tgenabled = 'A'")
        present = set(work.session.execute(query).scalars())
        wanted = [f"{table}_no_{what}" for table in APPEND_ONLY for what in ("change", "truncate")]
    return [name for name in wanted if name not in present]


def has_schema(work: Work) -> bool:
    """Whether the ledger's tables exist."""
    return bool(inspect(work.session.connection()).has_table("entry"))
