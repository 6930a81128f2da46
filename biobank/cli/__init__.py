"""The command line. Exit 0: done; 1: refused or a fault found (said on stderr); 2: wrong usage."""

from biobank.cli.commands import run

__all__ = ["run"]
