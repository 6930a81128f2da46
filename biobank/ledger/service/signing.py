"""The keys that sign checkpoints: files beside the instance, outside the database and outside every backup."""

from __future__ import annotations

import fcntl
import os
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from biobank.core.errors import N_, Conflict
from biobank.ledger.rules import KeyMalformed, Signer, Verifier, read_signer, read_verifier
from biobank.ledger.rules.notes import is_name

KEY_FILE = "signing.key"
VERIFIERS_FILE = "verifiers"


class LogRenamed(Conflict):
    """The key belongs to a ledger of another name."""

    title = N_("Another ledger's key")
    message = N_("The key in %(folder)s is that of the ledger “%(key)s”, the setting log_name says “%(name)s”. Set log_name back to “%(key)s”.")


@dataclass(frozen=True, slots=True)
class Keyring:
    """Who signs, and every key that ever did.

    There are two signers from a rotation to the first checkpoint that both have signed: the old one, then the new one.
    """

    folder: Path
    name: str
    signers: tuple[Signer, ...]
    verifiers: tuple[Verifier, ...]

    @classmethod
    def load(cls, folder: Path, name: str) -> Keyring:
        """The keyring in this folder; a first key is made when there is none. Read it anew for every seal: another process may have
        rotated it. Raises KeyMalformed, or LogRenamed when the key is that of another ledger."""
        if not is_name(name):
            raise KeyMalformed(what=f"log_name “{name}”", why="a name has no space, no plus and at least one character")
        with _alone_in(folder):
            signers = tuple(read_signer(line) for line in _lines(folder / KEY_FILE)) or (Signer(name, secrets.token_bytes(32)),)
            if signers[-1].name != name:
                raise LogRenamed(folder=folder, key=signers[-1].name, name=name)
            return _kept(folder, name, signers)

    def rotated(self) -> Keyring:
        """With a new key: the next checkpoint is signed by the old and the new one, those after it by the new one alone."""
        with _alone_in(self.folder):
            newest = read_signer(_lines(self.folder / KEY_FILE)[-1])
            return _kept(self.folder, self.name, (newest, Signer(self.name, secrets.token_bytes(32))))

    def settled(self) -> Keyring:
        """After a checkpoint that both have signed: the old private key is forgotten."""
        with _alone_in(self.folder):
            return _kept(self.folder, self.name, (read_signer(_lines(self.folder / KEY_FILE)[-1]),))


def known_verifiers(folder: Path) -> tuple[Verifier, ...]:
    """The public keys in this folder, the newest last; none are made. Raises KeyMalformed."""
    return read_verifiers(folder / VERIFIERS_FILE) if (folder / VERIFIERS_FILE).is_file() else ()


def read_verifiers(path: Path) -> tuple[Verifier, ...]:
    """The public keys in a file of vkeys, one a line. Raises KeyMalformed."""
    return tuple(read_verifier(line) for line in _lines(path))


def _kept(folder: Path, name: str, signers: tuple[Signer, ...]) -> Keyring:
    """Writes what is new: first who verifies, so that nothing is ever signed that nobody can verify."""
    known = known_verifiers(folder)
    verifiers = known + tuple(one.verifier for one in signers if one.verifier not in known)
    _write(folder / VERIFIERS_FILE, [one.vkey for one in verifiers], 0o644)
    _write(folder / KEY_FILE, [one.secret for one in signers], 0o600)
    return Keyring(folder, name, signers, verifiers)


def _lines(path: Path) -> list[str]:
    if not path.is_file():
        return []
    return [line.strip() for line in path.read_text("utf-8").splitlines() if line.strip()]


def _write(path: Path, lines: Sequence[str], mode: int) -> None:
    """Whole or not at all, and on the disk before anything relies on it."""
    if _lines(path) == list(lines):
        return
    draft = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    try:
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w", encoding="utf-8") as handle:
            handle.write("".join(f"{line}\n" for line in lines))
            handle.flush()
            os.fsync(handle.fileno())
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
    _sync(path.parent)


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """One process at a time: several start at once, and all must have the same key."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
