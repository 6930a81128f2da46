"""Each tube's standing, and the lots, postings, holds and reservations behind it. Only `custody.service.record` writes here."""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy import CheckConstraint, Date, ForeignKey, ForeignKeyConstraint, Index, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from biobank.core.db import Base, BigInt, UTCTime

OPEN = text("closed_seq IS NULL")


class Standing(Base):
    """The fold of a tube's entries as one row. Amounts are integers in `unit` (nL, cells, pieces); `seq` is the last entry folded.

    `open_holds` and `open_reservations` count rows of `hold` and `reservation`, so that the usual tube costs no further query.
    """

    __tablename__ = "standing"
    __table_args__ = (
        CheckConstraint("reserved >= 0 AND reserved <= remaining", name="amounts"),
        UniqueConstraint("container_id", "row", "column"),
        Index("ix_standing_study_status", "study", "status"),
    )
    specimen_id: Mapped[int] = mapped_column(BigInt, ForeignKey("specimen.id"), primary_key=True)
    code: Mapped[str] = mapped_column(String(8))
    chain_id: Mapped[int] = mapped_column(BigInt, ForeignKey("chain.id"), unique=True)
    seq: Mapped[int] = mapped_column(BigInt)
    participant_id: Mapped[int] = mapped_column(BigInt, ForeignKey("participant.id"), index=True)
    enrolment_id: Mapped[int] = mapped_column(BigInt, ForeignKey("enrolment.id"), index=True)
    study: Mapped[str] = mapped_column(String(40))
    lot_id: Mapped[int] = mapped_column(BigInt, ForeignKey("lot.id"), index=True)
    status: Mapped[str] = mapped_column(String(20))
    reason: Mapped[str | None] = mapped_column(String(60))
    custodian: Mapped[str | None] = mapped_column(String(40))
    responsible: Mapped[str | None] = mapped_column(String(40))
    residual: Mapped[bool]
    released_on: Mapped[date | None] = mapped_column(Date)
    unit: Mapped[str] = mapped_column(String(10))
    remaining: Mapped[int] = mapped_column(BigInt)
    reserved: Mapped[int] = mapped_column(BigInt)
    certainty: Mapped[str] = mapped_column(String(10))
    thaws: Mapped[int]
    container_id: Mapped[int | None] = mapped_column(BigInt, ForeignKey("container.id"))
    row: Mapped[int | None]
    column: Mapped[int | None]
    placed_at: Mapped[datetime | None] = mapped_column(UTCTime)
    is_out: Mapped[bool]
    last_seen_at: Mapped[datetime | None] = mapped_column(UTCTime)
    open_holds: Mapped[int]
    open_reservations: Mapped[int]


class Lot(Base):
    """An amount that is conserved: a primary tube and its aliquots, or the output of one derivation."""

    __tablename__ = "lot"
    id: Mapped[int] = mapped_column(BigInt, primary_key=True)
    code: Mapped[str] = mapped_column(String(8), unique=True)
    unit: Mapped[str] = mapped_column(String(10))


class Posting(Base):
    """One line of an entry's double entry; per entry and lot the lines sum to zero. Append-only like the entries."""

    __tablename__ = "posting"
    __table_args__ = (ForeignKeyConstraint(["chain_id", "seq"], ["entry.chain_id", "entry.seq"]),)
    chain_id: Mapped[int] = mapped_column(BigInt, primary_key=True)
    seq: Mapped[int] = mapped_column(BigInt, primary_key=True)
    line: Mapped[int] = mapped_column(primary_key=True)
    lot_id: Mapped[int] = mapped_column(BigInt, ForeignKey("lot.id"), index=True)
    account: Mapped[str] = mapped_column(String(20))
    specimen_id: Mapped[int | None] = mapped_column(BigInt, ForeignKey("specimen.id"), index=True)
    amount: Mapped[int] = mapped_column(BigInt)


class HoldRow(Base):
    """A hold on a tube, open while `closed_seq` is NULL. `since` is a day at the site."""

    __tablename__ = "hold"
    __table_args__ = (Index("ix_hold_open", "specimen_id", "kind", unique=True, sqlite_where=OPEN, postgresql_where=OPEN),)
    id: Mapped[int] = mapped_column(BigInt, primary_key=True)
    specimen_id: Mapped[int] = mapped_column(BigInt, ForeignKey("specimen.id"), index=True)
    kind: Mapped[str] = mapped_column(String(20))
    since: Mapped[date] = mapped_column(Date)
    opened_seq: Mapped[int] = mapped_column(BigInt)
    closed_seq: Mapped[int | None] = mapped_column(BigInt)


class Reservation(Base):
    """A promise of a tube's amount to a request's item, open while `closed_seq` is NULL."""

    __tablename__ = "reservation"
    __table_args__ = (Index("ix_reservation_open", "specimen_id", "for", unique=True, sqlite_where=OPEN, postgresql_where=OPEN),)
    id: Mapped[int] = mapped_column(BigInt, primary_key=True)
    specimen_id: Mapped[int] = mapped_column(BigInt, ForeignKey("specimen.id"), index=True)
    for_: Mapped[str] = mapped_column("for", String(60), index=True)
    amount: Mapped[int] = mapped_column(BigInt)
    stage: Mapped[str] = mapped_column(String(20))
    opened_seq: Mapped[int] = mapped_column(BigInt)
    closed_seq: Mapped[int | None] = mapped_column(BigInt)
