"""`backup` and `restore`."""

from biobank.cli.backups.commands import add

__all__ = ["add"]
