"""Evidence packs from the command line."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from biobank.cli.support import as_system, opened
from biobank.core.errors import Refusal
from biobank.ledger import service as ledger
from biobank.settings import Settings
from biobank.specimens import service as specimens


def add(commands: Any) -> None:
    """`evidence`."""
    evidence = commands.add_parser("evidence", help="seal, and write everything that proves a tube's history into one zip that anyone can check")
    evidence.add_argument("code")
    evidence.add_argument("-o", "--output", type=Path, required=True, help="the zip to write")
    evidence.set_defaults(run=run_evidence)


def run_evidence(given: argparse.Namespace, settings: Settings) -> int:
    """Seals first, so that every entry is in the log that the pack proves."""
    with opened(settings) as units, units.write() as work:
        work.actor = as_system(work)
        keyring = ledger.Keyring.load(settings.signing_folder, settings.log_name)
        ledger.seal(work, keyring)
        made = specimens.evidence_pack(work, given.code, keyring)
    try:
        given.output.write_bytes(made)
    except OSError as error:
        raise Refusal(f"{given.output} cannot be written: {error.strerror}. Give another file.") from None
    print(f"{given.output}: {len(made)} bytes; unpack it and run: python3 verify.py --key {keyring.signers[-1].verifier.vkey}", file=sys.stderr)
    return 0
