"""What the service's role cannot do, whatever is sent through it; and what nobody can do while the triggers stand."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from random import Random
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError

from biobank.app import make_units
from biobank.cli.database import prepare
from biobank.cli.instance import lay_ground
from biobank.core.clock import SetClock
from biobank.core.db import Sessions, make_engine
from biobank.core.work import Units
from biobank.ledger import service as ledger
from biobank.ledger.rules import APPEND_ONLY, Line
from biobank.settings import load_settings
from tests import cast
from tests.availability import stock
from tests.conftest import NOW
from tests.postgresql.site import Site, as_, asked, statements

pytestmark = pytest.mark.postgresql

# table -> its primary key and a column that is not in it.
COLUMNS = {
    "entry": ("chain_id, seq", "act"), "posting": ("chain_id, seq, line", "account"), "leaf": ("leaf_index", "seq"),
    "node": ("level, node_index", "hash"), "checkpoint": ("size", "note"),
}
# What would change a row, in every way that PostgreSQL has.
CHANGES = {
    "update": "UPDATE {table} SET {column} = {column}",
    "delete": "DELETE FROM {table}",
    "truncate": "TRUNCATE {table} CASCADE",
    "upsert": "INSERT INTO {table} SELECT * FROM {table} LIMIT 1 ON CONFLICT ({key}) DO UPDATE SET {column} = excluded.{column}",
    "merge-update": "MERGE INTO {table} USING (SELECT 1) AS one ON true WHEN MATCHED THEN UPDATE SET {column} = {table}.{column}",
    "merge-delete": "MERGE INTO {table} USING (SELECT 1) AS one ON true WHEN MATCHED THEN DELETE",
    "with": "WITH gone AS (DELETE FROM {table} RETURNING 1) SELECT count(*) FROM gone",
    "replica-update": "SET LOCAL session_replication_role = replica; UPDATE {table} SET {column} = {column}",
    "replica-delete": "SET LOCAL session_replication_role = replica; DELETE FROM {table}",
    "replica-truncate": "SET LOCAL session_replication_role = replica; TRUNCATE {table} CASCADE",
}
# What would take the guard away, or the table.
UNGUARDING = {
    "disable": "ALTER TABLE {table} DISABLE TRIGGER {table}_no_change",
    "disable-all": "ALTER TABLE {table} DISABLE TRIGGER ALL",
    "disable-user": "ALTER TABLE {table} DISABLE TRIGGER USER",
    "drop-trigger": "DROP TRIGGER {table}_no_change ON {table}",
    "drop": "DROP TABLE {table} CASCADE",
    "rename": "ALTER TABLE {table} RENAME TO was",
    "move": "ALTER TABLE {table} SET SCHEMA pg_temp",
    "own": "ALTER TABLE {table} OWNER TO CURRENT_USER",
    "rule": "CREATE RULE hide AS ON INSERT TO {table} DO INSTEAD NOTHING",
    "trigger": "CREATE TRIGGER hide BEFORE INSERT ON {table} FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()",
    "row-security": "ALTER TABLE {table} ENABLE ROW LEVEL SECURITY",
    "inherit": "CREATE TABLE public.below () INHERITS ({table})",
    "lock-row": "SELECT 1 FROM {table} FOR UPDATE",
    "lock": "LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE",
    "temporary": "CREATE TEMPORARY TABLE {table} (LIKE public.{table})",
    "temporary-as": "CREATE TEMP TABLE {table} AS SELECT * FROM public.{table}",
    "temporary-into": "SELECT * INTO TEMP {table} FROM public.{table}",
    "temporary-view": "CREATE TEMPORARY VIEW {table} AS SELECT 1",
    "named-pg-temp": "CREATE TABLE pg_temp.{table} (LIKE public.{table})",
    "copy-program": "COPY {table} FROM PROGRAM 'true'",
    "copy-file": "COPY {table} TO '/tmp/taken'",
}
# What would reach past the tables.
REACHING = [
    "SET session_replication_role = replica", "CREATE TEMP TABLE chain (id bigint)", "CREATE TEMP TABLE standing (id bigint)",
    "CREATE TEMP SEQUENCE chain_id_seq", "CREATE SCHEMA hidden", "CREATE TABLE public.hidden (x int)", "CREATE VIEW public.hidden AS SELECT 1",
    "CREATE FUNCTION public.hidden() RETURNS int LANGUAGE sql AS 'SELECT 1'", "CREATE TYPE public.hidden AS ENUM ('a')",
    "CREATE FUNCTION pg_temp.hidden() RETURNS int LANGUAGE sql AS 'SELECT 1'", "CREATE SEQUENCE public.hidden",
    "CREATE OPERATOR public.= (LEFTARG = bytea, RIGHTARG = bytea, FUNCTION = byteaeq)",
    "CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'",
    "ALTER FUNCTION refuse_change() RESET search_path", "DROP FUNCTION refuse_change() CASCADE", "SET ROLE {owner}",
    "SET SESSION AUTHORIZATION {owner}", "SET ROLE postgres", "GRANT {owner} TO {role}", "ALTER ROLE {role} SUPERUSER",
    "ALTER ROLE {owner} PASSWORD 'x'", "CREATE ROLE another",
    "ALTER DATABASE {database} SET search_path = pg_temp", "ALTER SYSTEM SET fsync = off", "CREATE EXTENSION dblink",
    "CREATE EVENT TRIGGER hide ON ddl_command_end EXECUTE FUNCTION refuse_change()",
    "COPY (SELECT 1) TO PROGRAM 'true'", "COPY (SELECT 1) TO '/tmp/taken'", "SELECT lo_import('/etc/hostname')", "SELECT lo_export(1, '/tmp/taken')",
    "SELECT pg_read_file('/etc/hostname')", "SELECT pg_ls_dir('/')", "SELECT pg_terminate_backend(pg_postmaster_start_time()::text::int)",
    "CREATE PUBLICATION everything FOR ALL TABLES", "CREATE SUBSCRIPTION other CONNECTION 'host=x' PUBLICATION y", "SELECT pg_switch_wal()",
    "UPDATE alembic_version SET version_num = '0001'", "DELETE FROM alembic_version", "UPDATE pg_trigger SET tgenabled = 'D'",
    "ALTER INDEX pk_entry RENAME TO x", "REINDEX TABLE entry",
]


@pytest.fixture(scope="module")
def site(new_site: Callable[[], Site], tmp_path_factory: pytest.TempPathFactory) -> Site:
    """A site of its own: what these tests write is committed, and the shared one is for tests that take all of it back."""
    made = new_site()
    prepare(load_settings(tmp_path_factory.mktemp("refused"), made.application), made.owner)
    return made


@pytest.fixture(scope="module")
def filled(site: Site, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Units]:
    """A tube with two aliquots, committed by the service; and a row in each append-only table that sealing fills."""
    settings = load_settings(tmp_path_factory.mktemp("filled"), site.application)
    engine = make_engine(site.application)
    units = make_units(settings, clock=SetClock(NOW), random=Random(3), sessions=Sessions(engine))
    with units.write() as work:
        lay_ground(work)
        cast.seat(work)
        work.actor = stock.cast(work, "manager")
        stock.aliquots(work, stock.draw(work, stock.child(work, 1)), 2)
    statements(
        site.application, "INSERT INTO leaf SELECT 0, chain_id, seq FROM entry ORDER BY chain_id, seq LIMIT 1",
        "INSERT INTO node VALUES (8, 0, decode(repeat('00', 32), 'hex'))",
        "INSERT INTO checkpoint VALUES (1, decode(repeat('00', 32), 'hex'), 'note')",
    )
    yield units
    engine.dispose()


@pytest.fixture(scope="module")
def engines(site: Site, filled: Units) -> Iterator[dict[str, Engine]]:
    """Engines of the application, the owner and the superuser."""
    made = {who: make_engine(getattr(site, who)) for who in ("application", "owner", "superuser")}
    yield made
    for engine in made.values():
        engine.dispose()


def refused(engine: Engine, statement: str, words: str) -> None:
    """The statement fails for the right reason and leaves nothing."""
    with engine.connect() as connection, pytest.raises(DBAPIError, match=words):
        connection.exec_driver_sql(statement)


def filling(statement: str, table: str) -> str:
    key, column = COLUMNS[table]
    return statement.format(table=table, key=key, column=column)


@pytest.fixture(scope="module")
def before(engines: dict[str, Engine]) -> dict[str, Any]:
    """How many rows there were."""
    return counts(engines["superuser"])


def counts(engine: Engine) -> dict[str, Any]:
    """Rows of each append-only table, and what their triggers are."""
    with engine.connect() as connection:
        every = "SELECT md5(string_agg(t::text, '|' ORDER BY t)) FROM {} t"
        found: dict[str, Any] = {table: connection.exec_driver_sql(every.format(table)).scalar() for table in APPEND_ONLY}
        found["triggers"] = connection.exec_driver_sql("SELECT tgname, tgenabled FROM pg_trigger WHERE NOT tgisinternal ORDER BY 1").all()
    return found


def test_the_tests_know_every_append_only_table_and_each_has_a_row(engines: dict[str, Engine], before: dict[str, Any]) -> None:
    assert set(COLUMNS) == set(APPEND_ONLY)
    assert all(before[table] for table in APPEND_ONLY)


@pytest.mark.parametrize("way", [*CHANGES, *UNGUARDING])
@pytest.mark.parametrize("table", APPEND_ONLY)
def test_the_service_cannot_change_what_was_written(engines: dict[str, Engine], before: dict[str, Any], table: str, way: str) -> None:
    refused(engines["application"], filling((CHANGES | UNGUARDING)[way], table), "permission denied|must be owner|must be superuser")
    assert counts(engines["superuser"]) == before


def test_the_service_cannot_give_itself_a_right(site: Site) -> None:
    # PostgreSQL says so in a warning and changes nothing.
    statements(site.application, *(f"GRANT UPDATE, DELETE, TRUNCATE ON {table} TO {site.role}" for table in APPEND_ONLY))
    for table in APPEND_ONLY:
        assert asked(site.superuser, f"SELECT has_table_privilege('{site.role}', '{table}', 'UPDATE, DELETE, TRUNCATE')") is False


@pytest.mark.parametrize("statement", REACHING)
def test_the_service_cannot_reach_past_its_tables(site: Site, engines: dict[str, Engine], before: dict[str, Any], statement: str) -> None:
    database = engines["application"].url.database
    with engines["application"].connect() as connection, pytest.raises(DBAPIError):
        connection.execution_options(isolation_level="AUTOCOMMIT").exec_driver_sql(
            statement.format(owner=site.owner_role, role=site.role, database=database).replace("%", "%%")
        )
    assert counts(engines["superuser"]) == before


@pytest.mark.parametrize("who", ["owner", "superuser"])
@pytest.mark.parametrize("way", CHANGES)
@pytest.mark.parametrize("table", APPEND_ONLY)
def test_nobody_changes_what_was_written_while_the_triggers_stand(
    engines: dict[str, Engine], before: dict[str, Any], table: str, way: str, who: str
) -> None:
    # A superuser alone may pretend to replay a replica, and then meets the triggers all the same.
    words = "permission denied to set parameter" if way.startswith("replica") and who == "owner" else "append-only"
    refused(engines[who], filling(CHANGES[way], table), words)
    assert counts(engines["superuser"]) == before


def appended(connection: Connection, units: Units, ref: str) -> None:
    """One entry on a chain of its own, by the product's own code on this very connection."""
    from sqlalchemy.orm import Session

    with Session(connection, join_transaction_mode="rollback_only") as session:
        work = units._work(session, None)
        ledger.append(work, [Line(ledger.open_chain(work, "test", ref), "register", {})])
        session.commit()


