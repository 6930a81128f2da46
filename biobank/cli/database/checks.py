"""What `biobank db check` looks at, on both databases."""

from __future__ import annotations

import stat
from collections.abc import Iterator, Sequence
from pathlib import Path

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect, text
from sqlalchemy.exc import DBAPIError

from biobank.app import METADATA, alembic_config
from biobank.cli.database import privileges
from biobank.cli.database.findings import Lack
from biobank.cli.database.roles import VERSION
from biobank.core.db import make_engine
from biobank.core.work import Work
from biobank.ledger.queries import has_schema, missing_triggers
from biobank.ledger.rules import APPEND_ONLY
from biobank.settings import Settings

UPGRADE = "biobank db upgrade"
RESTORE = "biobank restore a backup into a new database, or find out who changed it first"
# pragma -> (what it must give, what goes wrong otherwise). What our own connections get.
PRAGMAS: dict[str, tuple[tuple[object, ...], str]] = {
    "journal_mode": (("wal",), "readers and the writer stop each other"),
    "synchronous": ((2, 3), "a power cut loses what was acknowledged"),
    "foreign_keys": ((1,), "rows can name others that do not exist"),
    "recursive_triggers": ((1,), "INSERT OR REPLACE slips past the triggers that forbid deleting"),
}
# setting -> (values that lose something, what is lost).
SERVER = {
    "fsync": (("off",), "a power cut can destroy the database"),
    "full_page_writes": (("off",), "a power cut can destroy pages"),
    "synchronous_commit": (("off",), "a killed database loses what was acknowledged"),
}
_HIDING = text(
    "SELECT t.tgname AS name, c.relname AS on, 'trigger' AS what FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid "
    "WHERE NOT t.tgisinternal AND c.relnamespace = 'public'::regnamespace AND c.relname = ANY(:tables) "
    "UNION ALL SELECT r.rulename, c.relname, 'rule' FROM pg_rewrite r JOIN pg_class c ON c.oid = r.ev_class "
    "WHERE c.relnamespace = 'public'::regnamespace AND c.relname = ANY(:tables) AND c.relkind IN ('r', 'p') "
    "UNION ALL SELECT 'row security', c.relname, 'row security' FROM pg_class c "
    "WHERE c.relnamespace = 'public'::regnamespace AND c.relname = ANY(:tables) AND c.relrowsecurity ORDER BY 2, 1"
)
_HIDING_SQLITE = text("SELECT name, tbl_name AS 'on', 'trigger' AS what FROM sqlite_master WHERE type = 'trigger' ORDER BY 2, 1")


def lacks(work: Work, settings: Settings) -> Iterator[Lack]:
    """Everything that is missing or should not be there."""
    if not has_schema(work):
        yield Lack("there are no tables", "biobank init")
        return
    connection = work.session.connection()
    postgresql = connection.dialect.name == "postgresql"
    if postgresql:
        role: str = connection.execute(text("SELECT current_user")).scalar_one()
        yield from privileges.lacks(connection, role)
        yield from _server(connection, role)
        if not connection.execute(text("SELECT has_table_privilege(:table, 'SELECT')"), {"table": VERSION}).scalar_one():
            return
    else:
        yield from _sqlite(connection, settings)
    yield from _tables(connection)
    for name in missing_triggers(work):
        yield Lack(f"the trigger {name} is missing, not enabled, or not as it was made: entries could be changed", RESTORE)
    yield from _hiding(connection)
    if postgresql and settings.replica_url:
        yield from _replica(connection, settings)


def _tables(connection: Connection) -> Iterator[Lack]:
    head = ScriptDirectory.from_config(alembic_config()).get_current_head()
    context = MigrationContext.configure(connection, opts={"compare_type": True})
    met = context.get_current_revision() if inspect(connection).has_table(VERSION) else None
    if met != head:
        yield Lack(f"the tables are at revision {met or 'none'}, this release needs {head}", UPGRADE)
        return
    for difference in compare_metadata(context, METADATA):
        for what, *on in difference if isinstance(difference, list) else [difference]:
            # Said from the side of the models: what would have to be added is missing. What a site added itself takes nothing away.
            verb, _, thing = what.partition("_")
            if verb != "remove":
                yield Lack(f"the {thing} {_named(on)} {'is missing' if verb == 'add' else 'is not as this release makes it'}", RESTORE)


