"""What was asked to be printed."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from biobank.core.db import Base, BigInt, UTCTime


class PrintJob(Base):
    """Sheets of labels: what was asked, not what came of it; the PDF is drawn anew each time. `codes`: JSON list of tubes, in order."""

    __tablename__ = "print_job"
    id: Mapped[int] = mapped_column(BigInt, primary_key=True)
    code: Mapped[str] = mapped_column(String(8), unique=True)
    design: Mapped[str] = mapped_column(String(40))
    start: Mapped[int]
    codes: Mapped[str] = mapped_column(Text)
    made_by: Mapped[int] = mapped_column(BigInt, ForeignKey("person.id"), index=True)
    made_at: Mapped[datetime] = mapped_column(UTCTime)