# Sent through the service's connection before it writes.
TRICKS = [
    "SET search_path = nowhere", "SET search_path = pg_temp", "SET search_path = pg_temp, public", "SET search_path = ''",
    "SET search_path = pg_catalog", "SET search_path = information_schema, pg_temp, public", "SET search_path = '$user', public",
    "SELECT set_config('search_path', 'nowhere', false)",
    "SET default_tablespace = ''; SET search_path = pg_toast, public",
    "SET check_function_bodies = off", "SET row_security = off",
    "SET constraint_exclusion = on", "SET transform_null_equals = on", "SET standard_conforming_strings = on", "SET timezone = 'Pacific/Kiritimati'",
    "PREPARE entry AS SELECT 1", "LISTEN entry", "SET bytea_output = 'escape'",
]


@pytest.mark.parametrize("trick", TRICKS)
def test_a_write_is_never_hidden(site: Site, filled: Units, trick: str) -> None:
    engine, ref = make_engine(site.application), f"trick {TRICKS.index(trick)}"
    wrote = True
    with engine.connect() as connection:
        connection.exec_driver_sql(trick)
        try:
            appended(connection, filled, ref)
            connection.commit()
        except DBAPIError:
            wrote = False
    engine.dispose()
    there = asked(site.superuser, f"SELECT count(*) FROM public.entry e JOIN public.chain c ON c.id = e.chain_id WHERE c.ref = '{ref}'")
    assert there == int(wrote)


