"""Reading the tree: how far it is, its checkpoints, the leaves with their bodies, and the nodes that are kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import and_, bindparam, func, select

from biobank.core.db import AnyRow
from biobank.core.work import Work
from biobank.ledger.models import Chain, Checkpoint, Entry, Leaf, Node, Tree

_TREE = select(Tree.size, Tree.frontier).where(Tree.id == 1)
_UNSEALED = (
    select(Chain.id, Chain.sealed_seq, Chain.last_seq)
    .where(Chain.last_seq > Chain.sealed_seq, Chain.id > bindparam("after"))
    .order_by(Chain.id)
    .limit(bindparam("most"))
)
# A chain that somebody is writing to is passed over: the sealer never waits while it holds chains, so it can never be part of a deadlock.
_FREE = _UNSEALED.with_for_update(skip_locked=True)
_WAITED_FOR = _UNSEALED.with_for_update()
_LEAVES = (
    select(Leaf.leaf_index, Leaf.chain_id, Leaf.seq, Entry.body)
    .outerjoin(Entry, and_(Entry.chain_id == Leaf.chain_id, Entry.seq == Leaf.seq))
    .where(Leaf.leaf_index >= bindparam("start"), Leaf.leaf_index < bindparam("end"))
    .order_by(Leaf.leaf_index)
)
_FIRST = select(func.min(Leaf.leaf_index)).where(Leaf.leaf_index >= bindparam("start"))
_NODES = (
    select(Node.node_index, Node.hash)
    .where(Node.level == bindparam("level"), Node.node_index >= bindparam("start"), Node.node_index < bindparam("end"))
    .order_by(Node.node_index)
)
_CHECKPOINTS = select(Checkpoint.size, Checkpoint.root, Checkpoint.note).where(Checkpoint.size > bindparam("after")).order_by(Checkpoint.size)


@dataclass(frozen=True, slots=True)
class CheckpointRead:
    """A signed tree head as it is stored."""

    size: int
    root: bytes
    note: str


class LeafRead(NamedTuple):
    """A leaf and the body of its entry (None: there is no such entry)."""

    leaf_index: int
    chain_id: int
    seq: int
    body: bytes | None


def checkpoints(work: Work, after: int = -1, limit: int = 1000) -> list[CheckpointRead]:
    """Checkpoints with more than `after` leaves, the smallest first."""
    rows = work.session.execute(_CHECKPOINTS.limit(limit), {"after": after})
    return [CheckpointRead(row.size, bytes(row.root), row.note) for row in rows]


def newest_checkpoints(work: Work, most: int) -> list[CheckpointRead]:
    """The newest checkpoints, at most so many, the newest first."""
    rows = work.session.execute(select(Checkpoint.size, Checkpoint.root, Checkpoint.note).order_by(Checkpoint.size.desc()).limit(most))
    return [CheckpointRead(row.size, bytes(row.root), row.note) for row in rows]


def newest_checkpoint(work: Work) -> tuple[int, str] | None:
    """The size and the signed note of the newest checkpoint; None when nothing was sealed yet."""
    row = work.session.execute(select(Checkpoint.size, Checkpoint.note).order_by(Checkpoint.size.desc()).limit(1)).one_or_none()
    return (row.size, row.note) if row is not None else None


def checkpoint_at(work: Work, size: int) -> CheckpointRead | None:
    """The checkpoint of exactly so many leaves."""
    found = checkpoints(work, after=size - 1, limit=1)
    return found[0] if found and found[0].size == size else None


def sealed_and_not(work: Work) -> tuple[int, int]:
    """How many entries are leaves of the tree, and how many are not yet. Neither counts the entries one by one."""
    sealed = work.session.execute(select(Tree.size)).scalar() or 0
    waiting = work.session.execute(select(func.sum(Chain.last_seq - Chain.sealed_seq)).where(Chain.last_seq > Chain.sealed_seq)).scalar() or 0
    return int(sealed), int(waiting)


def tree(work: Work, *, lock: bool = False) -> tuple[int, bytes] | None:
    """Size and packed frontier; None when the row is gone."""
    row = work.session.execute(_TREE.with_for_update() if lock else _TREE).one_or_none()
    return (row.size, bytes(row.frontier)) if row is not None else None


def lock_unsealed(work: Work, after: int, most: int) -> Sequence[AnyRow]:
    """Chains with entries that are no leaves yet, by id, locked: those that nobody is writing to now.

    When all of them are being written to, it waits for the first: at that moment the caller holds no other chain.
    """
    asked = {"after": after, "most": most}
    free = work.session.execute(_FREE, asked).all()
    return free if free or after >= 0 else work.session.execute(_WAITED_FOR, {**asked, "most": 1}).all()


def leaves(work: Work, start: int, end: int) -> Sequence[LeafRead]:
    """The leaves from `start` up to, not including, `end`."""
    # The driver's own tuples: see `chains_with_entries`.
    raw: Any = work.session.connection().execute(_LEAVES, {"start": start, "end": end}).cursor
    return list(map(LeafRead._make, raw.fetchall()))


def nodes(work: Work, level: int, start: int, end: int) -> dict[int, bytes]:
    """Kept hashes of complete subtrees of 2^level leaves, by index."""
    rows = work.session.connection().execute(_NODES, {"level": level, "start": start, "end": end})
    return {index: bytes(hash_) for index, hash_ in rows}


def leaf_of(work: Work, chain_id: int, seq: int) -> int | None:
    """Where an entry stands in the tree; None when it is not sealed yet."""
    return work.session.execute(select(Leaf.leaf_index).where(Leaf.chain_id == chain_id, Leaf.seq == seq)).scalar_one_or_none()


def first_leaf(work: Work, start: int) -> int | None:
    """The smallest leaf index from `start` on that is there."""
    return work.session.connection().execute(_FIRST, {"start": start}).scalar()


def node_counts(work: Work) -> dict[int, int]:
    """How many nodes are kept, by level."""
    return {level: count for level, count in work.session.execute(select(Node.level, func.count()).group_by(Node.level).order_by(Node.level))}


def whose(work: Work, start: int, end: int, most: int) -> list[tuple[str, int, int]]:
    """The chains that these leaves are of, in leaf order: name, first and last seq."""
    query = (
        select(Leaf.chain_id, Chain.kind, Chain.ref, func.min(Leaf.seq), func.max(Leaf.seq))
        .outerjoin(Chain, Chain.id == Leaf.chain_id)
        .where(Leaf.leaf_index >= start, Leaf.leaf_index < end)
        .group_by(Leaf.chain_id, Chain.kind, Chain.ref)
        .order_by(func.min(Leaf.leaf_index))
        .limit(most)
    )
    return [(f"{kind}/{ref}" if kind else f"chain {chain_id}", low, high) for chain_id, kind, ref, low, high in work.session.execute(query)]


def unsealed_seqs(work: Work, chain_id: int, most: int) -> list[int]:
    """Seqs of a chain's entries that are marked as sealed and are no leaves."""
    query = (
        select(Entry.seq)
        .join(Chain, Chain.id == Entry.chain_id)
        .outerjoin(Leaf, and_(Leaf.chain_id == Entry.chain_id, Leaf.seq == Entry.seq))
        .where(Entry.chain_id == chain_id, Entry.seq <= Chain.sealed_seq, Leaf.leaf_index.is_(None))
        .order_by(Entry.seq)
        .limit(most)
    )
    return list(work.session.scalars(query))
