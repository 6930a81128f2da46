"""A real server: `biobank serve` with two worker processes on a free loopback port, and clients that keep their connection."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any, TypeVar

from biobank.app import make_units, upgrade_database
from biobank.cli.instance import lay_ground
from biobank.core.clock import Clock, SetClock
from biobank.core.work import Units, Work
from biobank.settings import load_settings
from tests import cast

# Everything is laid in before the server starts; the server itself goes by the machine's clock.
SEEDED_AT = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
FULL = os.environ.get("BIOBANK_DRILL") == "full"
PREFIX = "/api/v1"
STARTED_WITHIN = 60.0
LAUNCH = (sys.executable, "-m", "biobank")
# Seconds; the server closes a connection that was idle for longer.
IDLE_AT_MOST = 2.0
T = TypeVar("T")
FAULT = re.compile(r'Traceback|ERROR|"level": ?"(error|critical)"|fault at|Exception')


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back."""

    status: int
    headers: dict[str, str]
    raw: bytes

    @property
    def body(self) -> Any:
        """The JSON."""
        return json.loads(self.raw)

    @property
    def problem(self) -> str:
        """The slug of a refusal, else nothing."""
        return str(self.body.get("type", "")).removeprefix("/problems/") if self.status >= 400 else ""

    @property
    def replayed(self) -> bool:
        """Whether this is the kept answer of an earlier request."""
        return self.headers.get("idempotency-replayed") == "true"


class Caller:
    """One client with one connection that it keeps; lost ones are opened again, and the request is sent again under its key."""

    def __init__(self, port: int, token: str, timeout: float = 120) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
        self._token = token
        self._used = time.monotonic()
        self.resent = 0

    def connect(self) -> Caller:
        """Open the connection now, so that a race starts with the request alone."""
        if self._connection.sock is None:
            self._connection.connect()
        return self

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def get(self, path: str) -> Answer:
        """GET."""
        return self._send("GET", path, None, {})

    def post(self, path: str, body: Any = None, key: str | None = None) -> Answer:
        """POST JSON, with an Idempotency-Key when given."""
        headers = {"Content-Type": "application/json"} | ({"Idempotency-Key": key} if key else {})
        return self._send("POST", path, json.dumps(body if body is not None else {}), headers)

    def made(self, path: str, body: Any = None, key: str | None = None) -> Any:
        """POST that succeeds; its JSON."""
        answer = self.post(path, body, key)
        assert answer.status in {200, 201}, (answer.status, answer.raw)
        return answer.body

    def _send(self, method: str, path: str, body: str | None, headers: dict[str, str]) -> Answer:
        sent = {"Authorization": f"Bearer {self._token}", **headers}
        if time.monotonic() - self._used > IDLE_AT_MOST:
            self._connection.close()
        for again in (False, True):
            try:
                self._connection.request(method, PREFIX + path, body, sent)
                response = self._connection.getresponse()
                raw = response.read()
            except (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError):
                # The server closes a connection that was idle; without a key a write must not be sent twice.
                self._connection.close()
                if again or (method == "POST" and "Idempotency-Key" not in headers):
                    raise
                self.resent += 1
                continue
            self._used = time.monotonic()
            return Answer(response.status, {name.lower(): value for name, value in response.getheaders()}, raw)
        raise AssertionError("unreachable")


@dataclass(slots=True)
class Server:
    """A running server with its database: `caller("technician")` talks to it, `units` looks underneath."""

    port: int
    tokens: dict[str, str]
    units: Units
    log: Path
    engine: str
    url: str
    folder: Path
    workers: int
    process: subprocess.Popen[bytes] | None = None
    callers: list[Caller] = field(default_factory=list)
    # The words before `--instance`, and what is added to the environment: drills start it in their own ways.
    launch: tuple[str, ...] = LAUNCH
    env: dict[str, str] = field(default_factory=dict)

    def start(self) -> None:
        """Start the processes and wait until they answer."""
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(
                [*self.launch, "--instance", str(self.folder), "serve", "--port", str(self.port), "--workers", str(self.workers)],
                env=os.environ | {"BIOBANK_DATABASE_URL": self.url} | self.env, stdout=output, stderr=subprocess.STDOUT, start_new_session=True,
            )
        _wait_until_ready(self.process, self.port, self.log)

    def kill(self) -> None:
        """End all its processes at once, in the middle of whatever they do."""
        if self.process is not None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(10)
            self.process = None

    def stop(self) -> None:
        """End it as an operator does; what is being answered is answered."""
        if self.process is None:
            return
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(30)
            self.process = None
        except subprocess.TimeoutExpired:
            self.kill()

    def caller(self, login: str, timeout: float = 120) -> Caller:
        """A new client with somebody's token."""
        made = Caller(self.port, self.tokens[login], timeout)
        self.callers.append(made)
        return made

    def as_(self, login: str, do: Callable[[Work], T]) -> T:
        """Something done underneath, in somebody's name, in one unit of work at the time of the seed."""
        from biobank.identity import queries as people

        with self.units.write() as work:
            work.actor = people.actor_by_login(work, login)
            return do(work)

    def faults(self) -> list[str]:
        """What the server complained of: a traceback or an error in its log."""
        text = self.log.read_text("utf-8", "replace")
        return [line for line in text.splitlines() if FAULT.search(line)]


