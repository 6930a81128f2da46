"""A site on PostgreSQL as `docs/postgresql.md` makes one: an owner who migrates, and the role that the service signs in as."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from sqlalchemy import Connection, create_engine
from sqlalchemy.engine import make_url


@dataclass(frozen=True, slots=True)
class Site:
    """Addresses of one database, as the superuser, the owner and the application."""

    superuser: str
    owner: str
    application: str

    @property
    def owner_role(self) -> str:
        """The owner's name."""
        return str(make_url(self.owner).username)

    @property
    def role(self) -> str:
        """The application's name."""
        return str(make_url(self.application).username)


def as_(url: str, role: str, database: str | None = None) -> str:
    """The same server as another role."""
    changed = make_url(url).set(username=role)
    return (changed.set(database=database) if database else changed).render_as_string(hide_password=False)


@contextmanager
def connected(url: str) -> Iterator[Connection]:
    """A plain connection, each statement a transaction of its own."""
    engine = create_engine(make_url(url).set(drivername="postgresql+psycopg"), isolation_level="AUTOCOMMIT")
    try:
        with engine.connect() as connection:
            yield connection
    finally:
        engine.dispose()


def statements(url: str, *several: str) -> None:
    """Statements, each committed."""
    with connected(url) as connection:
        for one in several:
            connection.exec_driver_sql(one)


def asked(url: str, query: str) -> object:
    """The first value of a query."""
    with connected(url) as connection:
        return connection.exec_driver_sql(query).scalar()


def laid_out(superuser: str, name: str) -> Site:
    """Two roles and a database, as a superuser makes them; `superuser` is the address of a new, empty database."""
    owner, role, database = f"{name}_owner", f"{name}_service", str(make_url(superuser).database)
    statements(
        superuser, f"CREATE ROLE {owner} LOGIN", f"CREATE ROLE {role} LOGIN", f"ALTER DATABASE {database} OWNER TO {owner}",
    )
    return Site(superuser, as_(superuser, owner), as_(superuser, role))
