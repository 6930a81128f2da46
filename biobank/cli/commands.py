"""What `biobank --help` lists, and the one place that turns a refusal into an exit code."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from sqlalchemy.exc import SQLAlchemyError

from biobank.cli import accounts, backups, database, demo, evidencing, instance, keeper, keeping, labelling, serving, studying
from biobank.core.errors import Refusal
from biobank.settings import Settings, load_settings

Command = Callable[[argparse.Namespace, Settings], int]


def parser() -> argparse.ArgumentParser:
    """All commands with their options."""
    top = argparse.ArgumentParser(prog="biobank", description="Tracks residual leukaemia material with a chain of custody that anyone can check.")
    top.add_argument("--instance", type=Path, help="the instance folder (or BIOBANK_INSTANCE; default ./instance)")
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for module in (instance, serving, keeper, database, studying, accounts, labelling, keeping, evidencing, backups, demo):
        module.add(commands)
    return top


def run(arguments: Sequence[str] | None = None) -> int:
    """Run one command; 0 done, 1 refused or a fault found, 2 wrong usage."""
    given = parser().parse_args(arguments)
    try:
        settings = load_settings(given.instance)
        command: Command = given.run
        return command(given, settings)
    except Refusal as refusal:
        print(refusal.detail, file=sys.stderr)
        for item in refusal.faults:
            if f"{item.pointer}: {item.message}" in refusal.detail:
                continue
            print(f"  {item.pointer}: {item.message}" + (f" (met: {item.met})" if item.met is not None else ""), file=sys.stderr)
        return 1
    except SQLAlchemyError as error:
        print(f"The database refused or does not answer: {str(error).splitlines()[0]}", file=sys.stderr)
        print("Check BIOBANK_DATABASE_URL, and run “biobank init” first on a new instance.", file=sys.stderr)
        return 1
