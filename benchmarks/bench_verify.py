"""Verifying the ledger, beside a bare loop that reads every body through the driver and hashes it."""

from __future__ import annotations

import hashlib
import sqlite3
import tempfile
from pathlib import Path
from typing import Any

import psycopg
from sqlalchemy.engine import make_url

from benchmarks.filler import fill
from benchmarks.ground import Ground, Instance, measure, open_instance
from benchmarks.results import Result
from biobank.app import CHECKS
from biobank.ledger import queries
from biobank.ledger import service as ledger

SCANS = 1_000
ENTRIES = 40_000
GOAL = 0.4
BARE = "bare SHA-256 loop"


def run(ground: Ground) -> list[Result]:
    """Hashes and links alone, with every column compared, and with the tree, over many entries like those of scans; and everything with
    every further check (refolding, amounts, consent) over real tubes."""
    plain, tubes = open_instance(ground, "verify"), open_instance(ground, "verify-all")
    fill(plain.units, ENTRIES)
    for number in range(SCANS):
        tubes.call("POST", "/api/v1/scans", {"code": ground.tubes[number % len(ground.tubes)], "act": "thaw"})()
    results = [
        _measured(ground, plain, "verify, hashes", None, GOAL if ground.engine == "sqlite" else None),
        _measured(ground, plain, "verify, hashes and columns", (), None),
    ]
    for instance in (plain, tubes):
        keyring = ledger.Keyring.load(Path(tempfile.mkdtemp(prefix="bench-")), "biobank")
        with instance.units.write() as work:
            ledger.seal(work, keyring)
    return [
        *results, _measured(ground, plain, "verify, hashes and tree", None, None), _measured(ground, tubes, "verify, all checks", CHECKS, None),
    ]


def _measured(ground: Ground, instance: Instance, job: str, checks: Any, goal: float | None) -> Result:
    with instance.units.read() as work:
        entries = queries.entry_count(work)
    address = str(instance.units.sessions.engine.url.render_as_string(hide_password=False))  # type: ignore[attr-defined]

    def ours(_: int) -> int:
        with instance.units.read() as work:
            if list(ledger.verify(work, checks or (), hashes_only=checks is None)):
                raise RuntimeError("the ledger does not verify")
        return entries

    measured = measure({"ours": ours, "bare": lambda _: _bare(address)})
    # Throughput: how much of the bare loop's entries per second are left.
    return Result(job, ground.engine, 1e6 / measured.median("ours"), BARE, 1e6 / measured.median("bare"), 1 / measured.ratio("ours", "bare"),
                  goal, least=True, unit="entries/s", note=f"{entries} entries")


def _bare(address: str) -> int:
    url = make_url(address)
    connection: Any
    if url.get_backend_name() == "sqlite":
        connection = sqlite3.connect(str(url.database))
    else:
        connection = psycopg.connect(url.set(drivername="postgresql").render_as_string(hide_password=False))
    count, previous = 0, ""
    for chain, seq, body, link, told in connection.execute("SELECT chain_id, seq, body, previous, hash FROM entry ORDER BY chain_id, seq"):
        if hashlib.sha256(body).hexdigest() != told or (seq > 1 and link != previous):
            raise RuntimeError(f"entry {chain}/{seq}")
        previous, count = told, count + 1
    connection.close()
    return count
