"""What we stand on fails while eight stations scan: each is told so in words, nothing acknowledged is lost, and it goes on by itself afterwards."""

from __future__ import annotations

import errno
import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import text

from tests.drills import cluster as clusters
from tests.drills.cluster import Cluster
from tests.drills.faults import Failing, SteppingClock, family, filled, limit_files, small_disk, until
from tests.drills.load import Load, once_and_all, under_load
from tests.drills.reaper import ready
from tests.drills.server import FULL, LAUNCH, Server, serving
from tests.drills.stock import lay_in
from tests.drills.test_scans import entries

pytestmark = [pytest.mark.drill, pytest.mark.xdist_group("faults")]

CLIENTS = 8
# How often each fault is made and mended.
ROUNDS = 8 if FULL else 2
AWAKE = (sys.executable, "-m", "tests.drills.waking")
# Refusals and acts that have to be seen before the next step.
SEEN = 40 if FULL else 10
COUNTED: list[str] = []
engines = pytest.mark.parametrize("engine", ["sqlite", "postgresql"])


@pytest.fixture(autouse=True)
def no_faults() -> None:
    """Here the server's log may tell of faults: they are made on purpose."""


@pytest.fixture(autouse=True)
def counts(quote: Callable[[str], None]) -> Iterator[None]:
    """What a drill counted goes into the report."""
    COUNTED.clear()
    yield
    for one in COUNTED:
        quote(one)


@contextmanager
def loaded(server: Server, name: str) -> Iterator[Load]:
    """Stations that scan while the block runs; afterwards every acknowledged act is there once."""
    stock = lay_in(server, first=1, children=4, each=12, draws=4, boxes=4)
    before = entries(server)
    begun = time.monotonic()
    with under_load(server, stock, name, CLIENTS, 10**6) as load:
        until(lambda: len(load.acknowledged) > SEEN, "scans before the fault")
        yield load
        load.halt.set()
    COUNTED.append(
        f"{server.engine}, {name}: {len(load.done)} scans, {len(load.acknowledged)} done, {time.monotonic() - begun:.0f} s, resent {load.resent}, "
        f"answered from what was kept {sum(one.answer.replayed for one in load.done)}, connections cut {dict(load.cut)}\n"
        f"  told {dict(load.met())}: {load.words()}"
    )
    assert load.speechless == [], [answer.raw for answer in load.speechless[:3]]
    once_and_all(server, before, load)


def goes_on(load: Load) -> None:
    """New scans are acknowledged."""
    done = len(load.acknowledged)
    until(lambda: len(load.acknowledged) > done + SEEN, "scans after the fault")


def told_of_it(load: Load, before: int) -> None:
    """The stations hear that something is wrong."""
    until(lambda: load.trouble.total() >= before + SEEN, "clear words while it is wrong")


def server_pid(server: Server) -> int:
    """The process that an operator started: it must be the same at the end."""
    assert server.process is not None
    assert server.process.poll() is None
    return server.process.pid


@engines
def test_a_full_disk_is_told_and_recording_goes_on_when_there_is_room(engine: str, tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 16 if engine == "sqlite" else 160) as disk, on_disk(engine, disk, tmp_path) as (server, cluster):
        started = server_pid(server)
        with loaded(server, "full disk") as load:
            for _ in range(ROUNDS):
                before = load.trouble.total()
                with filled(disk):
                    told_of_it(load, before)
                    # PostgreSQL's disk is another's: the service cannot see how full it is.
                    assert cluster is not None or ready(server.port) == 503
                if cluster is not None and not cluster.running:
                    # It gives up when it cannot even write its log; whoever made room starts it.
                    cluster.start()
                goes_on(load)
        assert server_pid(server) == started
        assert "disk-full" in load.met()


@contextmanager
def on_disk(engine: str, disk: Path, tmp_path: Path) -> Iterator[tuple[Server, Cluster | None]]:
    """A server whose database lies on a disk of its own, and which calls itself ready while there is one megabyte on it."""
    (tmp_path / "served").mkdir()
    (tmp_path / "served" / "settings.toml").write_text("min_free_mb = 1\n")
    if engine == "sqlite":
        with serving("sqlite", f"sqlite:///{disk / 'biobank.sqlite'}", tmp_path / "served") as server:
            yield server, None
        return
    # What it keeps of its log in advance is small, so that the tables meet the full disk and not the log alone.
    options = ("min_wal_size=32MB", "max_wal_size=64MB")
    made = clusters.running(parent=disk, options=options)
    with made as cluster, serving("postgresql", cluster.new_database("full"), tmp_path / "served") as server:
        yield server, cluster


