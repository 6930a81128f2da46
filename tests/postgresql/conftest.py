"""The shared fixtures on a site whose service signs in as a role of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count
from random import Random

import pytest
from sqlalchemy import Engine

from biobank.app import make_units
from biobank.cli.database import prepare
from biobank.cli.instance import lay_ground
from biobank.core.clock import SetClock
from biobank.core.db import Sessions, make_engine
from biobank.settings import load_settings
from tests import cast
from tests.conftest import NOW
from tests.postgresql.site import Site, laid_out


@pytest.fixture(scope="session")
def new_site(new_database: Callable[[str, str], str]) -> Callable[[], Site]:
    """Sites without tables."""
    numbers = count(1)

    def make() -> Site:
        name = f"site{next(numbers)}"
        return laid_out(new_database("postgresql", name), name)

    return make


@pytest.fixture(scope="session")
def site(new_site: Callable[[], Site], tmp_path_factory: pytest.TempPathFactory) -> Site:
    """A site with tables and rights."""
    made = new_site()
    prepare(load_settings(tmp_path_factory.mktemp("site"), made.application), made.owner)
    return made


@pytest.fixture(scope="session")
def database(site: Site, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Engine, dict[str, str]]]:
    """As the shared fixture, and every statement of every test is the application's role's."""
    engine = make_engine(site.application)
    settings = load_settings(tmp_path_factory.mktemp("ground"), site.application)
    with make_units(settings, clock=SetClock(NOW), random=Random(1), sessions=Sessions(engine)).write() as work:
        lay_ground(work)
        tokens = cast.seat(work)
    yield engine, tokens
    engine.dispose()
