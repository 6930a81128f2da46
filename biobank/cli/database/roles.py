"""The rights of the application's role on PostgreSQL: what it needs, and nothing more.

The tables belong to an owner role, which migrates; the service runs as another, which may add to append-only tables and never change them.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, text

from biobank.app import METADATA
from biobank.core.errors import N_, NotFound, Refusal
from biobank.ledger.rules import APPEND_ONLY

VERSION = "alembic_version"
_TABLES = text(
    "SELECT c.relname FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') ORDER BY c.relname"
)
_SEQUENCES = text(
    "SELECT s.relname FROM pg_class s JOIN pg_depend d ON d.objid = s.oid AND d.classid = 'pg_class'::regclass AND d.deptype IN ('a', 'i') "
    "JOIN pg_class t ON t.oid = d.refobjid WHERE s.relkind = 'S' AND t.relname = ANY(:tables) AND t.relnamespace = 'public'::regnamespace "
    "ORDER BY s.relname"
)
_MAY_APPEND = text(
    "SELECT r.rolname FROM pg_class c CROSS JOIN LATERAL aclexplode(c.relacl) a JOIN pg_roles r ON r.oid = a.grantee "
    "WHERE c.relname = 'entry' AND c.relnamespace = 'public'::regnamespace AND a.privilege_type = 'INSERT' AND a.grantee <> c.relowner "
    "AND NOT r.rolsuper ORDER BY r.rolname"
)
_RUNS_AS = text(
    "SELECT current_user AS name, r.rolsuper OR pg_has_role(c.relowner, 'USAGE') AS owns, pg_get_userbyid(c.relowner) AS owner "
    "FROM pg_class c, pg_roles r WHERE c.relname = 'entry' AND c.relnamespace = 'public'::regnamespace AND r.rolname = current_user"
)
_OWNS_TOO = text("SELECT rolsuper OR pg_has_role(oid, CAST(:owner AS name), 'MEMBER') FROM pg_roles WHERE rolname = :role")


class RoleUnknown(NotFound):
    """The role to be given rights does not exist."""

    message = N_("There is no role %(role)s on this server. A superuser makes it: CREATE ROLE %(quoted)s LOGIN PASSWORD '…';")


class NotTheOwner(Refusal):
    """Rights are given by the owner of the tables."""

    message = N_(
        "The tables belong to %(owner)s, and this address signs in as %(met)s. Give the owner's address with --owner-url or BIOBANK_OWNER_URL."
    )


class RoleOwns(Refusal):
    """The owner of the tables cannot be kept from changing them."""

    message = N_("%(role)s owns the tables or is a superuser: no right can be taken from it. Name the role that the service signs in as.")


class NoRoles(Refusal):
    """SQLite has no roles."""

    message = N_("SQLite has no roles: what protects the file is who may open it. Roles are PostgreSQL's.")


def current(connection: Connection) -> str:
    """The role that this connection acts as."""
    return str(connection.execute(text("SELECT current_user")).scalar_one())


def is_owner(connection: Connection) -> bool:
    """Whether this connection may give rights on the tables."""
    me = connection.execute(_RUNS_AS).one_or_none()
    return me is not None and bool(me.owns)


def quoted(name: str) -> str:
    """A name as SQL takes it, whatever is in it."""
    return '"' + name.replace('"', '""') + '"'


def applications(connection: Connection) -> list[str]:
    """The roles that have been given the right to append, besides the owner."""
    if connection.dialect.name != "postgresql":
        return []
    return list(connection.execute(_MAY_APPEND).scalars())


def tables(connection: Connection) -> list[str]:
    """Those of our tables that are there, the table of migrations not among them."""
    return [name for name in connection.execute(_TABLES).scalars() if name in METADATA.tables]


def sequences(connection: Connection) -> list[str]:
    """The sequences that our tables take their ids from."""
    return list(connection.execute(_SEQUENCES, {"tables": tables(connection)}).scalars())


def statements(connection: Connection, role: str) -> list[str]:
    """What gives the role its rights, and takes every other from it and from everybody."""
    to, there = quoted(role), tables(connection)
    database = quoted(connection.execute(text("SELECT current_database()")).scalar_one())
    append_only, others = [name for name in there if name in APPEND_ONLY], [name for name in there if name not in APPEND_ONLY]
    all_tables, all_sequences = _listed([*there, VERSION]), _listed(sequences(connection))
    made = [
        f"REVOKE TEMPORARY, CREATE ON DATABASE {database} FROM PUBLIC, {to}",
        f"GRANT CONNECT ON DATABASE {database} TO {to}",
        f"REVOKE CREATE ON SCHEMA public FROM PUBLIC, {to}",
        f"GRANT USAGE ON SCHEMA public TO {to}",
        f"REVOKE ALL ON TABLE {all_tables} FROM PUBLIC, {to}",
        f"GRANT SELECT ON TABLE {quoted(VERSION)} TO {to}",
        f"GRANT SELECT, INSERT ON TABLE {_listed(append_only)} TO {to}",
        f"GRANT SELECT, INSERT, UPDATE, DELETE ON TABLE {_listed(others)} TO {to}",
        f"REVOKE ALL ON FUNCTION refuse_change() FROM PUBLIC, {to}",
    ]
    if all_sequences:
        made += [f"REVOKE ALL ON SEQUENCE {all_sequences} FROM PUBLIC, {to}", f"GRANT USAGE ON SEQUENCE {all_sequences} TO {to}"]
    return made


def grant(connection: Connection, role: str) -> None:
    """Give the role its rights. Raises RoleUnknown, RoleOwns and NotTheOwner, which say what would be right."""
    insist(connection, role)
    for statement in statements(connection, role):
        connection.exec_driver_sql(statement)


def insist(connection: Connection, role: str) -> None:
    """Refuse what could not work: no such role, an owner to be narrowed, or somebody who may not give rights."""
    if connection.dialect.name != "postgresql":
        raise NoRoles
    me = connection.execute(_RUNS_AS).one_or_none()
    if me is None:
        raise Refusal("This database has no tables yet. Run “biobank init” first.")
    if not me.owns:
        raise NotTheOwner(owner=me.owner, met=me.name)
    found = connection.execute(_OWNS_TOO, {"role": role, "owner": me.owner}).scalar_one_or_none()
    if found is None:
        raise RoleUnknown(role=role, quoted=quoted(role))
    if found:
        raise RoleOwns(role=role)


def _listed(names: Sequence[str]) -> str:
    return ", ".join(quoted(name) for name in names)
