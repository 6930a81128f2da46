"""Eight scan stations while workers, server and database are killed with -9: every acknowledged act once, none twice, and clear words meanwhile."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.drills.cluster import Cluster
from tests.drills.load import once_and_all, under_load
from tests.drills.reaper import EVERY, reaping
from tests.drills.server import FULL, Server
from tests.drills.stock import lay_in
from tests.drills.test_scans import entries

pytestmark = [pytest.mark.drill, pytest.mark.xdist_group("faults")]

CLIENTS = 8
SCANS = 10_000 if FULL else 1_500


@pytest.fixture(autouse=True)
def no_faults() -> None:
    """Here the server's log may tell of faults: they are made on purpose."""


def test_every_acknowledged_scan_stands_once_whatever_was_killed(
    killable: tuple[Server, Cluster | None], tmp_path: Path, quote: Callable[[str], None]
) -> None:
    server, cluster = killable
    stock = lay_in(server, first=1, children=8, each=12, draws=4, boxes=4)
    before, begun = entries(server), time.monotonic()
    with reaping(server, cluster, EVERY) as reaper, under_load(server, stock, "killed", CLIENTS, SCANS) as load:
        pass
    deaths = (tmp_path / "deaths").read_bytes()
    counted = (
        f"{server.engine}: {CLIENTS} clients, {len(load.done)} scans, {len(load.acknowledged)} done, {time.monotonic() - begun:.0f} s; "
        f"killed {dict(reaper.kills)}, before a commit {deaths.count(b'b')}, between commit and answer {deaths.count(b'a')}; "
        f"resent {load.resent}, answered from what was kept {sum(one.answer.replayed for one in load.done)}, connections cut {dict(load.cut)}\n"
        f"  told while something was away {dict(load.met())}: {load.words()}; /readyz {dict(reaper.readiness)}"
    )
    quote(counted)
    assert len(load.done) == SCANS // CLIENTS * CLIENTS
    assert load.speechless == []
    assert reaper.kills["worker"] and reaper.kills["server"]
    assert deaths.count(b"a") and load.resent
    if cluster is not None:
        assert reaper.kills["database"]
        assert load.trouble.total() > 0
        assert reaper.readiness[503] and not reaper.readiness[200]
    once_and_all(server, before, load)