@contextmanager
def serving(
    engine: str, url: str, folder: Path, workers: int = 2, clock: Clock | None = None, *, launch: tuple[str, ...] = LAUNCH,
    env: dict[str, str] | None = None,
) -> Iterator[Server]:
    """A server on a fresh instance with vocabularies, studies and the cast; stopped at the end. `clock` is the clock of the seed."""
    folder.mkdir(parents=True, exist_ok=True)
    upgrade_database(url)
    units = make_units(load_settings(folder, url), clock=clock or SetClock(SEEDED_AT), random=Random(11))
    with units.write() as work:
        lay_ground(work)
        tokens = cast.seat(work)
    log = folder / "server.log"
    with serving_as_it_is(Server(_free_port(), tokens, units, log, engine, url, folder, workers, launch=launch, env=env or {})) as server:
        yield server


@contextmanager
def serving_demo(folder: Path, participants: int) -> Iterator[tuple[Server, str]]:
    """A server on the demo cohort, on SQLite, and the password of all its accounts."""
    url = f"sqlite:///{folder / 'biobank.sqlite'}"
    command = [sys.executable, "-m", "biobank", "--instance", str(folder), "demo", "--participants", str(participants)]
    subprocess.run(command, env=os.environ | {"BIOBANK_DATABASE_URL": url}, check=True, capture_output=True)
    password = (folder / "demo-accounts.txt").read_text("utf-8").splitlines()[0].split()[-1]
    units = make_units(load_settings(folder, url))
    with serving_as_it_is(Server(_free_port(), {}, units, folder / "server.log", "sqlite", url, folder, 2)) as server:
        yield server, password


@contextmanager
def serving_as_it_is(server: Server) -> Iterator[Server]:
    """Start a server, and stop it at the end."""
    try:
        server.start()
        yield server
    finally:
        for caller in server.callers:
            caller.close()
        server.stop()
        server.units.sessions.engine.dispose()  # type: ignore[attr-defined]


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def _wait_until_ready(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    until = time.monotonic() + STARTED_WITHIN
    while time.monotonic() < until and process.poll() is None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        try:
            connection.request("GET", "/readyz")
            if connection.getresponse().status == 200:
                return
        except OSError:
            pass
        finally:
            connection.close()
        time.sleep(0.1)
    raise AssertionError(f"the server did not start:\n{log.read_text('utf-8', 'replace')}")


def race(*contenders: Callable[[], Answer], head_start: float = 0.0) -> list[Answer]:
    """Send requests at the same moment, each from a thread of its own; the answers in the order of the contenders.

    `head_start` lets the first go that many seconds before the others (negative: after them), so that every moment of one meets the other.
    """
    gate = threading.Barrier(len(contenders))

    def run(contender: Callable[[], Answer], wait: float) -> Answer:
        gate.wait(30)
        if wait > 0:
            time.sleep(wait)
        return contender()

    waits = [-head_start] + [head_start] * (len(contenders) - 1)
    with ThreadPoolExecutor(len(contenders)) as pool:
        return list(pool.map(run, contenders, waits))


def sweep(number: int, took: float, before: float = 0.4) -> float:
    """Head starts, round by round, so that all of an act that takes `took` seconds meets another: a part of the rounds, `before`, come after it."""
    return (number % 20 / 20 - before) * took / (1 - before)


def timed(do: Callable[[], Answer]) -> float:
    """How many seconds a request takes when nothing else goes on."""
    at = time.monotonic()
    answer = do()
    assert answer.status < 300, answer.raw
    return time.monotonic() - at


def together(jobs: Sequence[Callable[[], T]]) -> list[T]:
    """Run jobs at once, each in a thread of its own, and wait for all."""
    with ThreadPoolExecutor(len(jobs)) as pool:
        return [done.result() for done in [pool.submit(job) for job in jobs]]
