"""The clock is given to whoever needs it; nothing else asks the machine for the time."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Protocol

from biobank.core.times import stamp
from biobank.core.trouble import ClockBehind

if TYPE_CHECKING:
    from biobank.core.work import Work

ASK_EVERY = timedelta(seconds=10)


class Clock(Protocol):
    """Anything that tells the present moment as an aware UTC time."""

    def now(self) -> datetime:
        """The present moment, aware, in UTC."""
        ...


class SystemClock:
    """The machine's own clock."""

    def now(self) -> datetime:
        """The present moment, aware, in UTC."""
        return datetime.now(UTC)  # noqa: TID251 - the one place


class SetClock:
    """A clock that stands where it was set; used by the demo and by tests."""

    def __init__(self, at: datetime) -> None:
        self.at = at.astimezone(UTC)

    def now(self) -> datetime:
        """The moment it was set to."""
        return self.at

    def forward(self, by: timedelta) -> None:
        """Move the clock on."""
        self.at += by


class ClockGuard:
    """Notices a clock that stepped back: it then lies behind the newest entry of the ledger.

    `newest` asks the ledger; `behind` is what is borne. The ledger is asked at most every ten seconds of that same clock, and at once when it steps.
    """

    def __init__(self, newest: Callable[[Work], datetime | None], behind: timedelta) -> None:
        self.behind = behind
        self._ask = newest
        self._asked_at: datetime | None = None
        self._newest: datetime | None = None

    def latest(self, work: Work) -> datetime:
        """The present moment, or the newest entry's when the clock lies behind it: what has ended by then does not begin again."""
        asked = self._asked_at
        if asked is None or not asked <= work.now < asked + ASK_EVERY:
            self._newest, self._asked_at = self._ask(work), work.now
        return max(work.now, self._newest) if self._newest else work.now

    def check(self, work: Work) -> None:
        """Raises ClockBehind when the clock lies further behind than is borne."""
        latest = self.latest(work)
        if latest - work.now > self.behind:
            # Asked again next time: whoever is told must not be told so a moment longer than it is true.
            self._asked_at = None
            raise ClockBehind(now=stamp(work.now), newest=stamp(latest))
