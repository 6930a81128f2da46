"""Migrations: head equals the models, up and down with data in it, and the triggers are there afterwards."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from biobank.app import METADATA, alembic_config, make_units, upgrade_database
from biobank.cli.instance import lay_ground
from biobank.core.clock import SetClock
from biobank.core.db import Sessions, make_engine
from biobank.ledger import queries as ledger
from biobank.settings import load_settings
from tests import cast
from tests.conftest import ENGINES, NOW


@pytest.mark.parametrize("engine", ENGINES)
def test_head_equals_the_models_and_goes_down_and_up_with_data(engine: str, new_database: Callable[[str, str], str], tmp_path: Path) -> None:
    url = new_database(engine, "migrated")
    upgrade_database(url)
    opened = make_engine(url)
    with opened.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection, opts={"compare_type": True}), METADATA) == []
    units = make_units(load_settings(tmp_path, url), clock=SetClock(NOW), random=Random(1), sessions=Sessions(opened))
    with units.write() as work:
        lay_ground(work)
        cast.seat(work)
    with opened.execution_options(writes=True).begin() as connection:
        command.downgrade(alembic_config(connection), "base")
    upgrade_database(url)
    with units.read() as work:
        assert ledger.has_schema(work)
        assert ledger.missing_triggers(work) == []
    opened.dispose()
