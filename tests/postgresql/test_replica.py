"""Two real clusters: reads are served from a streaming replica, writes never, and either may go away."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from biobank.app import create_app, make_units
from biobank.cli.database import prepare
from biobank.cli.instance import lay_ground
from biobank.core.clock import SetClock
from biobank.core.db import make_engine
from biobank.core.replica import Standing
from biobank.identity import service as identity
from biobank.settings import Settings, load_settings
from biobank.web.dispatch import Service
from tests import cast
from tests.availability import stock
from tests.cli.shell import Shell
from tests.client import Client
from tests.conftest import NOW
from tests.postgresql.clusters import Cluster, primary, replica_of
from tests.postgresql.site import as_, asked, laid_out, statements

pytestmark = [pytest.mark.postgresql, pytest.mark.drill, pytest.mark.xdist_group("replica")]


@dataclass(slots=True)
class Pair:
    """A site with a replica: two clusters, the application on both, and everybody's token."""

    primary: Cluster
    replica: Cluster
    settings: Settings
    app: Service
    tokens: dict[str, str]
    code: str

    def client(self, login: str) -> Client:
        """A client of the API."""
        return Client(self.app.test_client(), self.tokens[login])

    def forget(self) -> None:
        """Judge the replica anew at the next read, as a second later would."""
        self.sessions._judged_until = 0.0
        self.sessions._primary_out_until = 0.0

    @property
    def sessions(self) -> Any:
        """Where reads come from."""
        assert self.app.readers is not None
        return self.app.readers.sessions

    def ready(self) -> dict[str, Any]:
        """What health says of the replica."""
        self.forget()
        answer: dict[str, Any] = self.app.test_client().get("/readyz").get_json()
        return answer

    def until(self, state: str) -> None:
        """Wait until the replica stands so."""
        limit = time.monotonic() + 60
        while self.ready()["replica"]["state"] != state:
            assert time.monotonic() < limit, self.ready()
            time.sleep(0.1)


@pytest.fixture(scope="module", params=["on", "remote_apply"])
def clusters(request: pytest.FixtureRequest, postgresql: Callable[[str], str]) -> Iterator[tuple[Cluster, Cluster, str]]:
    """A primary whose commits wait for its own disk (`on`), or until the replica shows them (`remote_apply`). `postgresql` makes the account."""
    with primary() as one, replica_of(one) as other:
        if request.param == "remote_apply":
            # Set once the replica is there: before, every commit would wait for it.
            statements(one.url, "ALTER SYSTEM SET synchronous_standby_names = 'reader'", "ALTER SYSTEM SET synchronous_commit = remote_apply",
                       "SELECT pg_reload_conf()")
        yield one, other, request.param


