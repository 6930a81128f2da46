"""Verifying and reading while others write: every unit that reads sees one moment, so no fault is found where there is none."""

from __future__ import annotations

import threading
from functools import partial
from random import Random

import pytest

from biobank.app import CHECKS
from biobank.ledger import service as ledger
from tests.drills.server import FULL, Caller, Server, together
from tests.drills.stock import Stock, lay_in

pytestmark = [pytest.mark.drill, pytest.mark.xdist_group("drills")]

ROUNDS = 60 if FULL else 8
FIRST = 110_000


def test_verification_beside_writers_finds_nothing(server: Server) -> None:
    stock = lay_in(server, first=FIRST, children=2, each=20, draws=0, boxes=1)
    done = threading.Event()
    written: list[int] = []

    def write(caller: Caller, number: int, stock: Stock) -> None:
        random = Random(number)
        while not done.is_set():
            tube = random.choice(stock.tubes)
            act = random.choice(["thaw", "check-out", "return", "store"])
            more = {"context": {"container": stock.boxes[0]}} if act == "store" else {"facts": {"for": "work"}} if act == "check-out" else {}
            answer = caller.post("/scans", {"code": tube, "act": act, **more})
            assert answer.status < 500, answer.raw
            written.append(answer.status)

    def check() -> None:
        try:
            for _ in range(ROUNDS):
                with server.units.read() as work:
                    assert list(ledger.verify(work, CHECKS)) == []
        finally:
            done.set()

    together([check, *(partial(write, server.caller("technician").connect(), number, stock) for number in range(4))])
    assert written.count(200) >= ROUNDS
