"""Requests, their items, and the plans that were applied. Which tubes are reserved stands in custody alone."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from biobank.core.db import Base, BigInt, UTCTime


class Request(Base):
    """A wish for tubes. `version` rises with every change that others must not overlook; `uses`: JSON list; `organisation`: who gets them."""

    __tablename__ = "request"
    id: Mapped[int] = mapped_column(BigInt, primary_key=True)
    code: Mapped[str] = mapped_column(String(8), unique=True)
    study: Mapped[str] = mapped_column(String(40), index=True)
    purpose: Mapped[str] = mapped_column(String(60))
    uses: Mapped[str] = mapped_column(Text)
    title: Mapped[str | None] = mapped_column(String(200))
    organisation: Mapped[str] = mapped_column(String(40), index=True)
    requester_id: Mapped[int] = mapped_column(BigInt, ForeignKey("person.id"), index=True)
    state: Mapped[str] = mapped_column(String(20))
    created_at: Mapped[datetime] = mapped_column(UTCTime)
    version: Mapped[int]
    chain_id: Mapped[int] = mapped_column(BigInt, ForeignKey("chain.id"), index=True)


class RequestItem(Base):
    """One line: at most `n` tubes of a material (of one family, of one event, or any); `amount` (base unit) is what each must still hold."""

    __tablename__ = "request_item"
    __table_args__ = (UniqueConstraint("request_id", "line"), CheckConstraint("n > 0", name="some"))
    id: Mapped[int] = mapped_column(BigInt, primary_key=True)
    request_id: Mapped[int] = mapped_column(BigInt, ForeignKey("request.id"))
    line: Mapped[int]
    material: Mapped[str] = mapped_column(String(40))
    family: Mapped[str | None] = mapped_column(String(20))
    event: Mapped[str | None] = mapped_column(String(40))
    n: Mapped[int]
    amount: Mapped[int | None] = mapped_column(BigInt)
    unit: Mapped[str | None] = mapped_column(String(10))


class RequestPlan(Base):
    """A plan as it was applied: the hash of what it was made from, the tubes chosen, and a reason per tube (JSON)."""

    __tablename__ = "request_plan"
    id: Mapped[int] = mapped_column(BigInt, primary_key=True)
    item_id: Mapped[int] = mapped_column(BigInt, ForeignKey("request_item.id"), index=True)
    input_sha256: Mapped[str] = mapped_column(String(64))
    chosen: Mapped[str] = mapped_column(Text)
    reasons: Mapped[str] = mapped_column(Text)
    at: Mapped[datetime] = mapped_column(UTCTime)
    person_id: Mapped[int] = mapped_column(BigInt, ForeignKey("person.id"), index=True)
