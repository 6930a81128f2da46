"""Decisions with their signatories, what they amount to over time, and the verdicts that were given."""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy import Date, ForeignKey, ForeignKeyConstraint, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from biobank.core.db import Base, BigInt, UTCTime


class Decision(Base):
    """One decision on one component, as it was recorded; `answer`: yes, no, withdrawn. Never changed. `effect` only of a withdrawal."""

    __tablename__ = "decision"
    __table_args__ = (
        ForeignKeyConstraint(["chain_id", "seq"], ["entry.chain_id", "entry.seq"]),
        Index("ix_decision_chain_id_seq", "chain_id", "seq"),
        Index("ix_decision_enrolment_id_component", "enrolment_id", "component"),
    )
    id: Mapped[int] = mapped_column(BigInt, primary_key=True)
    enrolment_id: Mapped[int] = mapped_column(BigInt, ForeignKey("enrolment.id"))
    component: Mapped[str] = mapped_column(String(60))
    answer: Mapped[str] = mapped_column(String(10))
    form_version: Mapped[str | None] = mapped_column(String(40))
    authority: Mapped[str | None] = mapped_column(String(10))
    effect: Mapped[str | None] = mapped_column(String(40))
    signed_on: Mapped[date] = mapped_column(Date)
    recorded_at: Mapped[datetime] = mapped_column(UTCTime)
    chain_id: Mapped[int] = mapped_column(BigInt)
    seq: Mapped[int] = mapped_column(BigInt)


class Signatory(Base):
    """Who signed a decision, and when."""

    __tablename__ = "signatory"
    decision_id: Mapped[int] = mapped_column(BigInt, ForeignKey("decision.id"), primary_key=True)
    role: Mapped[str] = mapped_column(String(20), primary_key=True)
    signed_on: Mapped[date] = mapped_column(Date)


class ConsentState(Base):
    """The stored fold: from when until when (exclusive; NULL: for good) a component is granted, or why not. `roles`: who must still sign.

    Age gates begin on birthdays, so erasing the person facts erases these rows as well.
    """

    __tablename__ = "consent_state"
    enrolment_id: Mapped[int] = mapped_column(BigInt, ForeignKey("enrolment.id"), primary_key=True)
    component: Mapped[str] = mapped_column(String(60), primary_key=True)
    from_on: Mapped[date] = mapped_column(Date, primary_key=True)
    until_on: Mapped[date | None] = mapped_column(Date)
    granted: Mapped[bool]
    reason: Mapped[str | None] = mapped_column(String(40))
    roles: Mapped[str] = mapped_column(String(100))
    at_birthday: Mapped[bool]


class VerdictGiven(Base):
    """A verdict that an act relied on. Entries name its id and outcome; the reasons here may be erased."""

    __tablename__ = "verdict"
    id: Mapped[int] = mapped_column(BigInt, primary_key=True)
    enrolment_id: Mapped[int] = mapped_column(BigInt, ForeignKey("enrolment.id"), index=True)
    purpose: Mapped[str] = mapped_column(String(60))
    on_date: Mapped[date] = mapped_column(Date)
    granted: Mapped[bool]
    reasons: Mapped[str | None] = mapped_column(Text)
    rules_version: Mapped[str] = mapped_column(String(20))
    at: Mapped[datetime] = mapped_column(UTCTime)
