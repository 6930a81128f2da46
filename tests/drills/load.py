"""Clients that insist: each scan is sent again under its key until the service answers it, whatever dies meanwhile; and the count afterwards."""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from random import Random
from typing import Any

from sqlalchemy import text

from biobank.app import CHECKS
from biobank.ledger import service as ledger
from tests.drills.server import Answer, Caller, Server
from tests.drills.stock import Stock
from tests.drills.test_scans import entries, scans

# A client that gets no answer for so long has lost its act.
ANSWERED_WITHIN = 120.0
# And one that hears nothing for so long asks again.
PATIENCE = 20.0


@dataclass(slots=True)
class Insisted:
    """One scan, its answer, when it was acknowledged (monotonic), and how often it was sent."""

    key: str
    body: dict[str, Any]
    answer: Answer
    at: float
    sent: int


@dataclass(slots=True)
class Load:
    """What the clients did and were told."""

    done: list[Insisted] = field(default_factory=list)
    # What was said while something was wrong: status, name of the problem, text.
    trouble: Counter[tuple[int, str, str]] = field(default_factory=Counter)
    cut: Counter[str] = field(default_factory=Counter)
    speechless: list[Answer] = field(default_factory=list)
    halt: threading.Event = field(default_factory=threading.Event)

    @property
    def acknowledged(self) -> list[Insisted]:
        """The scans that were done."""
        return [one for one in list(self.done) if one.answer.status == 200]

    def met(self) -> Counter[str]:
        """The names of the problems that the clients were told, and how often."""
        found: Counter[str] = Counter()
        for (_, name, _), times in list(self.trouble.items()):
            found[name] += times
        return found

    def places(self) -> Counter[tuple[str, int]]:
        """The entries that were acknowledged, and how often each."""
        return Counter((one.answer.body["entry"]["chain"], one.answer.body["entry"]["seq"]) for one in self.acknowledged)

    def words(self) -> dict[str, str]:
        """Of each problem one text."""
        return {f"{status} {name}": words for status, name, words in list(self.trouble)}

    @property
    def resent(self) -> int:
        """How many were sent more than once."""
        return sum(one.sent > 1 for one in self.done)

    def insist(self, caller: Caller, body: dict[str, Any], key: str) -> Insisted:
        """Send until it is answered with a result or a reason."""
        until, sent = time.monotonic() + ANSWERED_WITHIN, 0
        while time.monotonic() < until:
            sent += 1
            try:
                answer = caller.post("/scans", body, key)
            except (OSError, http.client.HTTPException) as error:
                caller.close()
                self.cut[type(error).__name__] += 1
                time.sleep(0.1)
                continue
            if answer.status < 500:
                return Insisted(key, body, answer, time.monotonic(), sent)
            self._listen(answer)
            time.sleep(0.1)
        raise AssertionError(f"no answer to {body} within {ANSWERED_WITHIN} s; so far {self.trouble}, {self.cut}")

    def _listen(self, answer: Answer) -> None:
        words = told(answer)
        if answer.status != 503 or not words:
            self.speechless.append(answer)
        self.trouble[answer.status, answer.problem if words else "", words] += 1

    def client(self, caller: Caller, name: str, number: int, count: int, stock: Stock) -> None:
        """One client's share, or until it is told to halt."""
        random = Random(f"{name}{number}")
        source = scans(random, stock, f"station-{number}")
        for turn in range(count):
            if self.halt.is_set():
                return
            self.done.append(self.insist(caller, next(source), f"{name}-{number}-{turn}"))


def told(answer: Answer) -> str:
    """The words of a problem; nothing when there are none."""
    if answer.headers.get("content-type", "") != "application/problem+json":
        return ""
    problem = json.loads(answer.raw)
    return str(problem["detail"]) if problem.get("title") and problem.get("detail") and problem["status"] == answer.status else ""


@contextmanager
def under_load(server: Server, stock: Stock, name: str, clients: int, count: int) -> Iterator[Load]:
    """`count` scans from `clients` at once while the block runs; waits for all of them at its end."""
    load = Load()
    callers = [server.caller("technician", PATIENCE) for _ in range(clients)]
    with ThreadPoolExecutor(clients) as pool:
        jobs: list[Future[None]] = [
            pool.submit(load.client, caller, name, number, count // clients, stock) for number, caller in enumerate(callers)
        ]
        try:
            yield load
        except BaseException:
            load.halt.set()
            raise
        for job in jobs:
            job.result()


def once_and_all(server: Server, before: dict[Any, Any], load: Load) -> None:
    """Every acknowledged scan once, none twice, nothing else, and the ledger is clean."""
    after = entries(server)
    new = {place: entry for place, entry in after.items() if place not in before}
    places = load.places()
    assert places and max(places.values()) == 1
    assert set(places) == set(new), (len(places), len(new))
    for one in load.acknowledged:
        entry = one.answer.body["entry"]
        act, hash_, body = new[entry["chain"], entry["seq"]]
        assert (act, hash_, body["station"]) == (one.body["act"], entry["hash"], one.body["station"])
    for place, entry in before.items():
        assert after[place] == entry
    clean(server)


def clean(server: Server) -> None:
    """Verification finds nothing, and no chain forks."""
    with server.units.read() as work:
        assert list(ledger.verify(work, CHECKS)) == []
        forks = work.session.execute(text("SELECT chain_id, previous FROM entry GROUP BY chain_id, previous HAVING count(*) > 1")).all()
        assert forks == []
