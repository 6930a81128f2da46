"""Kills a server, its workers and its database every few moments, and starts again what an operator would start."""

from __future__ import annotations

import http.client
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from random import Random

import psutil

from tests.drills.cluster import Cluster
from tests.drills.server import FULL, Server

# Seconds between two kills from outside; the chances that a process dies by itself before a commit, and between commit and answer.
EVERY, BEFORE, AFTER = (3.0, 0.002, 0.006) if FULL else (2.0, 0.003, 0.008)
# Seconds that the database stays away, so that requests meet its absence.
AWAY = 1.0


@dataclass(slots=True)
class Reaper:
    """`kills` counts what died: server, worker, database."""

    server: Server
    cluster: Cluster | None
    every: float
    kills: Counter[str] = field(default_factory=Counter)
    readiness: Counter[int] = field(default_factory=Counter)
    halt: threading.Event = field(default_factory=threading.Event)
    random: Random = field(default_factory=lambda: Random(3))

    def run(self) -> None:
        """Until told to halt; leaves everything running."""
        turns = [self.worker, self.database, self.whole_server] if self.cluster else [self.worker, self.whole_server]
        turn = 0
        while not self.halt.wait(self.every * self.random.uniform(0.6, 1.4)):
            turns[turn % len(turns)]()
            turn += 1

    def worker(self) -> None:
        """SIGKILL to one worker; its server starts another."""
        if self.server.process is None:
            return
        with suppress(psutil.NoSuchProcess):
            workers = psutil.Process(self.server.process.pid).children()
            self.random.choice(workers).kill()
            self.kills["worker"] += 1

    def whole_server(self) -> None:
        """SIGKILL to the server and its workers, and start it again."""
        self.server.kill()
        self.kills["server"] += 1
        self.server.start()

    def database(self) -> None:
        """SIGKILL to PostgreSQL and all its processes; it is away for a moment, then an operator starts it again."""
        assert self.cluster is not None
        self.cluster.kill()
        self.kills["database"] += 1
        until = time.monotonic() + AWAY
        while time.monotonic() < until:
            self.readiness[ready(self.server.port)] += 1
            time.sleep(0.1)
        self.cluster.start()


def ready(port: int) -> int:
    """What /readyz answers; 0 when nothing does."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return 0
    finally:
        connection.close()


@contextmanager
def reaping(server: Server, cluster: Cluster | None, every: float) -> Iterator[Reaper]:
    """A reaper at work while the block runs."""
    reaper = Reaper(server, cluster, every)
    failed: list[BaseException] = []

    def run() -> None:
        try:
            reaper.run()
        except BaseException as error:
            failed.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield reaper
    finally:
        reaper.halt.set()
        thread.join()
    if failed:
        raise failed[0]
