"""Sealing while scans go on, and by several sealers at once: one tree, no deadlock, nobody waits long, nothing is sealed twice or left out."""

from __future__ import annotations

import threading
import time
from functools import partial
from random import Random

import pytest
from sqlalchemy import text

from biobank.ledger import queries
from biobank.ledger import service as ledger
from biobank.ledger.rules import check_note
from tests.drills.server import FULL, Caller, Server, together
from tests.drills.stock import Stock, lay_in

pytestmark = [pytest.mark.drill, pytest.mark.xdist_group("drills")]

SCANS = 2000 if FULL else 150
FIRST = 130_000
SEALERS, WRITERS = 3, 4


def test_sealers_and_scans_at_once(server: Server) -> None:
    """Requests and withdrawals lock chains in steps, not by id: a sealer that waited while it holds chains would end in deadlocks."""
    stock = lay_in(server, first=FIRST, children=2, each=20, draws=0, boxes=1)
    keyring = ledger.Keyring.load(server.folder / "signing", "biobank")
    done = threading.Event()
    sealed: list[ledger.Sealed] = []

    def scan(caller: Caller, number: int, stock: Stock) -> None:
        random = Random(number)
        for _ in range(SCANS):
            answer = caller.post("/scans", {"code": random.choice(stock.tubes), "act": "thaw"})
            assert answer.status == 200, answer.raw

    def batches(caller: Caller, number: int, stock: Stock) -> None:
        """Many chains in one act, in an order of their own."""
        random = Random(number)
        for turn in range(SCANS // 10):
            body = {"count": 3, "volume": {"value": 1, "unit": "uL"}}
            answer = caller.post(f"/specimens/{random.choice(stock.tubes)}/aliquots", body, f"sealing-{number}-{turn}")
            assert answer.status in {201, 409}, answer.raw

    def seal() -> None:
        while not done.is_set():
            with server.units.write() as work:
                made = ledger.seal(work, keyring, 40)
            if made:
                sealed.append(made)
            time.sleep(0.005)

    sealers = [threading.Thread(target=seal) for _ in range(SEALERS)]
    for one in sealers:
        one.start()
    try:
        jobs = [partial(scan, server.caller("technician").connect(), number, stock) for number in range(WRITERS)]
        together([*jobs, partial(batches, server.caller("manager").connect(), WRITERS, stock)])
    finally:
        done.set()
        for one in sealers:
            one.join()
    while True:
        with server.units.write() as work:
            last = ledger.seal(work, keyring)
        if last is None:
            break
        sealed.append(last)
    with server.units.read() as work:
        size, waiting = queries.sealed_and_not(work)
        assert (size, waiting) == (queries.entry_count(work), 0)
        # Two that sealed side by side without knowing of each other would tell a size twice.
        assert len({one.size for one in sealed}) == len(sealed)
        assert all(check_note(one.note, keyring.verifiers).size == one.size for one in sealed)
        assert list(ledger.verify(work)) == []
        twice = work.session.execute(text("SELECT count(*) FROM (SELECT chain_id, seq FROM leaf GROUP BY chain_id, seq HAVING count(*) > 1) AS t"))
        assert twice.scalar_one() == 0
    assert len(sealed) > 10
