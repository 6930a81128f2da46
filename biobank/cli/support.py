"""What several commands need: the instance's units, an actor for the shell, and a progress bar."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tqdm import tqdm

from biobank.app import make_units
from biobank.core.db import Sessions, make_engine
from biobank.core.errors import Refusal
from biobank.core.work import Actor, Grant, Units, Work
from biobank.identity import queries as people
from biobank.ledger.queries import has_schema
from biobank.settings import Settings


@contextmanager
def opened(settings: Settings) -> Iterator[Units]:
    """Units on the instance's database; its connections are closed at the end."""
    engine = make_engine(settings.database_url)
    try:
        yield make_units(settings, sessions=Sessions(engine))
    finally:
        engine.dispose()


def as_system(work: Work, login: str | None = None) -> Actor:
    """The shell is the root of trust: it acts as the named person, or as nobody in particular with every role that reads."""
    found = people.actor_by_login(work, login) if login else None
    return found or Actor(0, "shell", "shell", (Grant("auditor"), Grant("data-manager")))


def bar(total: int | None, what: str) -> Any:
    """A progress bar on a terminal, nothing elsewhere."""
    return tqdm(total=total, unit=f" {what}", disable=not sys.stderr.isatty(), leave=False)


def insist_on_tables(units: Units) -> None:
    """Raises Refusal on a database that has not been made yet."""
    with units.read() as work:
        if not has_schema(work):
            raise Refusal("This database has no tables yet. Run “biobank init” first.")
