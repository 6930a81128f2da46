"""A real server with its keeper: killed, orphaned, stopped; and figures of all workers together. With a real PostgreSQL that is taken away."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from biobank.app import make_units, upgrade_database
from biobank.cli.instance import lay_ground
from biobank.core import heartbeat
from biobank.core.clock import SetClock
from biobank.settings import load_settings
from tests import cast
from tests.drills import cluster as clusters
from tests.drills.server import SEEDED_AT, Server, serving, serving_as_it_is
from tests.operations.test_metrics import figures

pytestmark = [pytest.mark.drill, pytest.mark.xdist_group("operations")]
ENGINES = ("sqlite", "postgresql")


@pytest.fixture(scope="module", params=ENGINES)
def served(
    request: pytest.FixtureRequest, new_database: Callable[[str, str], str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """Two workers and a keeper, for each database."""
    with serving(request.param, new_database(request.param, "processes"), tmp_path_factory.mktemp("processes")) as running:
        yield running


@pytest.fixture
def server(served: Server) -> Server:
    """The server, started again where a test has ended it, with an empty log."""
    if served.process is None:
        os.truncate(served.log, 0)
        served.start()
    return served


def get(server: Server, path: str) -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def until(holds: Callable[[], Any], seconds: float = 60.0) -> Any:
    """What holds, as soon as it does."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = holds()
        if found:
            return found
        time.sleep(0.1)
    raise AssertionError("it did not come to be")


def listening(port: int) -> bool:
    with socket.socket() as one:
        return one.connect_ex(("127.0.0.1", port)) == 0


def keepers(server: Server) -> list[psutil.Process]:
    assert server.process is not None
    return [child for child in psutil.Process(server.process.pid).children() if is_keeper(child)]


def is_keeper(process: psutil.Process) -> bool:
    try:
        return "keep" in process.cmdline()
    except (psutil.ZombieProcess, psutil.NoSuchProcess):
        return False


def lines(server: Server) -> list[dict[str, Any]]:
    return [json.loads(line) for line in server.log.read_text("utf-8").splitlines() if line]


def test_a_keeper_that_is_killed_is_followed_by_another(server: Server) -> None:
    first = until(lambda: keepers(server))[0]
    for _ in range(2):
        os.kill(first.pid, signal.SIGKILL)
        second = until(lambda gone=first.pid: [one for one in keepers(server) if one.pid != gone])[0]
        beat = heartbeat.read(server.folder / "keeper.json").at
        until(lambda seen=beat: heartbeat.read(server.folder / "keeper.json").at != seen)
        first = second
    assert get(server, "/readyz")[0] == 200
    assert [line["event"] for line in lines(server)].count("keeper ended") == 2
    assert all(line["level"] != "error" for line in lines(server)), lines(server)


def test_a_keeper_ends_when_its_server_is_gone(server: Server) -> None:
    keeper = until(lambda: keepers(server))[0]
    assert server.process is not None
    os.kill(server.process.pid, signal.SIGKILL)
    server.process.wait(10)
    until(lambda: not keeper.is_running() or keeper.status() == psutil.STATUS_ZOMBIE, 20)
    # What is left of the workers.
    with suppress(ProcessLookupError):
        os.killpg(server.process.pid, signal.SIGKILL)
    server.process = None
    until(lambda: not listening(server.port))


def test_a_server_that_is_stopped_ends_its_keeper_first(server: Server) -> None:
    keeper = until(lambda: keepers(server))[0]
    # A keeper that has shown itself hears signals.
    (server.folder / "keeper.json").unlink()
    until(lambda: get(server, "/readyz")[0] == 200)
    server.stop()
    assert not keeper.is_running()
    assert "keeper stopped" in server.log.read_text("utf-8")
    # Nobody else holds the port.
    with socket.socket() as one:
        one.bind(("127.0.0.1", server.port))


