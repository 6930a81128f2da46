"""Making an instance, serving it, and looking after its database."""

from __future__ import annotations

import argparse
import secrets
import sys
from typing import TYPE_CHECKING, Any

from biobank.app import create_app, upgrade_database
from biobank.cli.support import opened
from biobank.core.codes import Prefix, draw_prefix
from biobank.core.errors import Refusal
from biobank.core.vocabulary import load_vocabularies
from biobank.core.work import Grant, Work
from biobank.identity import queries as people
from biobank.identity import service as identity
from biobank.identity.rules import Role
from biobank.ledger.queries import has_schema, missing_triggers
from biobank.settings import Settings, shipped
from biobank.studies.service import load_studies

if TYPE_CHECKING:
    from biobank.identity.models import Person


def add(commands: Any) -> None:
    """`init`, `serve`, `db`, `openapi`."""
    init = commands.add_parser("init", help="make the instance: folder, tables, vocabularies, studies, first administrator")
    init.add_argument("--admin", metavar="LOGIN", default="admin", help="login of the first administrator (default admin)")
    init.add_argument("--password-stdin", action="store_true", help="read the administrator's password from standard input; else a link is printed")
    init.add_argument("--organisation", default="biobank", help="code of the organisation that runs the biobank (default biobank)")
    init.add_argument("--country", default="NL", help="its country, two letters (default NL)")
    init.set_defaults(run=run_init)
    serve = commands.add_parser("serve", help="serve the pages and the API")
    serve.add_argument("--host", default="127.0.0.1")
    serve.add_argument("--port", type=_port, default=8000)
    serve.add_argument("--workers", type=int, default=2)
    serve.add_argument("--threads", type=int, default=4)
    serve.set_defaults(run=run_serve)
    database = commands.add_parser("db", help="upgrade the database, or check it")
    database.add_argument("what", choices=["upgrade", "check"])
    database.set_defaults(run=run_db)
    openapi = commands.add_parser("openapi", help="print the API's OpenAPI description")
    openapi.set_defaults(run=run_openapi)


def run_init(given: argparse.Namespace, settings: Settings) -> int:
    """Safe to run again: what is there stays, studies and vocabularies are brought up to date."""
    # Without a password nobody knows one: the first sign-in link sets it.
    password = sys.stdin.readline().rstrip("\n") if given.password_stdin else secrets.token_urlsafe(32)
    settings.instance.mkdir(parents=True, exist_ok=True)
    upgrade_database(settings.database_url)
    with opened(settings) as units:
        with units.write() as work:
            lay_ground(work)
            made = _first_administrator(work, given, password, settings)
        app = create_app(settings, units)
    print(f"instance {settings.instance} is ready", file=sys.stderr)
    if made is not None and not given.password_stdin:
        link = identity.once_token(app.config["SECRET_KEY"], made.id, made.epoch)
        print(f"sign in once as {given.admin}, within a day, and choose a password: http://127.0.0.1:8000/sign-in/once/{link}", file=sys.stderr)
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


def _port(text: str) -> int:
    if not text.isdecimal() or not 0 < int(text) < 65536:
        raise argparse.ArgumentTypeError(f"{text} is no port; give one from 1 to 65535")
    return int(text)


def run_serve(given: argparse.Namespace, settings: Settings) -> int:
    """Serve with gunicorn: threads in several processes, no control socket."""
    from gunicorn.app.base import BaseApplication

    class Server(BaseApplication):  # type: ignore[misc]
        """gunicorn without its command line."""

        def load_config(self) -> None:
            options = {
                "bind": f"{given.host}:{given.port}", "workers": given.workers, "threads": given.threads, "worker_class": "gthread",
                "control_socket_disable": True, "accesslog": None, "loglevel": "warning", "timeout": 60, "graceful_timeout": 20,
                "max_requests": 0, "keepalive": 5,
            }
            for name, value in options.items():
                if name in self.cfg.settings:
                    self.cfg.set(name, value)

        def load(self) -> Any:
            return create_app(settings)

    _insist_on_tables(settings)
    print(f"biobank serves http://{given.host}:{given.port}/", file=sys.stderr)
    Server().run()
    return 0


def _insist_on_tables(settings: Settings) -> None:
    # The workers are forked after this: none of them may inherit an open connection.
    with opened(settings) as units, units.read() as work:
        if not has_schema(work):
            raise Refusal("This database has no tables yet. Run “biobank init” first.")


def run_db(given: argparse.Namespace, settings: Settings) -> int:
    """Bring the database to the newest migration, or say what is missing."""
    if given.what == "upgrade":
        upgrade_database(settings.database_url)
        return 0
    with opened(settings) as units, units.read() as work:
        if not has_schema(work):
            print("no tables: run “biobank init”", file=sys.stderr)
            return 1
        missing = missing_triggers(work)
    for name in missing:
        print(f"the trigger {name} is missing or not enabled: entries could be changed; run “biobank db upgrade” on a fresh copy", file=sys.stderr)
    return 1 if missing else 0


def run_openapi(given: argparse.Namespace, settings: Settings) -> int:
    """Print the OpenAPI document."""
    with opened(settings) as units:
        app = create_app(settings, units)
    print(app.test_client().get("/api/v1/openapi.json").get_data(as_text=True))
    return 0
