"""Chains, their entries, and the erasable notes beside them. Triggers (in the migration) refuse to change or delete an entry."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, ForeignKeyConstraint, LargeBinary, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from biobank.core.db import Base, BigInt, UTCTime


class Chain(Base):
    """One chain: of a tube, a container, an enrolment's consent or a request. The row that is locked to append."""

    __tablename__ = "chain"
    __table_args__ = (UniqueConstraint("kind", "ref"),)
    id: Mapped[int] = mapped_column(BigInt, primary_key=True)
    kind: Mapped[str] = mapped_column(String(20))
    ref: Mapped[str] = mapped_column(String(80))
    last_seq: Mapped[int] = mapped_column(BigInt)
    last_hash: Mapped[str] = mapped_column(String(64))
    last_at: Mapped[datetime | None] = mapped_column(UTCTime)


class Entry(Base):
    """One entry: the exact hashed bytes, and columns for searching that are checked against them."""

    __tablename__ = "entry"
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
