"""Engines and column types.

SQLite: the driver's own transaction handling is switched off, and a listener begins each transaction, IMMEDIATE for writing units.
The driver's default mode forked custody chains silently when many processes wrote; a plain BEGIN failed with "database is locked".
A file lock (the gate) stands before it, because writers that wait busily starve one another.

PostgreSQL: what decides how names are looked up and how values are written is set on every connection, whatever the role, the database
or the environment say. Temporary tables come last in the search path, so that none ever stands before a table of ours.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from functools import partial
from typing import Any

from sqlalchemy import URL, BigInteger, DateTime, Dialect, Engine, Integer, MetaData, Row, TypeDecorator, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.orm import DeclarativeBase, Session

from biobank.core.trouble import DatabaseAway, trouble_of

# A row of a query, whatever its columns.
AnyRow = Row[*tuple[Any, ...]]
BigInt = BigInteger().with_variant(Integer, "sqlite")

SQLITE_PRAGMAS = (
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=FULL",
    "PRAGMA foreign_keys=ON",
    # Without it INSERT OR REPLACE deletes the old row past the trigger that forbids deleting.
    "PRAGMA recursive_triggers=ON",
    "PRAGMA busy_timeout=30000",
    # Temporary tables in memory: sorting never needs a second disk.
    "PRAGMA temp_store=MEMORY",
)

# pg_catalog is looked at first by itself; pg_temp would be, were it not named last.
POSTGRESQL_SESSION = {
    "search_path": "public, pg_temp",
    "timezone": "UTC",
    "datestyle": "ISO, YMD",
    "default_transaction_isolation": "read committed",
}
LISTS = ("search_path", "datestyle")
# Seconds to wait for a connection; without it a machine that is gone holds every request for minutes.
CONNECT_TIMEOUT = 5


class Base(DeclarativeBase):
    """Base of all tables; constraint names are fixed so that migrations can name them."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


class UTCTime(TypeDecorator[datetime]):
    """An aware UTC time. Naive values are refused, because SQLite drops offsets without converting."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """To UTC; naive for SQLite, aware for PostgreSQL."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"a time without an offset cannot be stored: {value!r}")
        utc = value.astimezone(UTC)
        return utc.replace(tzinfo=None) if dialect.name == "sqlite" else utc

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Aware UTC, whatever the database's session zone."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def make_engine(url: str) -> Engine:
    """An engine for SQLite or PostgreSQL with the settings this ledger needs. The URL is an SQLAlchemy one; `postgresql://` means psycopg 3."""
    parsed = make_url(url)
    if parsed.get_backend_name() == "postgresql":
        return _postgresql_engine(parsed)
    engine = create_engine(
        parsed, pool_size=8, max_overflow=8, hide_parameters=True, connect_args={"isolation_level": None, "check_same_thread": False, "timeout": 30}
    )
    if parsed.database and parsed.database != ":memory:":
        event.listen(engine, "do_connect", partial(_keep_private, parsed.database))
    event.listen(engine, "connect", _set_pragmas)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _postgresql_engine(url: URL) -> Engine:
    arguments: dict[str, Any] = {
        "options": " ".join(f"-c {name}={value.replace(' ', chr(92) + ' ')}" for name, value in POSTGRESQL_SESSION.items()),
        "client_encoding": "utf8",
    }
    if "connect_timeout" not in url.query:
        arguments["connect_timeout"] = CONNECT_TIMEOUT
    engine = create_engine(
        url.set(drivername="postgresql+psycopg"), pool_pre_ping=True, pool_size=8, max_overflow=8, hide_parameters=True, connect_args=arguments
    )
    event.listen(engine, "connect", _set_session)
    return engine


def _set_session(connection: Any, _record: Any) -> None:
    # Again, because PGDATESTYLE and PGTZ in the environment go before the options of the address.
    connection.execute("; ".join(f"SET {name} = {value if name in LISTS else repr(value)}" for name, value in POSTGRESQL_SESSION.items()))
    connection.commit()


def _keep_private(path: str, _dialect: Any, _record: Any, _arguments: Any, _options: Any) -> None:
    # SQLite gives its -wal and -shm files the permissions of the database.
    with suppress(OSError):
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))


def _set_pragmas(connection: Any, _record: Any) -> None:
    for pragma in SQLITE_PRAGMAS:
        connection.execute(pragma)


def _begin_sqlite(connection: Any) -> None:
    writes = connection.get_execution_options().get("writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def reading_engine(engine: Engine) -> Engine:
    """The engine for units that only read: all their queries see one moment, as on SQLite, so that verifying beside writers finds no fault."""
    if engine.dialect.name == "sqlite":
        return engine
    return engine.execution_options(postgresql_readonly=True, isolation_level="REPEATABLE READ")


class Sessions:
    """Opens sessions on an engine: one that writes, one that only reads."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._writer = engine.execution_options(writes=True)
        self.reader = reading_engine(engine)
        database = engine.url.database
        self._gate = f"{database}.gate" if engine.dialect.name == "sqlite" and database and database != ":memory:" else None

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """A session whose transaction may write; committed by whoever opened it, else rolled back."""
        with self._waiting_at_the_gate(), Session(self._writer, expire_on_commit=False) as session:
            yield session

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """A session that is rolled back at its end."""
        with Session(self.reader, autoflush=False) as session:
            yield session

    @contextmanager
    def _waiting_at_the_gate(self) -> Iterator[None]:
        if self._gate is None:
            yield
            return
        try:
            handle = os.open(self._gate, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise trouble_of(error) or DatabaseAway() from error
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)