def test_what_a_role_sets_for_itself_does_not_matter(site: Site, filled: Units, tmp_path_factory: pytest.TempPathFactory) -> None:
    odd = {
        "search_path": "pg_temp", "timezone": "Pacific/Kiritimati", "datestyle": "German", "bytea_output": "escape", "intervalstyle": "sql_standard",
        "extra_float_digits": "-15", "default_transaction_isolation": "serializable", "client_encoding": "latin1",
    }
    statements(site.application, *(f"ALTER ROLE {site.role} SET {name} = '{value}'" for name, value in odd.items()))
    try:
        engine = make_engine(site.application)
        with engine.connect() as connection:
            got = {name: connection.execute(text("SELECT current_setting(:name)"), {"name": name}).scalar_one() for name in odd}
            connection.rollback()
            appended(connection, filled, "own settings")
            connection.commit()
        engine.dispose()
    finally:
        statements(site.superuser, *(f"ALTER ROLE {site.role} RESET {name}" for name in odd))
    assert (got["search_path"], got["timezone"], got["datestyle"]) == ("public, pg_temp", "UTC", "ISO, YMD")
    assert (got["default_transaction_isolation"], got["client_encoding"]) == ("read committed", "UTF8")
    assert asked(site.superuser, "SELECT count(*) FROM public.chain WHERE ref = 'own settings' AND last_seq = 1") == 1


def test_where_temporary_tables_are_allowed_they_still_come_after_ours(site: Site, filled: Units) -> None:
    """As the owner, who may make them: the write goes past a temporary table of the same name."""
    engine = make_engine(site.owner)
    with engine.connect() as connection:
        connection.exec_driver_sql("CREATE TEMP TABLE entry (LIKE public.entry)")
        connection.exec_driver_sql("CREATE TEMP TABLE chain (LIKE public.chain INCLUDING DEFAULTS)")
        appended(connection, filled, "past a temporary table")
        connection.commit()
        assert connection.exec_driver_sql("SELECT count(*) FROM pg_temp.entry").scalar() == 0
    engine.dispose()
    assert asked(site.superuser, "SELECT last_seq FROM public.chain WHERE ref = 'past a temporary table'") == 1


def test_another_role_sees_nothing(site: Site) -> None:
    statements(site.superuser, "CREATE ROLE stranger LOGIN")
    try:
        for table in (*APPEND_ONLY, "standing", "participant_person"):
            with pytest.raises(DBAPIError, match="permission denied"):
                asked(as_(site.superuser, "stranger"), f"SELECT 1 FROM {table}")
    finally:
        statements(site.superuser, "DROP ROLE stranger")
