"""Every migration down and up again with a laboratory's life in every table: nothing older is touched, and the triggers stand after each step."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, inspect, text
from sqlalchemy.exc import DBAPIError

from biobank.app import CHECKS, METADATA, alembic_config, upgrade_database
from biobank.core.db import make_engine
from biobank.core.work import Units
from biobank.ledger import service as ledger
from biobank.ledger.queries import missing_triggers
from biobank.ledger.rules import APPEND_ONLY
from biobank.ledger.service import Keyring, seal
from biobank.settings import DATABASE, load_settings, shipped
from tests.conftest import ENGINES
from tests.migrations.life import lived, rows

pytestmark = [pytest.mark.drill, pytest.mark.xdist_group("migrations")]
VERSIONS = sorted((shipped("migrations") / "versions").glob("*.py"))
REVISIONS = [one.revision for one in ScriptDirectory.from_config(alembic_config()).walk_revisions()][::-1]


@dataclass(slots=True)
class Old:
    """A database with data, its engine, and what the tables were at first."""

    units: Units
    engine: Engine
    url: str
    folder: Path
    first: dict[str, list[str]]

    def to(self, revision: str) -> None:
        """Down or up to a revision."""
        met = self.revision()
        step = command.downgrade if met is not None and (revision == "base" or revision < met) else command.upgrade
        with self.engine.execution_options(writes=True).begin() as connection:
            step(alembic_config(connection), revision)

    def revision(self) -> str | None:
        """Where it stands."""
        with self.engine.connect() as connection:
            return MigrationContext.configure(connection).get_current_revision()

    def tables(self) -> set[str]:
        """What is there."""
        return set(inspect(self.engine).get_table_names())

    def guarded(self) -> None:
        """Every append-only table that is there refuses to be changed, and its triggers are whole."""
        there = [table for table in APPEND_ONLY if table in self.tables()]
        with self.engine.connect() as connection:
            if connection.dialect.name == "sqlite":
                names = set(connection.execute(text("SELECT name FROM sqlite_master WHERE type = 'trigger'")).scalars())
                assert {f"{table}_no_{what}" for table in there for what in ("update", "delete")} == names
            else:
                names = set(connection.execute(text("SELECT tgname FROM pg_trigger WHERE NOT tgisinternal AND tgenabled = 'A'")).scalars())
                assert {f"{table}_no_{what}" for table in there for what in ("change", "truncate")} == names
        for table in there:
            for statement in (f"DELETE FROM {table}", f"UPDATE {table} SET {self.any_column(table)} = {self.any_column(table)}"):
                with self.engine.connect() as connection:
                    if connection.exec_driver_sql(f"SELECT count(*) FROM {table}").scalar_one():
                        with pytest.raises(DBAPIError, match="append-only"):
                            connection.exec_driver_sql(statement)

    def any_column(self, table: str) -> str:
        """A column."""
        return str(inspect(self.engine).get_columns(table)[-1]["name"])

    def faults(self) -> list[str]:
        """What verification finds, at head."""
        with self.units.read() as work:
            return [f"{one.chain} {one.seq} {one.field}: {one.message}" for one in ledger.verify(work, CHECKS)]


@pytest.fixture(scope="module", params=ENGINES)
def old(
    request: pytest.FixtureRequest, new_database: Callable[[str, str], str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Old]:
    """A life at head."""
    url, folder = new_database(request.param, "lived"), tmp_path_factory.mktemp("lived")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(DATABASE, url)
        units = lived(folder, url)
    first = make_engine(new_database(request.param, "first"))
    with first.execution_options(writes=True).begin() as connection:
        command.upgrade(alembic_config(connection), REVISIONS[0])
    looked = inspect(first)
    columns = {name: [str(column["name"]) for column in looked.get_columns(name)] for name in looked.get_table_names() if name != "alembic_version"}
    first.dispose()
    engine = units.sessions.engine  # type: ignore[attr-defined]
    yield Old(units, engine, url, folder, columns)
    engine.dispose()


def test_every_table_has_data(old: Old) -> None:
    everywhere = {name: [str(column["name"]) for column in inspect(old.engine).get_columns(name)] for name in METADATA.tables}
    assert {name for name, found in rows(old.units, everywhere).items() if not found} == set()
    assert old.faults() == []


@pytest.mark.parametrize("revision", REVISIONS[:0:-1])
def test_a_revision_goes_down_and_up_again(old: Old, revision: str) -> None:
    before = rows(old.units, old.first)
    old.to(REVISIONS[REVISIONS.index(revision) - 1])
    assert rows(old.units, old.first) == before
    old.guarded()
    for step in REVISIONS[REVISIONS.index(revision):]:
        old.to(step)
        assert old.revision() == step
        assert rows(old.units, old.first) == before
        old.guarded()
    assert old.faults() == []


def test_all_the_way_down_step_by_step_and_up_again(old: Old) -> None:
    before = rows(old.units, old.first)
    for step in REVISIONS[::-1]:
        old.to(step)
        assert rows(old.units, old.first) == before
        old.guarded()
    for step in REVISIONS[1:]:
        old.to(step)
        old.guarded()
    assert rows(old.units, old.first) == before
    with old.units.read() as work:
        assert missing_triggers(work) == []
    assert old.faults() == []
    # What the seals were is gone with their tables; sealing begins anew, over the same entries.
    settings = load_settings(old.folder, old.url)
    keyring = Keyring.load(settings.signing_folder, settings.log_name)
    with old.units.write() as work:
        sealed = seal(work, keyring)
        assert sealed is not None and sealed.size > 0
    assert old.faults() == []


def test_to_base_and_back_is_an_empty_database_as_the_models_say(old: Old) -> None:
    old.to("base")
    assert old.tables() <= {"alembic_version"}
    with old.engine.connect() as connection:
        left = "SELECT name FROM sqlite_master WHERE type = 'trigger'" if connection.dialect.name == "sqlite" else (
            "SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace"
        )
        assert connection.execute(text(left)).all() == []
    upgrade_database(old.url)
    with old.engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection, opts={"compare_type": True}), METADATA) == []
    with old.units.read() as work:
        assert missing_triggers(work) == []
        work.random = Random(1)
    assert old.faults() == []
