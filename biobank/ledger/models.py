"""Chains, their entries, and the erasable notes beside them. Triggers (in the migration) refuse to change or delete an entry."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, ForeignKeyConstraint, Index, LargeBinary, String, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from biobank.core.db import Base, BigInt, UTCTime

UNSEALED = text("last_seq > sealed_seq")
REASSIGN = text("act = 'reassign'")


class Chain(Base):
    """One chain: of a tube, a container, an enrolment's consent or a request. The row that is locked to append.

    `sealed_seq` tells how many of its entries are leaves of the tree already.
    """

    __tablename__ = "chain"
    __table_args__ = (
        UniqueConstraint("kind", "ref"),
        Index("ix_chain_unsealed", "id", sqlite_where=UNSEALED, postgresql_where=UNSEALED),
    )
    id: Mapped[int] = mapped_column(BigInt, primary_key=True)
    kind: Mapped[str] = mapped_column(String(20))
    ref: Mapped[str] = mapped_column(String(80))
    last_seq: Mapped[int] = mapped_column(BigInt)
    last_hash: Mapped[str] = mapped_column(String(64))
    last_at: Mapped[datetime | None] = mapped_column(UTCTime)
    sealed_seq: Mapped[int] = mapped_column(BigInt, server_default="0")


class Entry(Base):
    """One entry: the exact hashed bytes, and columns for searching that are checked against them."""

    __tablename__ = "entry"
    # Few, and asked for often: what turned out to be another child's.
    __table_args__ = (Index("ix_entry_reassign", "chain_id", "seq", sqlite_where=REASSIGN, postgresql_where=REASSIGN),)
    chain_id: Mapped[int] = mapped_column(BigInt, ForeignKey("chain.id"), primary_key=True)
    seq: Mapped[int] = mapped_column(BigInt, primary_key=True)
    body: Mapped[bytes] = mapped_column(LargeBinary)
    previous: Mapped[str] = mapped_column(String(64))
    hash: Mapped[str] = mapped_column(String(64), index=True)
    act: Mapped[str] = mapped_column(String(40))
    actor_id: Mapped[int | None] = mapped_column(BigInt, index=True)
    occurred_at: Mapped[datetime] = mapped_column(UTCTime)
    recorded_at: Mapped[datetime] = mapped_column(UTCTime, index=True)


class Note(Base):
    """A free text of an entry: may be erased, the chain stays valid, because the body holds only SHA-256 of salt and text."""

    __tablename__ = "note"
    __table_args__ = (ForeignKeyConstraint(["chain_id", "seq"], ["entry.chain_id", "entry.seq"]),)
    chain_id: Mapped[int] = mapped_column(BigInt, primary_key=True)
    seq: Mapped[int] = mapped_column(BigInt, primary_key=True)
    name: Mapped[str] = mapped_column(String(40), primary_key=True)
    salt: Mapped[bytes] = mapped_column(LargeBinary(16))
    text: Mapped[str] = mapped_column(Text)


class Leaf(Base):
    """The place of an entry among the leaves of the tree; its hash is recomputed from the entry's body. Append-only."""

    __tablename__ = "leaf"
    __table_args__ = (UniqueConstraint("chain_id", "seq"), ForeignKeyConstraint(["chain_id", "seq"], ["entry.chain_id", "entry.seq"]))
    leaf_index: Mapped[int] = mapped_column(BigInt, primary_key=True, autoincrement=False)
    chain_id: Mapped[int] = mapped_column(BigInt)
    seq: Mapped[int] = mapped_column(BigInt)


class Node(Base):
    """The hash of a complete subtree of 2^level leaves, kept for every eighth level so that a proof reads few bodies. Append-only."""

    __tablename__ = "node"
    level: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    node_index: Mapped[int] = mapped_column(BigInt, primary_key=True, autoincrement=False)
    hash: Mapped[bytes] = mapped_column(LargeBinary(32))


class Checkpoint(Base):
    """A signed tree head: how many leaves, their root, and the signed note that says so. Append-only."""

    __tablename__ = "checkpoint"
    size: Mapped[int] = mapped_column(BigInt, primary_key=True, autoincrement=False)
    root: Mapped[bytes] = mapped_column(LargeBinary(32))
    note: Mapped[str] = mapped_column(Text)


class Tree(Base):
    """The one growing tree: its size and the roots of the complete subtrees at its right edge. The row that is locked to seal."""

    __tablename__ = "tree"
    __table_args__ = (CheckConstraint("id = 1", name="only_one"),)
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    size: Mapped[int] = mapped_column(BigInt)
    frontier: Mapped[bytes] = mapped_column(LargeBinary)
