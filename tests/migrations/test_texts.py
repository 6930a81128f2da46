"""What no migration may do: SQLite makes a batch-altered table anew, and the new one has no triggers."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.migration import MigrationContext
from alembic.operations import Operations

from biobank.app import upgrade_database
from biobank.core.db import Sessions, make_engine
from biobank.core.work import Work
from biobank.ledger.queries import missing_triggers
from biobank.ledger.rules import APPEND_ONLY
from biobank.settings import shipped

VERSIONS = sorted((shipped("migrations") / "versions").glob("*.py"))
# What would remake a table or its name. The first argument is the table; `drop_table` belongs to a way down.
REMAKING = {"batch_alter_table", "rename_table", "alter_column", "drop_column", "drop_constraint"}


def calls(path: Path) -> list[ast.Call]:
    """Every call of a migration, and of Alembic's environment."""
    return [node for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)]


def table_of(call: ast.Call) -> object:
    """The table that is named, or None where it is not written out."""
    place = 1 if isinstance(call.func, ast.Attribute) and call.func.attr == "drop_constraint" else 0
    named = [*call.args[place:place + 1], *(word.value for word in call.keywords if word.arg == "table_name")]
    return named[0].value if named and isinstance(named[0], ast.Constant) else None


@pytest.mark.parametrize("path", VERSIONS, ids=[path.stem for path in VERSIONS])
def test_no_migration_remakes_an_append_only_table(path: Path) -> None:
    for call in calls(path):
        assert isinstance(call.func, ast.Attribute)
        if call.func.attr in REMAKING:
            met = table_of(call)
            assert met is not None, f"{path.name}:{call.lineno} names no table that a reader could check"
            assert met not in APPEND_ONLY, f"{path.name}:{call.lineno} remakes {met} and would lose its triggers"


@pytest.mark.parametrize("path", VERSIONS, ids=[path.stem for path in VERSIONS])
def test_an_append_only_table_is_dropped_on_the_way_down_alone(path: Path) -> None:
    up = next(node for node in ast.parse(path.read_text("utf-8")).body if isinstance(node, ast.FunctionDef) and node.name == "upgrade")
    dropped = [node for node in ast.walk(up) if isinstance(node, ast.Attribute) and node.attr == "drop_table"]
    assert dropped == []


def test_alembic_is_not_told_to_alter_in_batches() -> None:
    assert "render_as_batch" not in (shipped("migrations") / "env.py").read_text("utf-8")


@pytest.mark.sqlite
def test_this_is_why(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'why.sqlite'}"
    upgrade_database(url)
    engine = make_engine(url)
    with engine.execution_options(writes=True).begin() as connection:
        connection.exec_driver_sql("PRAGMA defer_foreign_keys = ON")
        with Operations(MigrationContext.configure(connection)).batch_alter_table("posting") as batch:
            batch.alter_column("account", type_=sa.String(200))
        # Nothing refuses it any more.
        connection.exec_driver_sql("DELETE FROM posting")
    with Sessions(engine).reading() as session:
        work = Work(session=session, actor=None, now=None, random=None, zone=None)  # type: ignore[arg-type]
        assert {"posting_no_update", "posting_no_delete"} <= set(missing_triggers(work))
    engine.dispose()
