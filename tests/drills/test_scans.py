"""Sixteen scan stations at once: what was acknowledged stands in the ledger exactly once, what was refused not at all, and no chain forks."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random
from typing import Any

import pytest
from sqlalchemy import text

from biobank.app import CHECKS
from biobank.ledger import service as ledger
from tests.drills.server import FULL, Answer, Caller, Server, together
from tests.drills.stock import Stock, lay_in

pytestmark = [pytest.mark.drill, pytest.mark.xdist_group("drills")]

CLIENTS = 16
SCANS = 20_000 if FULL else 2_000
STATIONS = 4


@dataclass(slots=True)
class Sent:
    """One scan that was sent, how it was answered, and how long that took."""

    key: str
    body: dict[str, Any]
    answer: Answer
    seconds: float


@dataclass(slots=True)
class Station:
    """What one client did."""

    sent: list[Sent] = field(default_factory=list)
    repeated: list[tuple[Sent, Answer]] = field(default_factory=list)
    seconds: float = 0.0
    resent: int = 0


def scans(random: Random, stock: Stock, station: str) -> Iterator[dict[str, Any]]:
    """Endless scans on the shared stock: all kinds mixed, some of them wrong."""
    expected = list(stock.expected)
    while True:
        tube, box = random.choice(stock.tubes), random.choice(stock.boxes)
        position = f"{box}:{random.choice('ABCDEFGHI')}{random.randint(1, 9)}"
        kinds: list[dict[str, Any]] = [
            {"act": "store", "context": {"container": box}},
            {"act": "store", "position": position},
            {"act": "move", "position": position},
            {"act": "move", "context": {"container": box}},
            {"act": "check-out", "facts": {"for": "work"}},
            {"act": "return"},
            {"act": "return"},
            {"act": "thaw"},
            {"act": "measure", "facts": {"volume": {"value": random.randint(50, 150), "unit": "uL"}}},
            {"act": "receive", "code": random.choice(expected), "facts": {"condition": random.choice(["good", "good", "damaged"])}},
            {"act": "undo"},
            # wrong in themselves
            {"act": "store", "code": tube[:-1] + ("0" if tube[-1] != "0" else "1"), "position": position},
            {"act": "move", "position": f"{box}:Z9"},
            {"act": "thaw", "facts": {"volume": {"value": 1, "unit": "mL"}}},
            {"act": "check-out", "code": box},
            {"act": "measure", "facts": {"volume": {"value": -1, "unit": "mL"}}},
        ]
        yield {"code": tube, "station": station, **random.choice(kinds)}


def work_through(caller: Caller, number: int, count: int, stock: Stock) -> Station:
    """One client's share. A tenth is sent twice at once, and a tenth again at the end, each under its own key."""
    random, done = Random(number), Station()
    source = scans(random, stock, f"station-{number % STATIONS}")
    begun = time.monotonic()
    for turn in range(count):
        body, key = next(source), f"drill-{number}-{turn}"
        at = time.monotonic()
        answer = caller.post("/scans", body, key)
        done.sent.append(Sent(key, body, answer, time.monotonic() - at))
        if random.random() < 0.1:
            done.repeated.append((done.sent[-1], caller.post("/scans", body, key)))
    done.seconds = time.monotonic() - begun
    for sent in random.sample(done.sent, count // 10):
        done.repeated.append((sent, caller.post("/scans", sent.body, sent.key)))
    done.resent = caller.resent
    return done


def entries(server: Server) -> dict[tuple[str, int], tuple[str, str, dict[str, Any]]]:
    """The ledger: (chain, seq) -> act, hash, body."""
    query = text("SELECT c.kind, c.ref, e.seq, e.act, e.hash, e.body FROM entry e JOIN chain c ON c.id = e.chain_id")
    with server.units.read() as work:
        return {(f"{r.kind}/{r.ref}", r.seq): (r.act, r.hash, json.loads(bytes(r.body))) for r in work.session.execute(query)}


def test_every_acknowledged_scan_stands_once_in_the_ledger(server: Server) -> None:
    stock = lay_in(server, first=1, children=8, each=12, draws=4, boxes=4)
    before = entries(server)
    callers = [server.caller("technician").connect() for _ in range(CLIENTS)]
    stations = together(
        [lambda c=caller, n=number: work_through(c, n, SCANS // CLIENTS, stock) for number, caller in enumerate(callers)]  # type: ignore[misc]
    )
    sent = [one for station in stations for one in station.sent]
    _report(server.engine, stations, sent)
    assert [(one.body, one.answer.raw) for one in sent if one.answer.status >= 500] == []
    # A scan that is right is never turned away because others scan too.
    assert [one.body for one in sent if one.answer.problem in {"changed-in-between", "chain-moved"}] == []

    done = [one for one in sent if one.answer.status == 200]
    assert len(done) > len(sent) / 2
    assert {one.answer.problem for one in sent if one.answer.status != 200} >= {"code-mistyped", "position-outside", "code-unknown", "fields-wrong"}
    after = entries(server)
    new = {place: entry for place, entry in after.items() if place not in before}
    acknowledged = Counter((one.answer.body["entry"]["chain"], one.answer.body["entry"]["seq"]) for one in done)
    assert max(acknowledged.values()) == 1
    assert set(acknowledged) == set(new)
    for one in done:
        told = one.answer.body["entry"]
        act, hash_, body = new[told["chain"], told["seq"]]
        assert (act, hash_, body["station"]) == (one.body["act"], told["hash"], one.body["station"])
        assert told["chain"] == f"specimen/{one.answer.body['specimen']['code']}"
    for place, entry in before.items():
        assert after[place] == entry

    for first, again in [pair for station in stations for pair in station.repeated]:
        assert (again.status, again.raw, again.replayed) == (first.answer.status, first.answer.raw, True)
    for _, _, body in new.values():
        was = body["facts"].get("was", {}).get("place")
        assert was is None or was["container"] in stock.boxes
    with server.units.read() as work:
        assert list(ledger.verify(work, CHECKS)) == []
        forks = work.session.execute(text("SELECT chain_id, previous FROM entry GROUP BY chain_id, previous HAVING count(*) > 1")).all()
        assert forks == []
    told = server.caller("auditor").made("/custody/verification")
    assert (told["clean"], told["entries"]) == (True, len(after))


def _report(engine: str, stations: list[Station], sent: list[Sent]) -> None:
    rates = [len(station.sent) / station.seconds for station in stations]
    times = sorted(one.seconds for one in sent)
    answers = Counter(one.answer.problem or str(one.answer.status) for one in sent)
    print(
        f"\n{engine}: {CLIENTS} clients, {len(sent)} scans, {len(sent) / max(station.seconds for station in stations):.0f}/s; "
        f"median {times[len(times) // 2] * 1000:.0f} ms, p99 {times[len(times) * 99 // 100] * 1000:.0f} ms, longest {times[-1] * 1000:.0f} ms; "
        f"slowest client / fastest {min(rates) / max(rates):.2f}; resent {sum(station.resent for station in stations)}\n  {dict(answers)}"
    )
