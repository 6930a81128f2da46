"""What has to leave the system: written in the transaction that causes it, sent after it by one drainer."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Index, String, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from biobank.core.db import Base, BigInt, UTCTime

WAITING = text("state = 'waiting'")


class Outbox(Base):
    """One message. `payload` is JSON; `state` is waiting, sent or failed; `leased_until` keeps two drainers from sending it twice."""

    __tablename__ = "outbox"
    __table_args__ = (Index("ix_outbox_waiting", "next_at", sqlite_where=WAITING, postgresql_where=WAITING),)
    id: Mapped[int] = mapped_column(BigInt, primary_key=True)
    kind: Mapped[str] = mapped_column(String(40))
    payload: Mapped[str] = mapped_column(Text)
    state: Mapped[str] = mapped_column(String(10))
    tries: Mapped[int]
    next_at: Mapped[datetime] = mapped_column(UTCTime)
    leased_until: Mapped[datetime | None] = mapped_column(UTCTime)
    fault: Mapped[str | None] = mapped_column(Text)
