"""Participants and what is known of them. Person facts stand apart, so that they can be erased and every read of them is logged."""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy import Date, ForeignKey, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from biobank.core.db import Base, BigInt, UTCTime


class Participant(Base):
    """A person in at least one study, known here by a code alone."""

    __tablename__ = "participant"
    id: Mapped[int] = mapped_column(BigInt, primary_key=True)
    code: Mapped[str] = mapped_column(String(8), unique=True)


class ParticipantPerson(Base):
    """Birth date, sex and death: erasable; read only through `queries.person_of`, which logs it."""

    __tablename__ = "participant_person"
    participant_id: Mapped[int] = mapped_column(BigInt, ForeignKey("participant.id"), primary_key=True)
    birth_date: Mapped[date] = mapped_column(Date)
    sex: Mapped[str] = mapped_column(String(10))
    deceased_on: Mapped[date | None] = mapped_column(Date)


class Enrolment(Base):
    """A participant in a study version at an organisation. `warnings`: JSON list of the rules that were not met when enrolling."""

    __tablename__ = "enrolment"
    __table_args__ = (UniqueConstraint("study", "subject_number"), UniqueConstraint("participant_id", "study"))
    id: Mapped[int] = mapped_column(BigInt, primary_key=True)
    participant_id: Mapped[int] = mapped_column(BigInt, ForeignKey("participant.id"))
    study: Mapped[str] = mapped_column(String(40))
    version: Mapped[int]
    organisation: Mapped[str] = mapped_column(String(40), index=True)
    country: Mapped[str] = mapped_column(String(2))
    subject_number: Mapped[str] = mapped_column(String(40))
    enrolled_on: Mapped[date] = mapped_column(Date)
    stratum: Mapped[str | None] = mapped_column(String(40))
    override_reason_given: Mapped[bool]
    warnings: Mapped[str] = mapped_column(Text)
    chain_id: Mapped[int] = mapped_column(BigInt, ForeignKey("chain.id"), index=True)


class Episode(Base):
    """An episode of disease: the primary one, a relapse … `genetics`: JSON list of codes."""

    __tablename__ = "episode"
    __table_args__ = (UniqueConstraint("participant_id", "ordinal"),)
    id: Mapped[int] = mapped_column(BigInt, primary_key=True)
    participant_id: Mapped[int] = mapped_column(BigInt, ForeignKey("participant.id"))
    ordinal: Mapped[int]
    kind: Mapped[str] = mapped_column(String(40))
    diagnosed_on: Mapped[date] = mapped_column(Date)
    disease_group: Mapped[str] = mapped_column(String(40))
    genetics: Mapped[str] = mapped_column(Text)


class Anchor(Base):
    """A day from which sampling is counted: diagnosis, a dose, a relapse … `moment` when the time of day is known."""

    __tablename__ = "anchor"
    __table_args__ = (UniqueConstraint("enrolment_id", "kind", "ordinal"),)
    id: Mapped[int] = mapped_column(BigInt, primary_key=True)
    enrolment_id: Mapped[int] = mapped_column(BigInt, ForeignKey("enrolment.id"))
    kind: Mapped[str] = mapped_column(String(40))
    ordinal: Mapped[int]
    at: Mapped[date] = mapped_column(Date)
    moment: Mapped[datetime | None] = mapped_column(UTCTime)


class Dose(Base):
    """What was given at an anchor that is a dose; units are IU per square metre of body surface."""

    __tablename__ = "dose"
    anchor_id: Mapped[int] = mapped_column(BigInt, ForeignKey("anchor.id"), primary_key=True)
    product: Mapped[str] = mapped_column(String(40))
    units_per_m2: Mapped[int]
    route: Mapped[str] = mapped_column(String(20))
