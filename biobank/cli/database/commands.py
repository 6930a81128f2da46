"""`biobank db upgrade|check|roles`."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ProgrammingError

from biobank.app import upgrade_database
from biobank.cli.database import checks, privileges, roles
from biobank.cli.support import opened
from biobank.core.db import make_engine
from biobank.core.errors import N_, Refusal
from biobank.settings import OWNER, Settings

INSUFFICIENT = "42501"


class NeedsOwner(Refusal):
    """The service's role may not change tables."""

    message = N_("This role may not change tables (%(said)s). Give the owner's address with --owner-url or BIOBANK_OWNER_URL (docs/postgresql.md).")


def add(commands: Any) -> None:
    """`db upgrade|check|roles`."""
    database = commands.add_parser("db", help="upgrade the database, give the application's role its rights, or check what is missing")
    what = database.add_subparsers(dest="what", required=True)
    upgrade = what.add_parser("upgrade", help="bring the tables to this release, as their owner")
    with_owner(upgrade)
    upgrade.set_defaults(run=run_upgrade)
    what.add_parser("check", help="name everything that is missing, with the command that mends it").set_defaults(run=run_check)
    rights = what.add_parser("roles", help="PostgreSQL: give the role that the service runs as what it needs, and nothing more; safe to run again")
    rights.add_argument("--application", metavar="NAME", required=True, help="the role that the service signs in as")
    rights.add_argument("--print", action="store_true", dest="only_print", help="print the SQL and change nothing")
    with_owner(rights)
    rights.set_defaults(run=run_roles)


def with_owner(command: argparse.ArgumentParser) -> None:
    """The option that every command takes which changes tables."""
    command.add_argument(
        "--owner-url", metavar="URL", default=os.environ.get(OWNER),
        help=f"PostgreSQL: address that signs in as the owner of the tables (or {OWNER}; default: the service's own)",
    )


def run_upgrade(given: argparse.Namespace, settings: Settings) -> int:
    """Bring the database to the newest migration; the roles that could append before get what the new tables need."""
    prepare(settings, given.owner_url)
    return 0


def prepare(settings: Settings, owner_url: str | None) -> None:
    """Migrate as the owner, then give the application's roles their rights. Raises NeedsOwner when the address may not."""
    address = owner_url or settings.database_url
    try:
        upgrade_database(address)
    except ProgrammingError as refused:
        if getattr(refused.orig, "sqlstate", None) == INSUFFICIENT:
            raise NeedsOwner(said=str(refused.orig).splitlines()[0]) from None
        raise
    if make_url(address).get_backend_name() != "postgresql":
        return
    with _connected(address) as connection:
        if not roles.is_owner(connection):
            return
        served = {_application(settings)} - {roles.current(connection)} if owner_url else set()
        for role in sorted({*roles.applications(connection), *served}):
            roles.grant(connection, role)


def _application(settings: Settings) -> str:
    named = make_url(settings.database_url).username
    if named:
        return named
    with _connected(settings.database_url) as connection:
        return roles.current(connection)


def run_roles(given: argparse.Namespace, settings: Settings) -> int:
    """Give rights, or print what would; exit 1 when something is still too much or too little, which only a superuser can mend."""
    with _connected(given.owner_url or settings.database_url) as connection:
        roles.insist(connection, given.application)
        if given.only_print:
            print("BEGIN;", *(f"{statement};" for statement in roles.statements(connection, given.application)), "COMMIT;", sep="\n")
            return 0
        roles.grant(connection, given.application)
        left = list(privileges.lacks(connection, given.application))
    for lack in left:
        print(lack, file=sys.stderr)
    return 1 if left else 0


def run_check(given: argparse.Namespace, settings: Settings) -> int:
    """Exit 1 and a line on stderr for everything that is missing."""
    with opened(settings) as units, units.read() as work:
        found = list(checks.lacks(work, settings))
    for lack in found:
        print(lack, file=sys.stderr)
    print(f"{len(found)} to mend" if found else "nothing is missing")
    return 1 if found else 0


@contextmanager
def _connected(address: str) -> Iterator[Connection]:
    engine = make_engine(address)
    try:
        with engine.begin() as connection:
            yield connection
    finally:
        engine.dispose()
