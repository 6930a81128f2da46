"""What happens in one story, step by step, until the day that the demo is told as of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from typing import Concatenate, ParamSpec
from zoneinfo import ZoneInfo

from biobank.cli.demo.lab import Lab

P = ParamSpec("P")


@dataclass(frozen=True, slots=True)
class Step:
    """Something that happens at a moment."""

    at: datetime
    do: Callable[[Lab], None]


@dataclass(slots=True)
class Diary:
    """The steps of one story. What would come on the day `as_of` or later has not happened yet, and is left out."""

    as_of: date
    zone: ZoneInfo
    steps: list[Step] = field(default_factory=list)

    def ago(self, days: int) -> date:
        """The day so many days before `as_of`."""
        return self.as_of - timedelta(days=days)

    def on(self, day: date, at: str, do: Callable[Concatenate[Lab, P], None], *args: P.args, **facts: P.kwargs) -> None:
        """On a day at a time of the site (`11:00`), unless that lies ahead."""
        if day >= self.as_of:
            return
        moment = datetime.combine(day, time.fromisoformat(at), self.zone)
        self.steps.append(Step(moment, lambda lab: do(lab, *args, **facts)))
