"""Containers; each has a chain of its own."""

from __future__ import annotations

from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from biobank.core.db import Base, BigInt


class Container(Base):
    """One container. `path` is the ids from the root, as `/1/7/`; `rows` and `columns` are 0 for one that holds containers."""

    __tablename__ = "container"
    id: Mapped[int] = mapped_column(BigInt, primary_key=True)
    code: Mapped[str] = mapped_column(String(8), unique=True)
    kind: Mapped[str] = mapped_column(String(20))
    title: Mapped[str] = mapped_column(String(100))
    parent_id: Mapped[int | None] = mapped_column(ForeignKey("container.id"), index=True)
    path: Mapped[str] = mapped_column(String(200), index=True)
    rows: Mapped[int]
    columns: Mapped[int]
    temperature_class: Mapped[str | None] = mapped_column(String(20))
    organisation: Mapped[str] = mapped_column(String(40))
    chain_id: Mapped[int] = mapped_column(ForeignKey("chain.id"), index=True)
