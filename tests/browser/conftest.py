"""Servers as they are installed: two processes on a database of their own."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from biobank.core.clock import SystemClock
from tests.drills.server import Server, serving

ENGINES = ("sqlite", "postgresql")


@pytest.fixture(scope="module", params=ENGINES)
def either(
    request: pytest.FixtureRequest, new_database: Callable[[str, str], str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """A server on SQLite and one on PostgreSQL."""
    with serving(request.param, new_database(request.param, "browsed"), tmp_path_factory.mktemp("served"), clock=SystemClock()) as running:
        yield running
        assert running.faults() == []


@pytest.fixture(scope="module")
def server(new_database: Callable[[str, str], str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server on SQLite."""
    with serving("sqlite", new_database("sqlite", "browsed"), tmp_path_factory.mktemp("served"), clock=SystemClock()) as running:
        yield running
        assert running.faults() == []