@pytest.fixture(scope="module")
def pair(clusters: tuple[Cluster, Cluster, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """The site, with a marrow in it."""
    one, other, _ = clusters
    statements(one.url, "CREATE DATABASE biobank")
    site = laid_out(as_(one.url, "postgres", "biobank"), "biobank")
    folder = tmp_path_factory.mktemp("replica")
    prepare(load_settings(folder, site.application), site.owner)
    reading = site.application.replace(str(one.port), str(other.port))
    settings = replace(load_settings(folder, site.application), replica_url=reading)
    units = make_units(settings, clock=SetClock(NOW), random=Random(5))
    with units.write() as work:
        lay_ground(work)
        tokens = cast.seat(work)
    with units.write() as work:
        work.actor = stock.cast(work, "manager")
        code = stock.draw(work, stock.child(work, 1))
    app = create_app(settings, units)
    made = Pair(one, other, settings, app, tokens, code)
    made.until("ok")
    yield made
    made.sessions.replica.dispose()
    units.sessions.engine.dispose()  # type: ignore[attr-defined]


@pytest.fixture(autouse=True)
def both(pair: Pair) -> Iterator[None]:
    """Both run, and the replica follows."""
    for cluster in (pair.primary, pair.replica):
        if not (cluster.folder / "postmaster.pid").exists():
            cluster.start()
    pair.until("ok")
    yield


def on_the_replica(pair: Pair) -> bool:
    """Whether a read comes from the replica now."""
    assert pair.app.readers is not None
    with pair.app.readers.read() as work:
        return bool(work.session.info["replica"])


def caught_up(pair: Pair) -> None:
    """The replica has replayed all that the primary has written."""
    where = asked(pair.primary.url, "SELECT pg_current_wal_lsn()")
    while not asked(pair.replica.url, f"SELECT pg_last_wal_replay_lsn() >= '{where}'::pg_lsn"):
        time.sleep(0.02)


def test_reads_come_from_the_replica_and_writes_go_to_the_primary(pair: Pair) -> None:
    bench = pair.client("technician")
    assert on_the_replica(pair)
    with pair.app.readers.read() as work:  # type: ignore[union-attr]
        port = work.session.execute(text("SELECT inet_server_port()")).scalar_one()
        assert (port, work.session.execute(text("SELECT pg_is_in_recovery()")).scalar_one()) == (pair.replica.port, True)
    box = pair.client("manager").made("/containers", {"kind": "box", "title": "Box", "rows": 4, "columns": 4})["code"]
    stored = bench.made("/scans", {"code": pair.code, "act": "store", "context": {"container": box}})
    assert stored["verdict"] == "done"
    caught_up(pair)
    shown = bench.read(f"/specimens/{pair.code}")
    assert shown["position"] == f"{box}:A1"
    assert bench.made("/scans", {"code": pair.code, "act": "check-out", "facts": {"for": "work"}})["verdict"] == "done"


def test_the_last_write_is_read_at_once_where_commits_wait_for_the_replica(pair: Pair, clusters: tuple[Cluster, Cluster, str]) -> None:
    manager, missed = pair.client("manager"), 0
    for number in range(40):
        made = manager.made("/containers", {"kind": "box", "title": f"Box {number}", "rows": 2, "columns": 2})["code"]
        with pair.app.readers.read() as work:  # type: ignore[union-attr]
            assert work.session.info["replica"]
            missed += not work.session.execute(text("SELECT count(*) FROM code WHERE code = :code"), {"code": made}).scalar_one()
        # What the replica has not heard of is asked of the primary, so that a page after a form is never “not found”.
        assert manager.get(f"/containers/{made}").status_code == 200
    if clusters[2] == "remote_apply":
        assert missed == 0


def test_a_fresh_token_works_at_once(pair: Pair) -> None:
    for _ in range(10):
        with pair.app.units.write() as work:
            token = identity.make_token(work, "technician")
        assert Client(pair.app.test_client(), token).get("/me").status_code == 200


@contextmanager
def paused(pair: Pair) -> Iterator[None]:
    """The replica receives, and replays nothing meanwhile."""
    statements(pair.replica.url, "SELECT pg_wal_replay_pause()")
    try:
        yield
    finally:
        statements(pair.replica.url, "SELECT pg_wal_replay_resume()")


def fresh(pair: Pair) -> tuple[str, str]:
    """A token and a box, just made."""
    with pair.app.units.write() as work:
        token = identity.make_token(work, "technician")
    return token, pair.client("manager").made("/containers", {"kind": "box", "title": "New", "rows": 2, "columns": 2})["code"]


def test_a_fresh_token_works_while_the_replica_has_not_heard_of_it(pair: Pair, clusters: tuple[Cluster, Cluster, str]) -> None:
    with ThreadPoolExecutor(1) as pool:
        with paused(pair):
            making = pool.submit(fresh, pair)
            if clusters[2] == "on":
                token, box = making.result(10)
                # Within what the site allows the replica to lag.
                pair.sessions._last, pair.sessions._judged_until = Standing("ok", 0.0), time.monotonic() + 30
                assert on_the_replica(pair)
                client = Client(pair.app.test_client(), token)
                assert client.get("/me").status_code == 200
                assert client.get(f"/containers/{box}").status_code == 200
                assert Client(pair.app.test_client(), "wrong").get("/me").status_code == 401
                assert client.get(f"/containers/{pair.code}").status_code == 404
            else:
                # The answer to the write waits until the replica shows it: nobody holds a token that the replica does not know.
                time.sleep(1)
                assert not making.done()
        token, box = making.result(30)
        assert Client(pair.app.test_client(), token).get(f"/containers/{box}").status_code == 200


def test_a_replica_that_lags_is_not_read(pair: Pair) -> None:
    was, pair.sessions._lag_at_most = pair.sessions._lag_at_most, 0.4
    try:
        with paused(pair):
            statements(pair.primary.url, "SET synchronous_commit = local", "SELECT pg_logical_emit_message(true, 'late', '')")
            time.sleep(0.6)
            told = pair.ready()
            assert told["replica"]["state"] == "behind" and told["replica"]["lag_seconds"] > 0.4
            assert any("behind" in line for line in told["warnings"])
            assert not on_the_replica(pair)
    finally:
        pair.sessions._lag_at_most = was


def test_health_tells_the_lag(pair: Pair) -> None:
    told = pair.ready()["replica"]
    assert told["state"] == "ok" and 0 <= told["lag_seconds"] < 10


def test_nothing_can_be_written_to_the_replica(pair: Pair) -> None:
    engine = make_engine(pair.settings.replica_url)
    with engine.connect() as connection, pytest.raises(DBAPIError, match="read-only transaction"):
        connection.exec_driver_sql("INSERT INTO prefix VALUES (99, 'ZZ')")
    engine.dispose()
    with pytest.raises(DBAPIError, match="read-only transaction"), pair.app.readers.read() as work:  # type: ignore[union-attr]
        work.session.execute(text("UPDATE chain SET last_seq = 0"))


def test_db_check_names_a_replica_that_is_none_and_a_primary_that_is_one(
    pair: Pair, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    shell = Shell(tmp_path, pair.settings.database_url, capsys, monkeypatch)
    monkeypatch.setenv("BIOBANK_REPLICA_URL", pair.settings.replica_url)
    assert shell("db", "check").err == ""
    monkeypatch.setenv("BIOBANK_REPLICA_URL", pair.settings.database_url)
    assert "is no replica" in shell("db", "check").err
    monkeypatch.setenv("BIOBANK_REPLICA_URL", "postgresql://x@127.0.0.1:1/biobank")
    assert "the replica does not answer" in shell("db", "check").err
    shell.url = pair.settings.replica_url
    assert "the database is a replica" in shell("db", "check").err


def test_without_the_replica_reads_come_from_the_primary_and_one_line_says_so(pair: Pair, caplog: pytest.LogCaptureFixture) -> None:
    pair.replica.stop()
    caplog.set_level(logging.WARNING, "biobank.replica")
    bench = pair.client("technician")
    for _ in range(5):
        assert bench.read(f"/specimens/{pair.code}")["code"] == pair.code
    pair.forget()
    assert bench.get("/me").status_code == 200
    lines = [record.getMessage() for record in caplog.records if record.name == "biobank.replica"]
    assert lines == ["the replica does not answer: reads are served from the primary"]
    told = pair.ready()
    assert told["replica"]["state"] == "down" and any("does not answer" in line for line in told["warnings"])
    pair.replica.start()
    pair.until("ok")
    assert on_the_replica(pair)


def test_without_the_primary_reads_are_answered_and_writes_refused(pair: Pair, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "biobank.replica")
    caught_up(pair)
    bench = pair.client("technician")
    before = bench.read(f"/specimens/{pair.code}/custody")
    pair.primary.stop()
    for _ in range(5):
        assert bench.read(f"/specimens/{pair.code}/custody") == before
    time.sleep(1.5)
    assert bench.read(f"/specimens/{pair.code}/custody") == before
    assert bench.get("/containers/" + pair.code).status_code == 404
    refused = bench.post("/scans", {"code": pair.code, "act": "measure", "facts": {"volume": {"value": 1, "unit": "mL"}}}, key="while it was away")
    problem = refused.get_json()
    assert refused.status_code == 503 and refused.content_type == "application/problem+json"
    assert "nothing was changed" in problem["detail"].lower() or "try again" in problem["detail"].lower(), problem
    told = pair.app.test_client().get("/readyz")
    assert told.status_code == 503 and told.get_json()["replica"]["state"] == "cut off"
    pair.primary.start()
    pair.until("ok")
    again = bench.post("/scans", {"code": pair.code, "act": "measure", "facts": {"volume": {"value": 1, "unit": "mL"}}}, key="while it was away")
    assert again.status_code == 200, again.get_data(as_text=True)
    caught_up(pair)
    assert len(bench.read(f"/specimens/{pair.code}/custody")["entries"]) == len(before["entries"]) + 1


def test_without_either_reads_are_refused_as_everywhere(pair: Pair) -> None:
    pair.replica.stop()
    pair.primary.stop()
    answer = pair.client("technician").get(f"/specimens/{pair.code}")
    assert answer.status_code == 503 and answer.content_type == "application/problem+json"
