"""Alembic's entry: runs on the connection it is given, or on the instance's own database."""

from alembic import context

from biobank.core.db import make_engine
from biobank.settings import load_settings
from biobank.tables import metadata


def run(connection) -> None:
    context.configure(connection=connection, target_metadata=metadata, compare_type=True)
    with context.begin_transaction():
        context.run_migrations()


given = context.config.attributes.get("connection")
if given is not None:
    run(given)
else:
    engine = make_engine(load_settings().database_url).execution_options(writes=True)
    with engine.begin() as connection:
        run(connection)
