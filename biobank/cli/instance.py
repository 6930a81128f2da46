"""Making an instance."""

from __future__ import annotations

import argparse
import secrets
import sys
from typing import TYPE_CHECKING, Any

from biobank.app import create_app
from biobank.cli.database import prepare, with_owner
from biobank.cli.support import opened
from biobank.core.codes import Prefix, draw_prefix
from biobank.core.vocabulary import load_vocabularies
from biobank.core.work import Grant, Work
from biobank.identity import queries as people
from biobank.identity import service as identity
from biobank.identity.rules import Role
from biobank.settings import Settings, shipped
from biobank.studies.service import load_studies

if TYPE_CHECKING:
    from biobank.identity.models import Person


def add(commands: Any) -> None:
    """`init`, `openapi`."""
    init = commands.add_parser("init", help="make the instance: folder, tables, vocabularies, studies, first administrator")
    init.add_argument("--admin", metavar="LOGIN", default="admin", help="login of the first administrator (default admin)")
    init.add_argument("--password-stdin", action="store_true", help="read the administrator's password from standard input; else a link is printed")
    init.add_argument("--organisation", default="biobank", help="code of the organisation that runs the biobank (default biobank)")
    init.add_argument("--country", default="NL", help="its country, two letters (default NL)")
    init.add_argument(
        "--address", metavar="URL", default="http://127.0.0.1:8000", help="where it will be served, for the sign-in link (default http://127.0.0.1:8000)"
    )
    with_owner(init)
    init.set_defaults(run=run_init)
    openapi = commands.add_parser("openapi", help="print the API's OpenAPI description")
    openapi.set_defaults(run=run_openapi)


def run_init(given: argparse.Namespace, settings: Settings) -> int:
    """Safe to run again: what is there stays, studies and vocabularies are brought up to date."""
    # Without a password nobody knows one: the first sign-in link sets it.
    password = sys.stdin.readline().rstrip("\n") if given.password_stdin else secrets.token_urlsafe(32)
    settings.instance.mkdir(parents=True, exist_ok=True)
    prepare(settings, given.owner_url)
    with opened(settings) as units:
        with units.write() as work:
            lay_ground(work)
            made = _first_administrator(work, given, password, settings)
        app = create_app(settings, units)
    print(f"instance {settings.instance} is ready", file=sys.stderr)
    if made is not None and not given.password_stdin:
        link = identity.once_token(app.config["SECRET_KEY"], made.id, made.epoch)
        print(f"served elsewhere than at {given.address}? say so with --address, or put the right one in its place", file=sys.stderr)
        print(f"sign in once as {given.admin}, within a day, and choose a password: {given.address.rstrip('/')}/sign-in/once/{link}", file=sys.stderr)
    return 0


def lay_ground(work: Work) -> None:
    """Prefix, vocabularies and shipped studies."""
    if work.session.query(Prefix).count() == 0:
        work.session.add(Prefix(ordinal=1, prefix=draw_prefix(work.random)))
        work.session.flush()
    load_vocabularies(work.session, shipped("config") / "vocabularies")
    load_studies(work, sorted((shipped("config") / "studies").glob("*.toml")))


def _first_administrator(work: Work, given: argparse.Namespace, password: str, settings: Settings) -> Person | None:
    if people.person_by_login(work, given.admin) is not None:
        return None
    if given.organisation not in {organisation.code for organisation in people.organisations(work)}:
        identity.add_organisation(work, given.organisation, given.organisation, "biobank", given.country, str(settings.zone))
    return identity.add_person(work, given.admin, "Administrator", password, given.organisation, [Grant(Role.ADMINISTRATOR)])


def run_openapi(given: argparse.Namespace, settings: Settings) -> int:
    """Print the OpenAPI document."""
    with opened(settings) as units:
        app = create_app(settings, units)
    print(app.test_client().get("/api/v1/openapi.json").get_data(as_text=True))
    return 0
