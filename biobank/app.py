"""The only wiring: settings, database, clock and capabilities become one application."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from functools import cache
from random import Random, SystemRandom
from typing import Any

import flask
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from flask_wtf.csrf import CSRFProtect
from werkzeug.exceptions import HTTPException

from biobank import reactions, tables
from biobank.availability import api as availability_api
from biobank.availability import pages as availability_pages
from biobank.consent import api as consent_api
from biobank.consent.service import check_consent
from biobank.core import heartbeat, outbox
from biobank.core.clock import Clock, ClockGuard, SystemClock
from biobank.core.db import Sessions, make_engine
from biobank.core.logs import log
from biobank.core.replica import ReplicaSessions
from biobank.core.times import parse_stamp, stamp
from biobank.core.trouble import code_of, trouble_of
from biobank.core.work import OpensSessions, Units, Work
from biobank.corrections import api as corrections_api
from biobank.custody.service import check_standings, check_traces
from biobank.desk import api as desk_api
from biobank.desk import pages as desk_pages
from biobank.identity import api as identity_api
from biobank.identity import pages as identity_pages
from biobank.identity import service as identity
from biobank.labels import api as labels_api
from biobank.ledger import api as ledger_api
from biobank.ledger import pages as ledger_pages
from biobank.ledger import queries
from biobank.ledger.service import Check
from biobank.places.service import check_containers
from biobank.requests import api as requests_api
from biobank.requests import pages as requests_pages
from biobank.requests.service import check_requests
from biobank.settings import Settings, shipped
from biobank.specimens import api as specimens_api
from biobank.specimens.service import check_specimens
from biobank.storage import api as storage_api
from biobank.storage import pages as storage_pages
from biobank.studies import api as studies_api
from biobank.studies import pages as studies_pages
from biobank.subjects import api as subjects_api
from biobank.web import present, problems
from biobank.web.dispatch import Service
from biobank.web.health import Health, serve_health
from biobank.web.metrics import Figure, Metrics, serve_metrics
from biobank.web.observing import endpoint, observe, request_id
from biobank.web.openapi import make_api
from biobank.web.sessions import Sessions as CookieSessions
from biobank.withdrawals import api as withdrawals_api

# What verification looks at besides hashes; each is handed in by the capability that knows.
CHECKS: tuple[Check, ...] = (check_standings, check_traces, check_consent, check_containers, check_specimens, check_requests)
APIS = (
    studies_api, subjects_api, consent_api, withdrawals_api, corrections_api, specimens_api, desk_api, storage_api, labels_api,
    availability_api, requests_api, ledger_api, identity_api,
)
PAGES = (desk_pages, studies_pages, storage_pages, availability_pages, requests_pages, ledger_pages, identity_pages)


def make_units(
    settings: Settings, *, clock: Clock | None = None, random: Random | None = None, sessions: OpensSessions | None = None
) -> Units:
    """Units of work on the instance's database; clock, random source and sessions may be handed in."""

    def log_reads(work: Work) -> None:
        if work.reads and work.actor is not None:
            line = {"at": stamp(work.now), "actor": work.actor.login, "reads": work.reads}
            with open(settings.access_log, "a", encoding="utf-8", opener=_for_us_alone) as access_log:
                access_log.write(json.dumps(line) + "\n")

    limits = {"delayed_consent_days": settings.delayed_consent_days, "undo_minutes": settings.undo_minutes}
    return Units(
        sessions or Sessions(make_engine(settings.database_url)), clock or SystemClock(), random or SystemRandom(), settings.zone, reactions.react,
        log_reads, limits,
    )


def create_app(settings: Settings, units: Units | None = None) -> Service:
    """The application for gunicorn and for tests."""
    app = Service("biobank.web")
    app.config.update(
        SECRET_KEY=_secret(settings),
        MAX_CONTENT_LENGTH=settings.body_limit_bytes,
        MAX_FORM_MEMORY_SIZE=settings.body_limit_bytes,
        PERMANENT_SESSION_LIFETIME=timedelta(minutes=settings.session_idle_minutes),
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SECURE=settings.secure_cookies,
        SESSION_COOKIE_NAME="biobank",
        WTF_CSRF_CHECK_DEFAULT=False,
        WTF_CSRF_TIME_LIMIT=None,
        WTF_CSRF_SSL_STRICT=settings.secure_cookies,
    )
    app.settings = settings  # type: ignore[attr-defined]
    app.units = units or make_units(settings)
    app.readers = _readers(settings, app.units)
    behind = timedelta(minutes=settings.clock_behind_minutes)
    app.clock_guard = ClockGuard(queries.newest_recorded, behind)
    app.session_interface = CookieSessions(app.units.clock, behind)
    app.csrf = CSRFProtect(app)
    app.authenticate = identity_api.authenticate
    app.allows = identity.may
    app.refuse_stranger = identity_api.refuse_stranger
    app.sign_in_page = "pages_identity.sign_in"
    ledger_api.hand_in(app, CHECKS)
    present.set_up(app, settings, app.units.clock)
    api = make_api(app)
    for module in APIS:
        api.register_blueprint(module.api)
    for pages in PAGES:
        app.register_blueprint(pages.pages)
    _observe(app, settings)
    app.register_error_handler(Exception, _fault)
    return app