def _named(on: Sequence[object]) -> str:
    names = [one if isinstance(one, str) else getattr(one, "name", None) for one in on]
    return " ".join(name for name in names if name) or str(on[0])


def _hiding(connection: Connection) -> Iterator[Lack]:
    """A trigger, rule or policy that nobody of ours made can swallow a write without a word."""
    if connection.dialect.name == "sqlite":
        rows = connection.execute(_HIDING_SQLITE).all()
        ours = {f"{table}_no_{what}" for table in APPEND_ONLY for what in ("update", "delete")}
    else:
        rows = connection.execute(_HIDING, {"tables": [*METADATA.tables]}).all()
        ours = {f"{table}_no_{what}" for table in APPEND_ONLY for what in ("change", "truncate")}
    for row in rows:
        if row.name not in ours:
            mend = f"as the owner: {_dropping(connection.dialect.name, row.what, row.name, row.on)}"
            yield Lack(f"{row.on} has a {row.what} that is not ours ({row.name}): it could hide a write", mend)


def _dropping(dialect: str, what: str, name: str, table: str) -> str:
    if what == "row security":
        return f"ALTER TABLE {table} DISABLE ROW LEVEL SECURITY;"
    return f"DROP {what.upper()} {name}{f' ON {table}' if dialect == 'postgresql' else ''};"


def _server(connection: Connection, role: str) -> Iterator[Lack]:
    for name, (bad, why) in SERVER.items():
        met = connection.execute(text("SELECT current_setting(:name)"), {"name": name}).scalar_one()
        if met in bad:
            where = f"ALTER ROLE {role} RESET {name}; and in postgresql.conf" if name == "synchronous_commit" else "in postgresql.conf"
            yield Lack(f"{name} is {met}: {why}", f"{where}: {name} = on")
    encoding = connection.execute(text("SELECT current_setting('server_encoding')")).scalar_one()
    if encoding != "UTF8":
        yield Lack(f"the database is encoded in {encoding}", "make it anew: CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0;")
    if connection.execute(text("SELECT pg_is_in_recovery()")).scalar_one():
        yield Lack("the database is a replica: nothing can be written", "let database_url name the primary, and replica_url the replica")


def _replica(connection: Connection, settings: Settings) -> Iterator[Lack]:
    which = text("SELECT system_identifier FROM pg_control_system()")
    mend = "see docs/replica.md, or set replica_url = \"\""
    engine = make_engine(settings.replica_url)
    try:
        with engine.connect() as replica:
            if not replica.execute(text("SELECT pg_is_in_recovery()")).scalar_one():
                yield Lack("replica_url names a database that is no replica", mend)
            elif replica.execute(which).scalar_one() != connection.execute(which).scalar_one():
                yield Lack("replica_url names a replica of another server", mend)
    except DBAPIError:
        yield Lack("the replica does not answer: reads are served from the primary", mend)
    finally:
        engine.dispose()


def _sqlite(connection: Connection, settings: Settings) -> Iterator[Lack]:
    for name, (right, why) in PRAGMAS.items():
        met = connection.exec_driver_sql(f"PRAGMA {name}").scalar_one()
        if met not in right:
            yield Lack(f"{name} is {met}: {why}", "put the database on a local disk that SQLite can lock, then run “biobank db check” again")
    database = connection.engine.url.database
    beside = [Path(f"{database}{ending}") for ending in ("", "-wal", "-shm")] if database and database != ":memory:" else []
    for path in [*beside, settings.secret_file, settings.access_log]:
        if path.exists() and stat.S_IMODE(path.stat().st_mode) & stat.S_IRWXO:
            yield Lack(f"{path} can be opened by everybody on this machine", f"chmod o-rwx {path}")
