"""The only wiring: settings, database, clock and capabilities become one application."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from random import Random, SystemRandom
from typing import Any

import flask
from alembic import command
from alembic.config import Config
from flask_wtf.csrf import CSRFProtect
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from werkzeug.exceptions import HTTPException

from biobank import reactions, tables
from biobank.availability import api as availability_api
from biobank.availability import pages as availability_pages
from biobank.consent import api as consent_api
from biobank.consent.service import check_consent
from biobank.core.clock import Clock, SystemClock
from biobank.core.db import Sessions, make_engine
from biobank.core.times import stamp
from biobank.core.work import OpensSessions, Units, Work
from biobank.custody.service import check_standings
from biobank.desk import api as desk_api
from biobank.desk import pages as desk_pages
from biobank.identity import api as identity_api
from biobank.identity import pages as identity_pages
from biobank.identity import service as identity
from biobank.labels import api as labels_api
from biobank.ledger import api as ledger_api
from biobank.ledger.service import Check
from biobank.requests import api as requests_api
from biobank.requests import pages as requests_pages
from biobank.settings import Settings, shipped
from biobank.specimens import api as specimens_api
from biobank.storage import api as storage_api
from biobank.storage import pages as storage_pages
from biobank.studies import api as studies_api
from biobank.studies import pages as studies_pages
from biobank.subjects import api as subjects_api
from biobank.web import present, problems
from biobank.web.blueprint import public
from biobank.web.dispatch import Service
from biobank.web.openapi import make_api
from biobank.withdrawals import api as withdrawals_api

# What verification looks at besides hashes; each is handed in by the capability that knows.
CHECKS: tuple[Check, ...] = (check_standings, check_consent)
APIS = (
    studies_api, subjects_api, consent_api, withdrawals_api, specimens_api, desk_api, storage_api, labels_api, availability_api, requests_api,
    ledger_api, identity_api,
)
PAGES = (desk_pages, studies_pages, storage_pages, availability_pages, requests_pages, identity_pages)


def make_units(
    settings: Settings, *, clock: Clock | None = None, random: Random | None = None, sessions: OpensSessions | None = None
) -> Units:
    """Units of work on the instance's database; clock, random source and sessions may be handed in."""

    def log_reads(work: Work) -> None:
        if work.reads and work.actor is not None:
            line = {"at": stamp(work.now), "actor": work.actor.login, "reads": work.reads}
            with settings.access_log.open("a", encoding="utf-8") as log:
                log.write(json.dumps(line) + "\n")

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
    _health(app)
    app.register_error_handler(Exception, _fault)
    return app


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
    flask.current_app.logger.exception("fault at %s %s", flask.request.method, flask.request.path)
    return problems.as_response(503 if isinstance(error, SQLAlchemyError) else 500, page=page)


def _health(app: Service) -> None:
    @app.get("/healthz")
    @public
    def healthz() -> Any:
        return {"status": "ok"}

    @app.get("/readyz")
    @public
    def readyz() -> Any:
        try:
            with app.units.read() as work:
                work.session.execute(text("SELECT 1 FROM chain LIMIT 1"))
        except SQLAlchemyError:
            return {"status": "the database does not answer or has no tables; run “biobank db check”"}, 503
        return {"status": "ready"}


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