def _for_us_alone(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _readers(settings: Settings, units: Units) -> Units | None:
    """Units on the site's replica, where it has one."""
    if not settings.replica_url or not isinstance(units.sessions, Sessions):
        return None
    sessions = ReplicaSessions(make_engine(settings.replica_url), units.sessions, settings.replica_lag_seconds)
    return make_units(settings, clock=units.clock, random=units.random, sessions=sessions)


def _secret(settings: Settings) -> bytes:
    """The key that signs cookies; made on first use and kept beside the database, readable by its owner only."""
    path = settings.secret_file
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        # Whole or not at all: several workers start at once, and all must read the same key.
        draft = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as handle:
            handle.write(secrets.token_bytes(32))
        with suppress(FileExistsError):
            os.link(draft, path)
        draft.unlink()
    return path.read_bytes()


def _fault(error: Exception) -> flask.typing.ResponseReturnValue:
    if isinstance(error, HTTPException) and (error.code or 500) < 400:
        return error
    page = not flask.request.path.startswith("/api/")
    if isinstance(error, HTTPException):
        return problems.as_response(error, page=page)
    trouble = trouble_of(error)
    log.error(
        "trouble" if trouble else "fault", id=request_id(), method=flask.request.method, endpoint=endpoint(), code=code_of(error),
        problem=trouble.slug() if trouble else "fault", exc_info=error,
    )
    return problems.as_response(trouble or 500, page=page)


def _observe(app: Service, settings: Settings) -> None:
    """Logs, figures and health of the service."""
    metrics = Metrics()
    observe(app, metrics)
    head = cache(lambda: ScriptDirectory.from_config(alembic_config()).get_current_head())
    serve_health(app, Health(settings, head, app.clock_guard))
    serve_metrics(app, metrics, settings.metrics_token, lambda work: _figures(work, settings))


def _figures(work: Work, settings: Settings) -> Iterator[Figure]:
    """What is read from the database when the figures are asked for."""
    sealed, unsealed = queries.sealed_and_not(work)
    yield Figure("biobank_entries", "Entries in the ledger", sealed + unsealed)
    yield Figure("biobank_unsealed_entries", "Entries that no checkpoint covers yet", unsealed)
    for state, number in outbox.standing(work.session).items():
        yield Figure("biobank_outbox_messages", "Messages that have to leave, by state", number, label=("state", state))
    beat = heartbeat.read(settings.keeper_file)
    if beat.sealed_at is not None:
        age = (work.now - parse_stamp(beat.sealed_at)).total_seconds()
        yield Figure("biobank_checkpoint_age_seconds", "Time since the newest checkpoint was signed", age)
    yield Figure("biobank_keeper_seen", "Whether the keeper was seen a moment ago", float(beat.seen(work.now)))
    for task, number in sorted(beat.faults.items()):
        yield Figure("biobank_keeper_faults", "Faults of the keeper by task", number, counts=True, label=("task", task))


def alembic_config(connection: Any = None) -> Config:
    """Alembic's configuration, on a given connection or on the instance's database."""
    config = Config()
    config.set_main_option("script_location", str(shipped("migrations")))
    config.attributes["connection"] = connection
    return config


@contextmanager
def _migrating(database_url: str) -> Iterator[Any]:
    engine = make_engine(database_url).execution_options(writes=True)
    try:
        with engine.begin() as connection:
            yield connection
    finally:
        engine.dispose()


def upgrade_database(database_url: str) -> None:
    """Bring the database to the newest migration."""
    with _migrating(database_url) as connection:
        command.upgrade(alembic_config(connection), "head")


METADATA = tables.metadata
