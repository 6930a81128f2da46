"""The database itself refuses to change or delete what was written."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from biobank.app import upgrade_database
from biobank.core.db import make_engine
from tests.ledger.conftest import Evidence

ENTRY = (
    "INSERT {or_} INTO entry (chain_id, seq, body, previous, hash, act, occurred_at, recorded_at) "
    "VALUES (1, 1, {body}, '0', 'h', 'register', '2026-11-20 09:00:00', '2026-11-20 09:00:00')"
)


@pytest.mark.parametrize("table", ["entry", "posting"])
@pytest.mark.parametrize("statement", ["UPDATE {table} SET seq = seq", "UPDATE {table} SET chain_id = chain_id WHERE seq = 1", "DELETE FROM {table}"])
def test_update_and_delete_are_refused(refuses: Callable[[str], None], table: str, statement: str) -> None:
    refuses(statement.format(table=table))


def test_the_refusal_leaves_everything_in_place(evidence: Evidence, refuses: Callable[[str], None]) -> None:
    refuses("DELETE FROM entry WHERE seq = 6")
    assert evidence.findings() == []


@pytest.fixture(scope="module")
def sqlite(new_database: Callable[[str, str], str]) -> Iterator[Connection]:
    """A migrated SQLite with one entry."""
    yield from _with_one_entry(new_database("sqlite", "append_only"), "X'7B7D'")


@pytest.fixture(scope="module")
def postgres(new_database: Callable[[str, str], str]) -> Iterator[Connection]:
    """A migrated PostgreSQL with one entry."""
    yield from _with_one_entry(new_database("postgresql", "append_only"), "'{{}}'")


def _with_one_entry(url: str, body: str) -> Iterator[Connection]:
    upgrade_database(url)
    engine = make_engine(url).execution_options(writes=True)
    with engine.connect() as connection:
        connection.execute(text("INSERT INTO chain (id, kind, ref, last_seq, last_hash) VALUES (1, 'test', 'x', 1, 'h')"))
        connection.exec_driver_sql(ENTRY.format(or_="", body=body).replace("{{}}", "{}"))
        connection.commit()
        yield connection
    engine.dispose()


@pytest.mark.sqlite
@pytest.mark.parametrize("or_", ["OR REPLACE", "OR ROLLBACK", ""])
def test_insert_or_replace_does_not_slip_past_the_trigger(sqlite: Connection, or_: str) -> None:
    with pytest.raises(DBAPIError):
        sqlite.exec_driver_sql(ENTRY.format(or_=or_, body="X'00'"))
    sqlite.rollback()
    assert sqlite.exec_driver_sql("SELECT body FROM entry").scalar_one() == b"{}"


@pytest.mark.sqlite
def test_every_connection_has_recursive_triggers(sqlite: Connection) -> None:
    assert sqlite.exec_driver_sql("PRAGMA recursive_triggers").scalar_one() == 1
    sqlite.rollback()


@pytest.mark.postgresql
@pytest.mark.parametrize(
    "statement",
    [
        "TRUNCATE entry CASCADE", "TRUNCATE posting", "SET LOCAL session_replication_role = replica; DELETE FROM entry",
        "SET LOCAL session_replication_role = replica; UPDATE entry SET act = 'x'",
        "SET LOCAL session_replication_role = replica; TRUNCATE entry CASCADE",
        "INSERT INTO entry SELECT * FROM entry ON CONFLICT (chain_id, seq) DO UPDATE SET act = 'x'",
    ],
)
def test_truncate_and_replica_mode_are_refused_too(postgres: Connection, statement: str) -> None:
    with pytest.raises(DBAPIError, match="append-only"):
        postgres.exec_driver_sql(statement)
    postgres.rollback()
    assert postgres.exec_driver_sql("SELECT count(*) FROM entry WHERE act = 'register'").scalar_one() == 1
    postgres.rollback()
