"""Sealing and verifying."""

from __future__ import annotations

import argparse
import gc
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from biobank.app import CHECKS
from biobank.cli.exporting import append_note
from biobank.cli.keeper import LEAVES
from biobank.cli.support import bar, opened
from biobank.core.errors import Refusal
from biobank.ledger import queries
from biobank.ledger import service as ledger
from biobank.ledger.rules import split_notes
from biobank.settings import Settings


class NoCheckpoints(Refusal):
    """A file that should hold exported checkpoints does not."""

    message = "%(file)s holds no checkpoint: give a file that “biobank seal --export” or the keeper wrote, or notes from the mail."


class Unreadable(Refusal):
    """A file cannot be read or written."""

    message = "%(file)s: %(why)s."


def add(commands: Any) -> None:
    """`seal`, `verify`."""
    seal = commands.add_parser("seal", help="make new entries leaves of the tree, and sign a checkpoint")
    seal.add_argument("--export", type=Path, metavar="FILE", help="append the newest checkpoint to this file; keep it elsewhere")
    seal.add_argument("--rotate", action="store_true", help="a new signing key: the next checkpoint is signed by the old and the new one")
    seal.set_defaults(run=run_seal)
    verify = commands.add_parser("verify", help="recompute every hash, refold every tube, check amounts and triggers, retrace the tree")
    verify.add_argument("--against", type=Path, metavar="FILE", help="checkpoints that were exported and kept elsewhere")
    verify.add_argument("--keys", type=Path, metavar="FILE", help="public keys that were kept elsewhere, instead of those in the signing folder")
    verify.add_argument("--hashes", action="store_true", help="hashes, links, triggers and the tree alone: quick, but looks at no column and no tube")
    verify.set_defaults(run=run_verify)


def run_seal(given: argparse.Namespace, settings: Settings) -> int:
    """In units of some thousand leaves each, so that scans go on in between."""
    keyring = ledger.Keyring.load(settings.signing_folder, settings.log_name)
    if given.rotate:
        keyring = keyring.rotated()
        print(f"new key {keyring.verifiers[-1].vkey}", file=sys.stderr)
    leaves = 0
    with opened(settings) as units:
        with units.read() as work:
            waiting = queries.sealed_and_not(work)[1]
        with bar(waiting, "entries") as progress:
            more = True
            while more:
                with units.write() as work:
                    sealed = ledger.seal(work, keyring, LEAVES)
                leaves += sealed.leaves if sealed else 0
                progress.update(sealed.leaves if sealed else 0)
                # Those who write all the time must not keep it from ever ending.
                more = sealed is not None and sealed.more and leaves < waiting
        with units.read() as work:
            newest = queries.newest_checkpoint(work)
    size, note = newest or (0, None)
    print(f"{leaves} entries sealed, {size} in all" if leaves else f"nothing new to seal, {size} entries in all")
    if given.export and note:
        _export(given.export, note)
    return 0


def _export(path: Path, note: str) -> None:
    try:
        append_note(path, note)
    except OSError as error:
        raise Unreadable(file=path, why=error.strerror or "cannot be written") from None


def run_verify(given: argparse.Namespace, settings: Settings) -> int:
    """Exit 1 and a line on stderr for every fault: chain, seq and field."""
    return verified(settings, given.against, given.keys, hashes_only=given.hashes)


def verified(settings: Settings, exported: Path | None = None, keys: Path | None = None, *, hashes_only: bool = False) -> int:
    """Verify and tell: 0 when there is no fault, else 1."""
    verifiers = ledger.read_verifiers(keys) if keys and _read(keys) else ledger.known_verifiers(settings.signing_folder)
    against = notes_in(exported) if exported else ()
    faults = 0
    # The program itself is not looked through again and again for garbage while millions of bodies come and go: a third of the time.
    gc.freeze()
    with opened(settings) as units, units.read() as work:
        entries, (sealed, _) = queries.entry_count(work), queries.sealed_and_not(work)
        with bar(entries + sealed, "entries and leaves") as progress:
            for finding in ledger.verify(
                work, CHECKS, progress.update, verifiers=verifiers, against=against, hashes_only=hashes_only
            ):
                faults += 1
                seq = f" entry {finding.seq}" if finding.seq is not None else ""
                print(f"{finding.chain}{seq}: {finding.field}: {finding.message}", file=sys.stderr)
    gc.unfreeze()
    kept = f"; all {len(against)} checkpoints in {exported} fit" if against else ""
    print(f"{entries} entries, {faults} faults" if faults else f"{entries} entries verified, no fault{kept}")
    return 1 if faults else 0


def notes_in(path: Path) -> Sequence[str]:
    """The checkpoints in a file. Raises NoCheckpoints, Unreadable."""
    notes = split_notes(_read(path))
    if not notes:
        raise NoCheckpoints(file=path)
    return notes


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except OSError as error:
        raise Unreadable(file=path, why=error.strerror or "cannot be read") from None
    except UnicodeDecodeError:
        raise Unreadable(file=path, why="this is no text in UTF-8") from None
