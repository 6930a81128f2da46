"""Triggers that were taken away, switched off, or put back under their own name with nothing in them."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from sqlalchemy import Connection, text

from biobank.app import make_units, upgrade_database
from biobank.core.db import make_engine
from biobank.core.work import Units
from biobank.ledger import queries
from biobank.ledger.rules import APPEND_ONLY
from biobank.settings import load_settings
from tests.conftest import Rehearsal


def ground(url: str, folder: object) -> Iterator[tuple[Units, Connection]]:
    """A migrated database whose changes are taken back."""
    upgrade_database(url)
    engine = make_engine(url).execution_options(writes=True)
    with engine.connect() as connection:
        yield make_units(load_settings(folder, url), sessions=Rehearsal(connection)), connection  # type: ignore[arg-type]
    engine.dispose()


@pytest.fixture(scope="module")
def on_sqlite(new_database: Callable[[str, str], str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Units, Connection]]:
    yield from ground(new_database("sqlite", "triggers"), tmp_path_factory.mktemp("triggers"))


@pytest.fixture(scope="module")
def on_postgresql(new_database: Callable[[str, str], str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Units, Connection]]:
    yield from ground(new_database("postgresql", "triggers"), tmp_path_factory.mktemp("triggers"))


def faults(where: tuple[Units, Connection], *statements: str) -> dict[str, str]:
    """What is wrong after these statements, which are taken back."""
    units, connection = where
    connection.rollback()
    outer = connection.begin()
    try:
        for statement in statements:
            connection.execute(text(statement))
        with units.read() as work:
            return dict(queries.trigger_faults(work))
    finally:
        outer.rollback()


@pytest.mark.sqlite
def test_as_migrated_all_are_ours_on_sqlite(on_sqlite: tuple[Units, Connection]) -> None:
    assert faults(on_sqlite) == {}
    missing = faults(on_sqlite, *(f"DROP TRIGGER {table}_no_{what}" for table in APPEND_ONLY for what in ("update", "delete")))
    assert missing == {f"{table}_no_{what}": "is missing" for table in APPEND_ONLY for what in ("update", "delete")}


@pytest.mark.sqlite
@pytest.mark.parametrize("table", APPEND_ONLY)
@pytest.mark.parametrize(
    "made",
    [
        "BEFORE UPDATE ON {table} BEGIN SELECT 1; END", "AFTER INSERT ON {table} BEGIN SELECT 1; END",
        "BEFORE UPDATE ON {table} WHEN 0 BEGIN SELECT RAISE(ABORT, 'table {table} is append-only: update is refused'); END",
        "BEFORE UPDATE OF rowid ON {table} BEGIN SELECT RAISE(ABORT, 'table {table} is append-only: update is refused'); END",
    ],
)
def test_a_trigger_of_the_same_name_that_does_something_else_is_found(on_sqlite: tuple[Units, Connection], table: str, made: str) -> None:
    if "rowid" in made:
        made = made.replace("rowid", {"entry": "act", "posting": "amount", "leaf": "seq", "node": "hash", "checkpoint": "note"}[table])
    name = f"{table}_no_update"
    assert faults(on_sqlite, f"DROP TRIGGER {name}", f"CREATE TRIGGER {name} " + made.format(table=table)) == {
        name: "is not as it was made: it does something else"
    }


@pytest.mark.sqlite
def test_a_trigger_that_is_none_of_ours_is_found_on_sqlite(on_sqlite: tuple[Units, Connection]) -> None:
    assert "none of ours" in faults(on_sqlite, "CREATE TRIGGER quiet BEFORE INSERT ON entry BEGIN SELECT RAISE(IGNORE); END")["quiet"]


EVERY = {f"{table}_no_{what}" for table in APPEND_ONLY for what in ("change", "truncate")}
FUNCTION = "CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql {more} AS $$ {body} $$"
OURS = "\nBEGIN\n  RAISE EXCEPTION 'table % is append-only: % is refused', TG_TABLE_NAME, TG_OP;\nEND "


@pytest.mark.postgresql
def test_as_migrated_all_are_ours_on_postgresql(on_postgresql: tuple[Units, Connection]) -> None:
    assert faults(on_postgresql) == {}


@pytest.mark.postgresql
@pytest.mark.parametrize(
    "statement",
    [
        FUNCTION.format(more="SET search_path = pg_catalog", body="BEGIN RETURN NEW; END"),
        f"CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $${OURS}$$",
        "ALTER FUNCTION refuse_change() SET search_path = public, pg_catalog", "ALTER FUNCTION refuse_change() RESET search_path",
        "ALTER FUNCTION refuse_change() SECURITY DEFINER", "ALTER FUNCTION refuse_change() SET work_mem = '1MB'",
    ],
    ids=["another body", "no search_path", "another search_path", "search_path reset", "definer", "another setting"],
)
def test_a_doctored_function_is_found(on_postgresql: tuple[Units, Connection], statement: str) -> None:
    assert faults(on_postgresql, statement).keys() == EVERY


@pytest.mark.postgresql
@pytest.mark.parametrize(
    "statements",
    [
        ("ALTER TABLE leaf DISABLE TRIGGER leaf_no_change",), ("ALTER TABLE leaf ENABLE TRIGGER leaf_no_change",),
        ("ALTER TABLE leaf ENABLE REPLICA TRIGGER leaf_no_change",), ("DROP TRIGGER leaf_no_change ON leaf",),
        ("DROP TRIGGER leaf_no_change ON leaf", "CREATE TRIGGER leaf_no_change BEFORE UPDATE ON leaf FOR EACH ROW EXECUTE FUNCTION refuse_change()",
         "ALTER TABLE leaf ENABLE ALWAYS TRIGGER leaf_no_change"),
        ("DROP TRIGGER leaf_no_change ON leaf",
         "CREATE TRIGGER leaf_no_change BEFORE UPDATE OF seq OR DELETE ON leaf FOR EACH ROW EXECUTE FUNCTION refuse_change()",
         "ALTER TABLE leaf ENABLE ALWAYS TRIGGER leaf_no_change"),
        ("DROP TRIGGER leaf_no_change ON leaf",
         "CREATE TRIGGER leaf_no_change BEFORE UPDATE OR DELETE ON leaf FOR EACH ROW WHEN (OLD.seq < 0) EXECUTE FUNCTION refuse_change()",
         "ALTER TABLE leaf ENABLE ALWAYS TRIGGER leaf_no_change"),
        ("CREATE FUNCTION nothing() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$", "DROP TRIGGER leaf_no_change ON leaf",
         "CREATE TRIGGER leaf_no_change BEFORE UPDATE OR DELETE ON leaf FOR EACH ROW EXECUTE FUNCTION nothing()",
         "ALTER TABLE leaf ENABLE ALWAYS TRIGGER leaf_no_change"),
        ("CREATE SCHEMA other", FUNCTION.format(more="", body="BEGIN RETURN NEW; END").replace("refuse_change", "other.refuse_change"),
         "DROP TRIGGER leaf_no_change ON leaf",
         "CREATE TRIGGER leaf_no_change BEFORE UPDATE OR DELETE ON leaf FOR EACH ROW EXECUTE FUNCTION other.refuse_change()",
         "ALTER TABLE leaf ENABLE ALWAYS TRIGGER leaf_no_change"),
    ],
    ids=["disabled", "not always", "replica only", "dropped", "update only", "one column", "when", "another function", "another schema"],
)
def test_a_doctored_trigger_is_found(on_postgresql: tuple[Units, Connection], statements: tuple[str, ...]) -> None:
    assert faults(on_postgresql, *statements).keys() == {"leaf_no_change"}


@pytest.mark.postgresql
@pytest.mark.parametrize(
    ("name", "statement"),
    [
        ("quiet", "CREATE TRIGGER quiet AFTER INSERT ON entry FOR EACH ROW EXECUTE FUNCTION refuse_change()"),
        ("away", "CREATE RULE away AS ON INSERT TO leaf DO INSTEAD NOTHING"),
    ],
)
def test_a_trigger_or_rule_that_is_none_of_ours_is_found(on_postgresql: tuple[Units, Connection], name: str, statement: str) -> None:
    assert "none of ours" in faults(on_postgresql, statement)[name]
