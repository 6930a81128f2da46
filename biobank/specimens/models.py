"""Collections and the tubes they gave, with lineage, foreign codes and earmarks."""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy import Date, ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from biobank.core.db import Base, BigInt, UTCTime


class Collection(Base):
    """One draw, planned or not. `event` is a code of the study's definition; NULL for an unplanned arrival."""

    __tablename__ = "collection"
    id: Mapped[int] = mapped_column(BigInt, primary_key=True)
    code: Mapped[str] = mapped_column(String(8), unique=True)
    enrolment_id: Mapped[int] = mapped_column(BigInt, ForeignKey("enrolment.id"), index=True)
    event: Mapped[str | None] = mapped_column(String(40))
    anchor_kind: Mapped[str | None] = mapped_column(String(40))
    anchor_ordinal: Mapped[int | None]
    planned_on: Mapped[date | None] = mapped_column(Date, index=True)
    drawn_at: Mapped[datetime | None] = mapped_column(UTCTime)
    organisation: Mapped[str] = mapped_column(String(40))


class Specimen(Base):
    """One physical tube. Material, container type and purpose stand in its first entry and may be amended; code and kind are fixed."""

    __tablename__ = "specimen"
    id: Mapped[int] = mapped_column(BigInt, primary_key=True)
    code: Mapped[str] = mapped_column(String(8), unique=True)
    collection_id: Mapped[int] = mapped_column(BigInt, ForeignKey("collection.id"), index=True)
    kind: Mapped[str] = mapped_column(String(12))
    material: Mapped[str] = mapped_column(String(40), index=True)
    family: Mapped[str] = mapped_column(String(12))
    container_type: Mapped[str] = mapped_column(String(40))
    purpose: Mapped[str] = mapped_column(String(12))
    ordinal: Mapped[int]
    siblings: Mapped[int]


class Parent(Base):
    """A tube was made from another."""

    __tablename__ = "parent"
    child_id: Mapped[int] = mapped_column(BigInt, ForeignKey("specimen.id"), primary_key=True)
    parent_id: Mapped[int] = mapped_column(BigInt, ForeignKey("specimen.id"), primary_key=True, index=True)


class ExternalCode(Base):
    """A code that the tube came with, as a string, with its issuer. It never resolves as one of ours."""

    __tablename__ = "external_code"
    issuer: Mapped[str] = mapped_column(String(60), primary_key=True)
    code: Mapped[str] = mapped_column(String(80), primary_key=True)
    specimen_id: Mapped[int] = mapped_column(BigInt, ForeignKey("specimen.id"), index=True)


class Earmark(Base):
    """A link to a sub-study, without an amount; it excludes nobody."""

    __tablename__ = "earmark"
    specimen_id: Mapped[int] = mapped_column(BigInt, ForeignKey("specimen.id"), primary_key=True)
    sub_study: Mapped[str] = mapped_column(String(60), primary_key=True, index=True)
    made_at: Mapped[datetime] = mapped_column(UTCTime)


class Processing(Base):
    """How a derivative was made: spin in g, minutes, temperature in tenths of °C. NULL: not told."""

    __tablename__ = "processing"
    specimen_id: Mapped[int] = mapped_column(BigInt, ForeignKey("specimen.id"), primary_key=True)
    g: Mapped[int | None]
    minutes: Mapped[int | None]
    temp_dc: Mapped[int | None]
    at: Mapped[datetime] = mapped_column(UTCTime)
