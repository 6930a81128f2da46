"""What `db check` found."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Lack:
    """Something that is missing or should not be, and the command that mends it."""

    says: str
    mend: str

    def __str__(self) -> str:
        return f"{self.says}. Mend: {self.mend}"