def test_figures_are_of_all_workers_and_outlive_them(server: Server) -> None:
    # Figures begin with the server.
    server.stop()
    server.start()
    assert server.process is not None
    asked, workers = 0, set()

    def ask() -> bool:
        nonlocal asked
        for _ in range(20):
            get(server, "/sign-in")
            asked += 1
        # Which worker answered is seen from who opened its figures.
        found = [child.pid for child in psutil.Process(server.process.pid).children() if not is_keeper(child)]  # type: ignore[union-attr]
        workers.update(found)
        return asked >= 60

    until(ask)
    counted = (("endpoint", "/sign-in"), ("method", "GET"), ("status", "200"))
    assert all(figures(get(server, "/metrics")[1])["biobank_requests_total", counted] == asked for _ in range(6))
    os.kill(min(workers), signal.SIGKILL)
    until(lambda: len([c for c in psutil.Process(server.process.pid).children() if c.pid not in workers]) >= 1)  # type: ignore[union-attr]
    assert figures(get(server, "/metrics")[1])["biobank_requests_total", counted] == asked
    ask()
    found = figures(get(server, "/metrics")[1])
    assert found["biobank_requests_total", counted] == asked and found["biobank_pool_connections", ()] >= 0
    mine = f"biobank-metrics-{server.process.pid}-*"
    assert len(list(Path("/dev/shm").glob(mine))) == 1
    # Killed, it leaves them; the next one sweeps them away, and stopped, it takes its own along.
    server.kill()
    assert len(list(Path("/dev/shm").glob(mine))) == 1
    server.start()
    assert list(Path("/dev/shm").glob(mine)) == []
    mine = f"biobank-metrics-{server.process.pid}-*"
    server.stop()
    assert list(Path("/dev/shm").glob(mine)) == []


def test_without_a_keeper_the_server_says_so(server: Server) -> None:
    keeper = until(lambda: keepers(server))[0]
    os.kill(keeper.pid, signal.SIGSTOP)
    # It stands still: an old heartbeat is all there is of it.
    path = server.folder / "keeper.json"
    until(lambda: heartbeat.read(path).at)
    heartbeat.write(path, replace(heartbeat.read(path), at="2026-11-20T09:00:00.000000Z"))
    status, told = get(server, "/readyz")
    assert status == 503 and "was last seen at 2026-11-20T09:00:00" in json.loads(told)["checks"]["keeper"]
    os.kill(keeper.pid, signal.SIGCONT)
    until(lambda: get(server, "/readyz")[0] == 200, 20)


@pytest.mark.sqlite
def test_a_server_without_room_for_common_figures_serves_all_the_same(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'biobank.sqlite'}"
    # No file may be as large as those of the figures; the database is smaller.
    limited = ("prlimit", "--fsize=1000000", sys.executable, "-m", "biobank")
    with serving("sqlite", url, tmp_path, launch=limited) as running:
        assert get(running, "/sign-in")[0] == 200
        assert "biobank_requests_total" in get(running, "/metrics")[1]
        running.stop()
        assert "EFBIG" in running.log.read_text("utf-8") and running.faults() == []


@pytest.mark.postgresql
def test_a_postgresql_that_is_killed_is_told_and_found_again_without_a_restart(tmp_path: Path) -> None:
    with clusters.running() as cluster:
        url = cluster.new_database("away")
        upgrade_database(url)
        units = make_units(load_settings(tmp_path, url), clock=SetClock(SEEDED_AT))
        with units.write() as work:
            lay_ground(work)
            tokens = cast.seat(work)
        with socket.socket() as one:
            one.bind(("127.0.0.1", 0))
            port = one.getsockname()[1]
        running = Server(port, tokens, units, tmp_path / "server.log", "postgresql", url, tmp_path, 2)
        with serving_as_it_is(running):
            box = {"kind": "box", "title": "A box", "rows": 2, "columns": 2}
            caller = running.caller("manager")
            for _ in range(8):
                caller.made("/containers", box)
            for end in (cluster.kill, cluster.stop):
                end()
                away = caller.post("/containers", box, key=f"away-{end.__name__}")
                assert away.status == 503 and away.problem == "database-away" and away.headers["retry-after"] == "10"
                assert "Keep the tube and scan it again" in away.body["detail"]
                status, told = get(running, "/readyz")
                assert status == 503 and "the database does not answer" in json.loads(told)["checks"]["database"]
                assert get(running, "/healthz")[0] == 200
                cluster.start()
                again = caller.post("/containers", box, key=f"away-{end.__name__}")
                assert again.status == 201 and not again.replayed
                assert get(running, "/readyz")[0] == 200
            written = running.log.read_text("utf-8")
            assert "password" not in written and "Traceback" in written
