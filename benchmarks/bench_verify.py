"""Verifying the ledger, beside a bare loop that reads every body through the driver and hashes it."""

from __future__ import annotations

import hashlib
import sqlite3
from typing import Any

import psycopg
from sqlalchemy.engine import make_url

from benchmarks.ground import Ground, measure, open_instance
from benchmarks.results import Result
from biobank.app import CHECKS
from biobank.ledger import queries
from biobank.ledger import service as ledger

SCANS = 1_000
GOAL = 0.4


def run(ground: Ground) -> list[Result]:
    """Hashes, links and columns alone, and with every further check (refolding, amounts, consent)."""
    instance = open_instance(ground, "verify")
    for number in range(SCANS):
        instance.call("POST", "/api/v1/scans", {"code": ground.tubes[number % len(ground.tubes)], "act": "thaw"})()
    with instance.units.read() as work:
        entries = queries.entry_count(work)
    url = instance.units.sessions.engine.url  # type: ignore[attr-defined]

    def ours(checks: Any) -> int:
        with instance.units.read() as work:
            if list(ledger.verify(work, checks)):
                raise RuntimeError("the ledger does not verify")
        return entries

    address = str(url.render_as_string(hide_password=False))
    measured = measure({"hashes": lambda n: ours(()), "all": lambda n: ours(CHECKS), "bare": lambda n: _bare(address)})
    # Throughput: how much of the bare loop's entries per second are left.
    return [
        Result(job, ground.engine, 1e6 / measured.median(name), "bare SHA-256 loop", 1e6 / measured.median("bare"), 1 / measured.ratio(name, "bare"),
               GOAL if name == "hashes" and ground.engine == "sqlite" else None, least=True, unit="entries/s", note=f"{entries} entries")
        for job, name in (("verify, hashes", "hashes"), ("verify, all checks", "all"))
    ]


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
