"""`biobank demo`: makes the instance, tells years of a lab's life in one transaction, and verifies every entry."""

from __future__ import annotations

import argparse
import os
import secrets
from datetime import date, datetime, time
from pathlib import Path
from random import Random
from typing import Any

from biobank.app import create_app, make_units, upgrade_database
from biobank.cli.demo import cast, cohort
from biobank.cli.demo.lab import Lab, OneTransaction
from biobank.cli.instance import lay_ground
from biobank.cli.keeping import verified
from biobank.cli.support import bar, opened
from biobank.core.clock import SetClock, SystemClock
from biobank.core.codes import ALPHABET
from biobank.core.errors import N_, Conflict, fault
from biobank.core.work import Work
from biobank.identity import queries as people
from biobank.ledger import queries as entries
from biobank.settings import Settings

ACCOUNTS_FILE = "demo-accounts.txt"


class InstanceInUse(Conflict):
    """The demo never mixes with what is there."""

    title = N_("Instance in use")
    message = N_(
        "%(instance)s already has data (%(met)s). The demo wants an empty instance: name another folder with --instance, or remove this one."
    )


def add(commands: Any) -> None:
    """`demo`."""
    demo = commands.add_parser("demo", help="fill an empty instance with a synthetic cohort across all six studies")
    demo.add_argument(
        "--participants", type=int, default=24, metavar="N", help=f"how many children, 1 to {cohort.MOST} (default 24; six bring all studies)"
    )
    demo.add_argument("--seed", type=int, default=1, metavar="S", help="the same seed and day give the same codes and entries (default 1)")
    demo.add_argument("--as-of", metavar="YYYY-MM-DD", help="the day that counts as today (default: today)")
    demo.set_defaults(run=run_demo)


def run_demo(given: argparse.Namespace, settings: Settings) -> int:
    """Fill the instance; 1 when it has data already, or when verification finds a fault."""
    today = SystemClock().now().astimezone(settings.zone).date()
    as_of = _day(given.as_of, today)
    if not 1 <= given.participants <= cohort.MOST:
        raise fault("--participants", f"give 1 to {cohort.MOST}", given.participants)
    settings.instance.mkdir(parents=True, exist_ok=True)
    with opened(settings) as units, units.read() as work:
        # Before the migration: somebody's own database is left as it is.
        if entries.has_schema(work):
            refuse_unless_empty(work, settings)
    upgrade_database(settings.database_url)
    password = draw_password()
    keeping = tell(settings, given.participants, given.seed, as_of, password)
    with opened(settings) as units:
        create_app(settings, units)
    path = settings.instance / ACCOUNTS_FILE
    _write_private(path, cast.sheet(password, keeping))
    print(f"{given.participants} children as of {as_of.isoformat()}, seed {given.seed}; one password for all accounts: {password} (listed in {path})")
    return verified(settings)


def draw_password() -> str:
    """Three groups of four, from the alphabet of the codes: easy to type, and never drawn from the seed."""
    return "-".join("".join(secrets.choice(ALPHABET.lower()) for _ in range(4)) for _ in range(3))


def _day(told: str | None, today: date) -> date:
    try:
        day = date.fromisoformat(told) if told else today
    except ValueError:
        raise fault("--as-of", "give a day as 2026-11-20", told) from None
    if not cohort.EARLIEST <= day <= today:
        raise fault("--as-of", f"give a day from {cohort.EARLIEST.isoformat()} up to today, {today.isoformat()}", day.isoformat())
    return day


def refuse_unless_empty(work: Work, settings: Settings) -> None:
    """Raises InstanceInUse when the ledger has an entry, or one of the demo's accounts is there besides the first administrator."""
    count = entries.entry_count(work)
    if count:
        raise InstanceInUse(instance=settings.instance, met=f"{count} entries")
    taken = sorted(_there(work) - {"admin"})
    if taken:
        raise InstanceInUse(instance=settings.instance, met=f"the account {taken[0]}")


def _there(work: Work) -> set[str]:
    """The demo's logins that are there."""
    return {person.login for person, _ in people.people(work)} & {account.login for account in cast.ACCOUNTS}


def tell(settings: Settings, participants: int, seed: int, as_of: date, password: str) -> set[str]:
    """Everything up to the day before `as_of`, in one transaction. Gives the logins that were there before and keep their password."""
    random = Random(seed)  # noqa: S311 - codes of a demo; the password comes from elsewhere
    clock = SetClock(datetime.combine(cohort.BEGINS, time(8), settings.zone))
    with opened(settings) as own, own.sessions.writing() as outer:
        units = make_units(settings, clock=clock, random=random, sessions=OneTransaction(outer))
        with units.write() as work:
            refuse_unless_empty(work, settings)
            keeping = _there(work)
            lay_ground(work)
            cast.seat(work, password)
        lab = Lab(units, clock, random)
        steps = cohort.schedule(participants, as_of, settings.zone, random)
        with bar(len(steps), "steps") as progress:
            for step in steps:
                lab.wait_until(step.at)
                step.do(lab)
                progress.update(1)
        outer.commit()
    return keeping


def _write_private(path: Path, text: str) -> None:
    """Readable by its owner only, also where an older file was there."""
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as handle:
        handle.write(text)
