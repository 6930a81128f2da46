"""One server for each database, for all drills."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.drills.server import Server, serving

ENGINES = ("sqlite", "postgresql")


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
