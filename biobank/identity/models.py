"""Organisations, people, their roles and tokens."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from biobank.core.db import Base, BigInt, UTCTime


class Organisation(Base):
    """A hospital, laboratory or trial office. The country decides what leaves the EEA; the zone is for its own civil days."""

    __tablename__ = "organisation"
    id: Mapped[int] = mapped_column(BigInt, primary_key=True)
    code: Mapped[str] = mapped_column(String(40), unique=True)
    title: Mapped[str] = mapped_column(String(200))
    kind: Mapped[str] = mapped_column(String(20))
    country: Mapped[str] = mapped_column(String(2))
    zone: Mapped[str] = mapped_column(String(60))


class Person(Base):
    """Someone who signs in. `epoch` rises to end every session."""

    __tablename__ = "person"
    id: Mapped[int] = mapped_column(BigInt, primary_key=True)
    login: Mapped[str] = mapped_column(String(60), unique=True)
    name: Mapped[str] = mapped_column(String(200))
    password_hash: Mapped[str] = mapped_column(String(200))
    active: Mapped[bool]
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"), index=True)
    epoch: Mapped[int]
    failures: Mapped[int]
    waits_until: Mapped[datetime | None] = mapped_column(UTCTime)


class RoleGrant(Base):
    """A role held in one study and at one organisation; NULL means everywhere."""

    __tablename__ = "role_grant"
    id: Mapped[int] = mapped_column(BigInt, primary_key=True)
    person_id: Mapped[int] = mapped_column(ForeignKey("person.id"), index=True)
    role: Mapped[str] = mapped_column(String(40))
    study: Mapped[str | None] = mapped_column(String(40))
    organisation: Mapped[str | None] = mapped_column(String(40))


class Token(Base):
    """A personal API token: only its SHA-256 is kept. `role` narrows it to one of the person's roles."""

    __tablename__ = "token"
    sha256: Mapped[str] = mapped_column(String(64), primary_key=True)
    person_id: Mapped[int] = mapped_column(ForeignKey("person.id"), index=True)
    label: Mapped[str] = mapped_column(String(100))
    role: Mapped[str | None] = mapped_column(String(40))
    made_at: Mapped[datetime] = mapped_column(UTCTime)
    expires_at: Mapped[datetime | None] = mapped_column(UTCTime)
    revoked_at: Mapped[datetime | None] = mapped_column(UTCTime)