# What fails of the C library in the service's processes, and how: input/output error, connection reset.
# PostgreSQL itself dies when libfiu is loaded into it, because both have a hash_create.
CALLS = {"sqlite": ("io/rw/pwrite", "io/sync/fsync", "io/sync/fdatasync"), "postgresql": ("io/net/recv",)}
HOW = {"sqlite": errno.EIO, "postgresql": errno.ECONNRESET}


@engines
def test_input_and_output_errors_are_told_and_lose_nothing(engine: str, tmp_path: Path) -> None:
    """fiu-run: every tenth write or sync to SQLite's files fails, or every tenth reading from PostgreSQL and from the stations."""
    failing = Failing(tmp_path)
    wrong = [f"enable_random name=posix/{call},probability=0.1,failinfo={HOW[engine]}" for call in CALLS[engine]]
    right = [f"disable name=posix/{call}" for call in CALLS[engine]]
    with clusters_if(engine) as cluster:
        url = cluster.new_database("failing") if cluster else f"sqlite:///{tmp_path / 'biobank.sqlite'}"
        with serving(engine, url, tmp_path / "served", launch=(*failing.prefix, *LAUNCH)) as server:
            started, heard = server_pid(server), 0
            with loaded(server, "i/o errors") as load:
                for _ in range(ROUNDS):
                    before, pids = load.trouble.total(), family(server.process)
                    heard += failing.order(pids, *wrong)
                    told_of_it(load, before)
                    failing.order(pids, *right)
                    goes_on(load)
            assert heard >= ROUNDS
            assert server_pid(server) == started


def backends(cluster: Cluster) -> list[int]:
    """PostgreSQL's processes that serve somebody."""
    with psycopg.connect(cluster.url()) as connection:
        query = "SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
        return [row[0] for row in connection.execute(query)]


@engines
def test_files_that_may_not_grow_are_told_and_lose_nothing(engine: str, tmp_path: Path) -> None:
    """prlimit --fsize: SIGXFSZ or EFBIG where SQLite's log, or a table of PostgreSQL, has to grow."""
    with on_disk(engine, tmp_path, tmp_path) as (server, cluster):
        started = server_pid(server)
        with loaded(server, "files that may not grow") as load:
            for _ in range(ROUNDS):
                before = load.trouble.total()
                pids = family(server.process) if cluster is None else backends(cluster)
                limit_files(pids, 20_000)
                until(lambda: load.trouble.total() > before, "clear words while it is wrong")  # noqa: B023
                limit_files([pid for pid in pids if Path(f"/proc/{pid}").exists()], None)
                goes_on(load)
        assert server_pid(server) == started


@engines
def test_a_clock_that_steps_never_writes_an_entry_before_the_one_before(engine: str, tmp_path: Path) -> None:
    clock = SteppingClock(tmp_path)
    with clusters_if(engine) as cluster:
        url = cluster.new_database("clock") if cluster else f"sqlite:///{tmp_path / 'biobank.sqlite'}"
        with serving(engine, url, tmp_path / "served", launch=AWAKE, env=clock.env) as server:
            started = server_pid(server)
            with loaded(server, "clock steps") as load:
                for _ in range(ROUNDS):
                    clock.step(-30)
                    goes_on(load)
                    clock.step(20)
                    goes_on(load)
                    before = load.trouble.total()
                    clock.step(-7200)
                    told_of_it(load, before)
                    clock.step(0)
                    goes_on(load)
            assert server_pid(server) == started
            assert set(load.met()) == {"clock-behind"}
            in_order(server)


@contextmanager
def clusters_if(engine: str) -> Iterator[Cluster | None]:
    """A PostgreSQL of its own where one is wanted."""
    if engine == "sqlite":
        yield None
        return
    with clusters.running() as cluster:
        yield cluster


def in_order(server: Server) -> None:
    """Along every chain the time of recording never goes back."""
    newest: dict[int, str] = {}
    with server.units.read() as work:
        for row in work.session.execute(text("SELECT chain_id, body FROM entry ORDER BY chain_id, seq")):
            recorded = json.loads(bytes(row.body))["recorded_at"]
            assert recorded >= newest.get(row.chain_id, ""), row
            newest[row.chain_id] = recorded
