"""One line of the table."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Result:
    """What a job cost beside something else. `goal` is the most the ratio may be, or the least where `least`; None: no goal was set."""

    job: str
    engine: str
    ours: float
    beside: str
    other: float
    ratio: float
    goal: float | None = None
    least: bool = False
    unit: str = "µs"
    note: str = ""

    @property
    def name(self) -> str:
        """What a later run is compared by."""
        return f"{self.job} | {self.engine} | {self.beside}"

    @property
    def reached(self) -> bool | None:
        """Whether the goal is reached; None without one."""
        if self.goal is None:
            return None
        return self.ratio >= self.goal if self.least else self.ratio <= self.goal
