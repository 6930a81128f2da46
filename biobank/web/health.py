"""Is it alive, and can it work? `/readyz` names what is wrong and what to do about it."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import flask
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from biobank.core import heartbeat
from biobank.core.clock import ClockGuard
from biobank.core.replica import ReplicaSessions, Standing
from biobank.core.trouble import ClockBehind, code_of
from biobank.core.work import Work
from biobank.settings import Settings
from biobank.web.blueprint import public
from biobank.web.dispatch import Service

MEGABYTE = 10**6
OK = "ok"


@dataclass(frozen=True, slots=True)
class Health:
    """What is asked before the service calls itself ready. `head` tells the newest migration that this version knows."""

    settings: Settings
    head: Callable[[], str | None]
    clock: ClockGuard

    def checks(self, app: Service) -> dict[str, str]:
        """Each check by name: `ok`, or what is wrong and what to do."""
        found = {"database": OK, "schema": OK, "clock": OK, "disk": self._disk(), "keeper": OK}
        try:
            with app.units.read() as work:
                found["schema"], found["clock"] = self._schema(work), self._clock(work)
        except (SQLAlchemyError, OSError) as error:
            found["database"] = (
                f"the database does not answer ({code_of(error) or type(error).__name__}); start it, or look at database_url and its disk. "
                "Nothing is recorded meanwhile, and recording goes on by itself afterwards"
            )
            found["schema"] = found["clock"] = "not known while the database does not answer"
        found["keeper"] = self._keeper(app)
        return found

    def _schema(self, work: Work) -> str:
        head = self.head()
        try:
            met = work.session.execute(text("SELECT version_num FROM alembic_version")).scalar()
        except SQLAlchemyError:
            # A database that answers everything else has no tables yet.
            work.session.rollback()
            work.session.execute(text("SELECT 1"))
            return "the database has no tables; run “biobank init”"
        if met != head:
            return f"the database is at migration {met}, this version of biobank at {head}; run “biobank db upgrade”, or start the version that fits"
        return OK

    def _clock(self, work: Work) -> str:
        try:
            self.clock.check(work)
        except ClockBehind as behind:
            now, newest = behind.facts["now"], behind.facts["newest"]
            return (
                f"the clock says {now}, but the newest entry was recorded at {newest}; set the clock right (nothing is recorded meanwhile). "
                "If it was ahead before and is right now, set clock_behind_minutes higher"
            )
        return OK

    def _disk(self) -> str:
        for folder in self._folders():
            try:
                free = shutil.disk_usage(folder).free // MEGABYTE
            except OSError:
                return f"the folder {folder} cannot be read; look whether its disk is there"
            if free < self.settings.min_free_mb:
                return f"{free} MB are free in {folder}, at least {self.settings.min_free_mb} should be (min_free_mb); make room"
        return OK

    def _folders(self) -> Iterator[Path]:
        yield self.settings.instance
        if self.settings.database_url.startswith("sqlite:///"):
            folder = Path(self.settings.database_url.removeprefix("sqlite:///")).parent
            if folder != self.settings.instance and folder != Path():
                yield folder

    def _keeper(self, app: Service) -> str:
        beat = heartbeat.read(self.settings.keeper_file)
        if beat.seen(app.units.clock.now()):
            return OK
        last = f"was last seen at {beat.at}" if beat.at else "has never been seen"
        return f"the keeper {last}: nothing is sealed and no mail leaves; start “biobank serve” without --no-keeper, or “biobank keep” beside it"

    def warnings(self, app: Service) -> list[str]:
        """What should be looked at and does not stop the work."""
        ailing = heartbeat.read(self.settings.keeper_file).ailing
        replica = standing_of_replica(app)
        told = [replica.says] if replica is not None and replica.state != OK else []
        return [*(f"the keeper cannot {task} ({what}); it goes on trying" for task, what in sorted(ailing.items())), *told]


def standing_of_replica(app: Service) -> Standing | None:
    """How the site's replica stands; None where it has none."""
    sessions = app.readers.sessions if app.readers is not None else None
    return sessions.standing() if isinstance(sessions, ReplicaSessions) else None


def serve_health(app: Service, health: Health) -> None:
    """`GET /healthz` and `GET /readyz`."""

    @app.get("/healthz")
    @public
    def healthz() -> Any:
        return {"status": "ok"}

    @app.get("/readyz")
    @public
    def readyz() -> flask.typing.ResponseReturnValue:
        checks = health.checks(app)
        wrong = [f"{name}: {told}" for name, told in checks.items() if told != OK]
        answer: dict[str, Any] = {"status": "not ready" if wrong else "ready", "checks": checks, "wrong": wrong, "warnings": health.warnings(app)}
        replica = standing_of_replica(app)
        if replica is not None:
            answer["replica"] = {"state": replica.state, "lag_seconds": replica.lag}
        return (answer, 503, {"Retry-After": "10"}) if wrong else answer
