"""The unit of work: the first argument of every use case. One place commits, and nothing else does."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime
from random import Random
from typing import Any, Protocol
from zoneinfo import ZoneInfo

from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from biobank.core.actor import Actor as Actor
from biobank.core.actor import Grant as Grant
from biobank.core.clock import Clock
from biobank.core.trouble import OutcomeUnknown, in_doubt


@dataclass(frozen=True, slots=True)
class Event:
    """Base of what happened in a unit; reactions follow before the commit."""


@dataclass(slots=True)
class Work:
    """One unit: session, actor, the moment it began, and what happened in it.

    `now` is aware UTC and read once; `today` is the civil date at the site. `reads` collects what the access log must name;
    `limits` are the site's own numbers (`delayed_consent_days`, `undo_minutes`); `skew_seconds` is how far the station's clock was off, when told.
    """

    session: Session
    actor: Actor | None
    now: datetime
    random: Random
    zone: ZoneInfo
    station: str | None = None
    skew_seconds: int | None = None
    limits: Mapping[str, int] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)
    reads: list[dict[str, Any]] = field(default_factory=list)
    memo: dict[Any, Any] = field(default_factory=dict)

    @property
    def today(self) -> date:
        """The civil date at the site."""
        return self.now.astimezone(self.zone).date()

    @property
    def who(self) -> Actor:
        """The actor; a use case that changes something always has one."""
        if self.actor is None:
            raise RuntimeError("this unit has no actor")
        return self.actor


class OpensSessions(Protocol):
    """What a unit needs of the database."""

    def writing(self) -> AbstractContextManager[Session]:
        """A session that may write."""
        ...

    def reading(self) -> AbstractContextManager[Session]:
        """A session that only reads."""
        ...


React = Callable[[Work], None]
LogReads = Callable[[Work], None]


class Units:
    """Opens units of work. `react` runs what follows from the events, inside the same transaction; `log_reads` runs after the unit."""

    def __init__(
        self, sessions: OpensSessions, clock: Clock, random: Random, zone: ZoneInfo, react: React, log_reads: LogReads, limits: Mapping[str, int]
    ) -> None:
        self.sessions = sessions
        self.clock = clock
        self.random = random
        self.zone = zone
        self.limits = limits
        self._react = react
        self._log_reads = log_reads

    def _work(self, session: Session, actor: Actor | None) -> Work:
        return Work(session=session, actor=actor, now=self.clock.now(), random=self.random, zone=self.zone, limits=self.limits)

    @contextmanager
    def write(self, actor: Actor | None = None) -> Iterator[Work]:
        """A unit that is committed when the block ends well and rolled back when it does not."""
        with self.sessions.writing() as session:
            work = self._work(session, actor)
            yield work
            self._react(work)
            # Before the commit: a read that cannot be logged is refused, and nobody is told of a fault after the work was kept.
            self._log_reads(work)
            _commit(session)

    @contextmanager
    def read(self, actor: Actor | None = None) -> Iterator[Work]:
        """A unit that changes nothing."""
        with self.sessions.reading() as session:
            work = self._work(session, actor)
            yield work
        self._log_reads(work)


def _commit(session: Session) -> None:
    try:
        session.commit()
    except DBAPIError as error:
        if in_doubt(error):
            raise OutcomeUnknown from error
        raise
