"""People and tokens."""

from __future__ import annotations

import argparse
import sys
from datetime import UTC, datetime
from typing import Any

from biobank.cli.support import opened
from biobank.core.errors import fault
from biobank.core.work import Grant, Work
from biobank.identity import queries as people
from biobank.identity import service as identity
from biobank.settings import Settings
from biobank.studies.queries import definition


def add(commands: Any) -> None:
    """`users add|disable`, `tokens create`."""
    users = commands.add_parser("users", help="add or disable an account").add_subparsers(dest="what", required=True)
    new = users.add_parser("add", help="add an account; the password comes from standard input")
    new.add_argument("login")
    new.add_argument("--name", default="")
    new.add_argument("--organisation", default="biobank")
    new.add_argument("--role", action="append", default=[], metavar="ROLE[:STUDY[:ORGANISATION]]", help="may be given several times")
    new.set_defaults(run=run_add)
    stop = users.add_parser("disable", help="close an account")
    stop.add_argument("login")
    stop.set_defaults(run=run_disable)
    tokens = commands.add_parser("tokens", help="make an API token").add_subparsers(dest="what", required=True)
    create = tokens.add_parser("create", help="prints the token once, alone on standard output")
    create.add_argument("--user", required=True)
    create.add_argument("--role", help="narrow the token to one role")
    create.add_argument("--expires", metavar="YYYY-MM-DD", help="last day it works (default: no end)")
    create.add_argument("--label", default="")
    create.set_defaults(run=run_token)


def run_add(given: argparse.Namespace, settings: Settings) -> int:
    """Add an account."""
    password = sys.stdin.readline().rstrip("\n")
    with opened(settings) as units, units.write() as work:
        grants = [_grant(work, text) for text in given.role]
        identity.add_person(work, given.login, given.name or given.login, password, given.organisation, grants)
    return 0


def _grant(work: Work, text: str) -> Grant:
    parts = text.split(":")
    if len(parts) > 3:
        raise fault("--role", "write a role as ROLE, ROLE:STUDY or ROLE:STUDY:ORGANISATION", text)
    role, study, organisation = (*parts, "", "")[:3]
    # A misspelt one would be a role that opens nothing, without a word.
    if study:
        definition(work, study, pointer="--role")
    if organisation:
        people.organisation(work, organisation, pointer="--role")
    return Grant(role, study or None, organisation or None)


def run_disable(given: argparse.Namespace, settings: Settings) -> int:
    """Close an account."""
    with opened(settings) as units, units.write() as work:
        identity.disable(work, given.login)
    return 0


def run_token(given: argparse.Namespace, settings: Settings) -> int:
    """Make a token."""
    try:
        last = datetime.fromisoformat(given.expires) if given.expires else None
    except ValueError:
        raise fault("--expires", "give a day as 2027-01-31", given.expires) from None
    expires = last.replace(hour=23, minute=59, second=59, tzinfo=last.tzinfo or settings.zone).astimezone(UTC) if last else None
    with opened(settings) as units, units.write() as work:
        if expires is not None and expires <= work.now:
            raise fault("--expires", f"this day is over; give {work.today} or later", given.expires)
        secret = identity.make_token(work, given.user, label=given.label, role=given.role, expires_at=expires)
    print(secret)
    return 0
