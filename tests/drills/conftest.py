"""One server for each database, for all drills."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.drills import cluster as clusters
from tests.drills.cluster import Cluster
from tests.drills.reaper import AFTER, BEFORE
from tests.drills.server import Server, serving

ENGINES = ("sqlite", "postgresql")
# Says what was counted, here and in the report: what, and what was met.
Count = Callable[[str, object], None]


@pytest.fixture(scope="session", params=ENGINES)
def server(
    request: pytest.FixtureRequest, new_database: Callable[[str, str], str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """Two worker processes on a database of their own. Nothing is rolled back: each drill makes its own tubes."""
    url = new_database(request.param, "drills")
    with serving(request.param, url, tmp_path_factory.mktemp("served")) as running:
        yield running


@pytest.fixture(autouse=True)
def no_faults(request: pytest.FixtureRequest) -> Iterator[None]:
    """A drill that passes while the server logged a fault has not passed."""
    running: Server = request.getfixturevalue("server")
    before = len(running.faults())
    yield
    assert running.faults()[before:] == []


@pytest.fixture(params=ENGINES)
def killable(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Server, Cluster | None]]:
    """A server whose processes die by themselves too, on a database that may be killed."""
    launch = (sys.executable, "-m", "tests.drills.dying", str(tmp_path / "deaths"), str(BEFORE), str(AFTER))
    if request.param == "sqlite":
        with serving("sqlite", f"sqlite:///{tmp_path / 'biobank.sqlite'}", tmp_path / "served", launch=launch) as server:
            yield server, None
        return
    with clusters.running() as cluster, serving("postgresql", cluster.new_database("killed"), tmp_path / "served", launch=launch) as server:
        yield server, cluster


@pytest.fixture
def quote(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Says a line of counts, here and in the report."""

    def tell(line: str) -> None:
        print(f"\n{line}")
        request.node.user_properties.append(("counts", line))

    return tell


@pytest.fixture
def count(request: pytest.FixtureRequest, server: Server) -> Count:
    """Counts that are quoted."""

    def tell(what: str, met: object) -> None:
        print(f"\n{server.engine}: {what}: {met}")
        request.node.user_properties.append(("counts", f"{server.engine}: {what}: {met}"))

    return tell
