"""Corrections that wait for a second person, and those that were answered. What was done stands in the tubes' chains alone."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from biobank.core.db import Base, BigInt, UTCTime

WAITING = text("waiting")


class Correction(Base):
    """A proposal: two trees change places (`with_id`), one goes to another child (`enrolment_id`), or a tube comes back (a place, or none).

    Whoever proposed it never confirms it: the table refuses. `reason` and `answer` are free text and may be erased.
    """

    __tablename__ = "correction"
    __table_args__ = (
        CheckConstraint("state <> 'confirmed' OR decided_by_id <> proposed_by_id", name="two_people"),
        CheckConstraint("(state = 'waiting') = (decided_by_id IS NULL)", name="answered"),
        Index("ix_correction_state", "state", "id"),
    )
    id: Mapped[int] = mapped_column(BigInt, primary_key=True)
    kind: Mapped[str] = mapped_column(String(10))
    state: Mapped[str] = mapped_column(String(10))
    specimen_id: Mapped[int] = mapped_column(BigInt, ForeignKey("specimen.id"), index=True)
    with_id: Mapped[int | None] = mapped_column(BigInt, ForeignKey("specimen.id"), index=True)
    enrolment_id: Mapped[int | None] = mapped_column(BigInt, ForeignKey("enrolment.id"), index=True)
    collection_id: Mapped[int | None] = mapped_column(BigInt, ForeignKey("collection.id"), index=True)
    container_id: Mapped[int | None] = mapped_column(BigInt, ForeignKey("container.id"), index=True)
    row: Mapped[int | None]
    column: Mapped[int | None]
    reason: Mapped[str | None] = mapped_column(Text)
    answer: Mapped[str | None] = mapped_column(Text)
    proposed_by_id: Mapped[int] = mapped_column(BigInt, ForeignKey("person.id"), index=True)
    proposed_at: Mapped[datetime] = mapped_column(UTCTime)
    decided_by_id: Mapped[int | None] = mapped_column(BigInt, ForeignKey("person.id"), index=True)
    decided_at: Mapped[datetime | None] = mapped_column(UTCTime)


class CorrectionTube(Base):
    """A tube that a correction is about, as it was when it was proposed. One tube waits for one correction at a time."""

    __tablename__ = "correction_tube"
    __table_args__ = (Index("ix_correction_tube_waiting", "specimen_id", unique=True, sqlite_where=WAITING, postgresql_where=WAITING),)
    correction_id: Mapped[int] = mapped_column(BigInt, ForeignKey("correction.id"), primary_key=True)
    specimen_id: Mapped[int] = mapped_column(BigInt, ForeignKey("specimen.id"), primary_key=True, index=True)
    side: Mapped[int]
    enrolment_id: Mapped[int] = mapped_column(BigInt, ForeignKey("enrolment.id"), index=True)
    collection_id: Mapped[int] = mapped_column(BigInt, ForeignKey("collection.id"), index=True)
    status: Mapped[str] = mapped_column(String(20))
    waiting: Mapped[bool]
