"""The demo's lab: whose name something is done in, at what time, and where its freezers are."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from random import Random

from sqlalchemy.orm import Session

from biobank.cli.demo.cast import ACCOUNTS
from biobank.cli.demo.freezers import Freezers
from biobank.core.clock import SetClock
from biobank.core.work import Actor, Units, Work
from biobank.identity import queries as people

# What one action at the bench takes; keeps every time of a busy day apart.
A_MOMENT = timedelta(seconds=10)


class OneTransaction:
    """Sessions inside one transaction of the caller: what is interrupted leaves an empty database, so that it can be started again."""

    def __init__(self, outer: Session) -> None:
        self._connection = outer.connection()

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """A session whose commit ends a savepoint."""
        with Session(self._connection, join_transaction_mode="create_savepoint", expire_on_commit=False) as session:
            yield session

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """A session that is rolled back at its end."""
        with Session(self._connection, join_transaction_mode="create_savepoint", autoflush=False) as session:
            yield session


class Lab:
    """Everybody and everything at work. `random` is the same source that the units draw codes from."""

    def __init__(self, units: Units, clock: SetClock, random: Random) -> None:
        self.units = units
        self.clock = clock
        self.random = random
        self._people: dict[str, Actor] = {}
        with units.read() as work:
            for account in ACCOUNTS:
                found = people.actor_by_login(work, account.login)
                if found is not None:
                    self._people[account.login] = found
        with self.as_("manager") as work:
            self.freezers = Freezers(work)

    def wait_until(self, moment: datetime) -> None:
        """Let time pass; it never runs backwards."""
        self.clock.at = max(self.clock.at, moment)

    @contextmanager
    def as_(self, login: str) -> Iterator[Work]:
        """One unit of work in somebody's name."""
        self.clock.forward(A_MOMENT)
        with self.units.write(self._people[login]) as work:
            yield work
