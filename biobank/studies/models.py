"""Loaded study versions. The definition is kept whole, as the file said; nothing of it is spread over columns that could disagree with it."""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy import ForeignKeyConstraint, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from biobank.core.db import Base, UTCTime


class StudyVersion(Base):
    """One version of one study. `sha256` is over the definition's canonical JSON; `closes_on` None: still open."""

    __tablename__ = "study_version"
    study: Mapped[str] = mapped_column(String(40), primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    sha256: Mapped[str] = mapped_column(String(64))
    title: Mapped[str] = mapped_column(Text)
    opens_on: Mapped[date | None]
    closes_on: Mapped[date | None]
    definition: Mapped[str] = mapped_column(Text)
    loaded_at: Mapped[datetime] = mapped_column(UTCTime)


class SubStudyRow(Base):
    """A sub-study's code, unique across all studies, and the newest version that has it."""

    __tablename__ = "sub_study"
    __table_args__ = (
        ForeignKeyConstraint(["study", "version"], ["study_version.study", "study_version.version"], name="fk_sub_study_study_version"),
        Index("ix_sub_study_study_version", "study", "version"),
    )
    code: Mapped[str] = mapped_column(String(40), primary_key=True)
    study: Mapped[str] = mapped_column(String(40))
    version: Mapped[int]
