"""Verification."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from biobank.app import CHECKS
from biobank.cli.support import bar, opened
from biobank.ledger import queries
from biobank.ledger import service as ledger
from biobank.settings import Settings


def add(commands: Any) -> None:
    """`verify`."""
    verify = commands.add_parser("verify", help="recompute every hash, refold every tube, check amounts and triggers")
    verify.set_defaults(run=run_verify)


def run_verify(given: argparse.Namespace, settings: Settings) -> int:
    """Exit 1 and a line on stderr for every fault: chain, seq and field."""
    faults = 0
    with opened(settings) as units, units.read() as work:
        entries = queries.entry_count(work)
        with bar(entries, "entries") as progress:
            for finding in ledger.verify(work, CHECKS, progress.update):
                faults += 1
                seq = f" entry {finding.seq}" if finding.seq is not None else ""
                print(f"{finding.chain}{seq}: {finding.field}: {finding.message}", file=sys.stderr)
    print(f"{entries} entries, {faults} faults" if faults else f"{entries} entries verified, no fault")
    return 1 if faults else 0
