"""All tables of a PostgreSQL database as they stood at one moment, and putting them back; needs no program beside the driver.

COPY in the binary form: it depends on no setting of the session (time zone, date style), and bytes are not written as twice as many letters.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from alembic import command
from psycopg import Connection as Driver
from psycopg.sql import SQL, Identifier
from sqlalchemy import Connection, inspect

from biobank.app import METADATA, alembic_config
from biobank.cli.backups.archive import BackupDamaged, Progress, Reader, Writer
from biobank.core.db import make_engine
from biobank.core.errors import Conflict

Ask = Callable[[str], list[Any]]
SERIALS = """
SELECT c.relname, a.attname, pg_get_serial_sequence(quote_ident(c.relname), a.attname)
FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
WHERE c.relkind = 'r' AND c.relnamespace = current_schema()::regnamespace
AND pg_get_serial_sequence(quote_ident(c.relname), a.attname) IS NOT NULL
"""


class TablesThere(Conflict):
    """The database is not empty."""

    message = "The database has tables already (%(tables)s …). Restore into a new, empty database. Nothing was restored."


def insist_on_none(url: str) -> None:
    """Raises TablesThere."""
    engine = make_engine(url)
    try:
        with engine.connect() as connection:
            _insist(connection)
    finally:
        engine.dispose()


def _insist(connection: Connection) -> None:
    names = sorted(inspect(connection).get_table_names())
    if names:
        raise TablesThere(tables=", ".join(names[:3]))


def _driver(connection: Connection) -> Driver[Any]:
    driver: Driver[Any] = connection.connection.driver_connection  # type: ignore[assignment]
    return driver


@contextmanager
def snapshot(url: str) -> Iterator[tuple[Ask, Driver[Any]]]:
    """One transaction that sees one moment and only reads, and a way to ask in it."""
    engine = make_engine(url)
    try:
        with engine.connect().execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True) as connection:
            yield lambda query: list(connection.exec_driver_sql(query).all()), _driver(connection)
    finally:
        engine.dispose()


def dump(driver: Driver[Any], archive: Writer, progress: Progress) -> dict[str, Any]:
    """Put every table into the archive; columns and rows by table, in the order in which they can be put back."""
    tables: dict[str, Any] = {}
    for table in METADATA.sorted_tables:
        columns = [column.name for column in table.columns]
        query = SQL("COPY {} ({}) TO STDOUT (FORMAT binary)").format(Identifier(table.name), SQL(", ").join(map(Identifier, columns)))
        with archive.member(_member(table.name)) as member, driver.cursor() as cursor:
            with cursor.copy(query) as copy:
                for row in copy:
                    member.write(row)
                    progress(len(row))
            tables[table.name] = {"rows": cursor.rowcount, "columns": columns, "place": len(tables)}
    return tables


def _member(table: str) -> str:
    return f"tables/{table}.copy"


def fill(url: str, archive: Reader, progress: Progress) -> None:
    """All in one transaction: the tables as the backup's version had them, their rows, the sequences, and then the newest migration."""
    engine = make_engine(url)
    try:
        with engine.begin() as connection:
            _insist(connection)
            command.upgrade(alembic_config(connection), archive.manifest["revision"])
            driver = _driver(connection)
            tables = sorted(archive.manifest["tables"].items(), key=lambda item: int(item[1]["place"]))
            # A migration may have laid first rows, which the backup has too.
            for name, _ in reversed(tables):
                driver.execute(SQL("DELETE FROM {}").format(Identifier(name)))
            for name, told in tables:
                _fill_table(driver, archive, name, told, progress)
            _set_sequences(driver)
            command.upgrade(alembic_config(connection), "head")
            driver.execute("ANALYZE")
    finally:
        engine.dispose()


def _fill_table(driver: Driver[Any], archive: Reader, name: str, told: dict[str, Any], progress: Progress) -> None:
    query = SQL("COPY {} ({}) FROM STDIN (FORMAT binary)").format(Identifier(name), SQL(", ").join(map(Identifier, told["columns"])))
    with driver.cursor() as cursor:
        with cursor.copy(query) as copy:
            for chunk in archive.chunks(_member(name)):
                copy.write(chunk)
                progress(len(chunk))
        if cursor.rowcount != told["rows"]:
            raise BackupDamaged(file=archive.path, why=f"the table {name} has {cursor.rowcount} rows, the manifest says {told['rows']}")


def _set_sequences(driver: Driver[Any]) -> None:
    for table, column, sequence in driver.execute(SERIALS).fetchall():
        newest = SQL("(SELECT coalesce(max({}), 0) + 1 FROM {})").format(Identifier(column), Identifier(table))
        driver.execute(SQL("SELECT setval({}::regclass, {}, false)").format(sequence, newest))
