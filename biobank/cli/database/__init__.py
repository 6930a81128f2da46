"""Looking after the database: upgrading it, giving the application's role its rights, and naming what is missing."""

from biobank.cli.database.commands import add, prepare, with_owner

__all__ = ["add", "prepare", "with_owner"]
