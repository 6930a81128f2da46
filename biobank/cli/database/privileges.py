"""What the service's role on PostgreSQL may do and should not, and what it may not do and needs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import Connection, text

from biobank.cli.database.findings import Lack
from biobank.cli.database.roles import VERSION, quoted, sequences, tables
from biobank.ledger.rules import APPEND_ONLY

# Predefined roles that reach past the tables' own rights, to files, programs or every row.
REACHING = (
    "pg_write_all_data", "pg_execute_server_program", "pg_write_server_files", "pg_read_server_files", "pg_maintain", "pg_create_subscription",
    "pg_signal_backend",
)
# Beside the predefined ones a role reaches what any role does that it is a member of, also where it has to SET ROLE first.
_ROLE = text("SELECT rolsuper, rolcreaterole, rolcreatedb, rolreplication FROM pg_roles WHERE rolname = :role")
_REACHED = text("SELECT r.rolname, r.rolsuper FROM pg_roles r WHERE pg_has_role(CAST(:role AS name), r.oid, 'MEMBER') ORDER BY r.rolname")
_OWNERS = text(
    "SELECT DISTINCT pg_get_userbyid(owner) FROM ("
    "SELECT c.relowner FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace AND c.relname = ANY(:tables) "
    "UNION SELECT p.proowner FROM pg_proc p WHERE p.pronamespace = 'public'::regnamespace AND p.proname = 'refuse_change' "
    "UNION SELECT d.datdba FROM pg_database d WHERE d.datname = current_database() "
    "UNION SELECT n.nspowner FROM pg_namespace n WHERE n.nspname = 'public') AS owned(owner)"
)
_TOO_MUCH = text(
    "SELECT c.relname, p.may FROM pg_class c CROSS JOIN (VALUES ('UPDATE'), ('DELETE'), ('TRUNCATE'), ('TRIGGER')) AS p(may) "
    "WHERE c.relnamespace = 'public'::regnamespace AND (c.relname = ANY(:append_only) AND p.may <> 'TRIGGER' "
    "OR c.relname = ANY(:tables) AND p.may IN ('TRIGGER', 'TRUNCATE')) "
    "AND (has_table_privilege(CAST(:role AS name), c.oid, p.may) "
    "OR p.may = 'UPDATE' AND has_any_column_privilege(CAST(:role AS name), c.oid, 'UPDATE')) ORDER BY c.relname, p.may DESC"
)
_SCHEMAS = text(
    "SELECT n.nspname FROM pg_namespace n WHERE n.nspname !~ '^pg_(temp|toast)' AND has_schema_privilege(CAST(:role AS name), n.oid, 'CREATE') "
    "ORDER BY n.nspname"
)
_MAY = "has_{what}_privilege(CAST(:role AS name), {on}, '{may}')"


@dataclass(frozen=True, slots=True)
class Service:
    """The role that the service runs as, and the command that gives it its rights."""

    role: str

    @property
    def mend(self) -> str:
        """Run as the owner."""
        return f"biobank db roles --application {self.role}   (with BIOBANK_OWNER_URL)"


def lacks(connection: Connection, role: str) -> Iterator[Lack]:
    """Every right too many, then every right too few. An owner or superuser is named as such and nothing more: it has every right."""
    me = connection.execute(_ROLE, {"role": role}).one()
    own = sorted(set(connection.execute(_OWNERS, {"tables": tables(connection)}).scalars()) - {"pg_database_owner"})
    if me.rolsuper or role in own:
        what = "a superuser" if me.rolsuper else "the owner of the tables, their functions, the schema or the database"
        yield Lack(
            f"the service runs as {role}, {what}: it could drop the triggers and change entries; fit for a demo, not for a real site",
            "let it sign in as a role of its own: biobank db roles --application NAME   (docs/postgresql.md)",
        )
        return
    for attribute, word in (("rolcreaterole", "CREATEROLE"), ("rolcreatedb", "CREATEDB"), ("rolreplication", "REPLICATION")):
        if getattr(me, attribute):
            yield Lack(f"the role {role} has {word}", f"as a superuser: ALTER ROLE {quoted(role)} NO{word};")
    yield from _memberships(connection, role, own)
    yield from _too_much(connection, Service(role))
    yield from _too_little(connection, Service(role))


def _memberships(connection: Connection, role: str, own: list[str]) -> Iterator[Lack]:
    for reached in connection.execute(_REACHED, {"role": role}).all():
        name = reached.rolname
        if name == role:
            continue
        mend = f"as a superuser: REVOKE {quoted(name)} FROM {quoted(role)};"
        if reached.rolsuper or name in own or name in REACHING:
            yield Lack(f"the role {role} is a member of {name} and may do all that it may", mend)
            continue
        for table, may in connection.execute(_TOO_MUCH, _names(connection, name)).all():
            yield Lack(f"the role {role} may {may} on {table} as a member of {name}", mend)


def _too_much(connection: Connection, service: Service) -> Iterator[Lack]:
    role = service.role
    for table, may in connection.execute(_TOO_MUCH, _names(connection, role)).all():
        which = ", which is append-only" if table in APPEND_ONLY else ""
        yield Lack(f"the role {role} may {may} on {table}{which}", service.mend)
    for may, why in (("TEMPORARY", "a temporary table can hide a write"), ("CREATE", "a schema of its own can hide a write")):
        if _may(connection, role, "database", "current_database()", may):
            yield Lack(f"the role {role} has {may} on the database: {why}", service.mend)
    for schema in connection.execute(_SCHEMAS, {"role": role}).scalars():
        mend = service.mend if schema == "public" else f"as its owner: REVOKE CREATE ON SCHEMA {quoted(schema)} FROM PUBLIC, {quoted(role)};"
        yield Lack(f"the role {role} may CREATE in the schema {schema}", mend)
    version: int = connection.execute(text("SELECT current_setting('server_version_num')::int")).scalar_one()
    if version >= 150000 and _may(connection, role, "parameter", "'session_replication_role'", "SET"):
        mend = f"as a superuser: REVOKE SET ON PARAMETER session_replication_role FROM PUBLIC, {quoted(role)};"
        yield Lack(f"the role {role} may set session_replication_role, which switches foreign keys off", mend)


def _too_little(connection: Connection, service: Service) -> Iterator[Lack]:
    role = service.role
    if not _may(connection, role, "schema", "'public'", "USAGE"):
        yield Lack(f"the role {role} lacks USAGE on the schema public", service.mend)
    for table in [*tables(connection), VERSION]:
        needed = ("SELECT",) if table == VERSION else ("SELECT", "INSERT") if table in APPEND_ONLY else ("SELECT", "INSERT", "UPDATE", "DELETE")
        missing = [may for may in needed if not _may(connection, role, "table", f"'public.{quoted(table)}'", may)]
        if missing:
            yield Lack(f"the role {role} lacks {', '.join(missing)} on {table}", service.mend)
    for sequence in sequences(connection):
        if not _may(connection, role, "sequence", f"'public.{quoted(sequence)}'", "USAGE"):
            yield Lack(f"the role {role} lacks USAGE on the sequence {sequence}", service.mend)


def _names(connection: Connection, role: str) -> dict[str, object]:
    return {"role": role, "append_only": list(APPEND_ONLY), "tables": [*tables(connection), VERSION]}


def _may(connection: Connection, role: str, what: str, on: str, may: str) -> bool:
    # Table and sequence names come from the catalogue.
    asked = text(f"SELECT {_MAY.format(what=what, on=on, may=may)}")
    return bool(connection.execute(asked, {"role": role}).scalar_one())
