"""Checkpoints: C2SP tlog-checkpoint (c2sp.org/tlog-checkpoint) as a C2SP signed note (c2sp.org/signed-note), signed with Ed25519."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from biobank.core.errors import N_, RuleBroken
from biobank.ledger.rules.tree import HASH_BYTES

ED25519 = b"\x01"
PRIVATE = "PRIVATE+KEY+"
SIGNATURES_AT_MOST = 100
_DASH = "\N{EM DASH} "
_NAME = re.compile(r"[^\s+]+")
_SIZE = re.compile(r"0|[1-9][0-9]{0,18}")
_ID = re.compile(r"[0-9a-f]{8}")
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f]")


class KeyMalformed(RuleBroken):
    """A line that should be a key is none."""

    title = N_("Not a key")
    message = N_("%(what)s is not a C2SP Ed25519 key: %(why)s.")


class NoteMalformed(RuleBroken):
    """A text that should be a signed checkpoint is none."""

    title = N_("Not a signed checkpoint")
    message = N_("This is not a signed checkpoint: %(why)s.")


class SignatureWrong(RuleBroken):
    """A known key did not sign this."""

    title = N_("Wrong signature")
    message = N_("The signature of %(key)s does not fit the checkpoint: the note was changed or forged.")


class SignerUnknown(RuleBroken):
    """Nobody known signed this."""

    title = N_("Unknown signer")
    message = N_("No known key signed this checkpoint; it names %(keys)s.")


@dataclass(frozen=True, slots=True)
class Verifier:
    """A public key with its name."""

    name: str
    key: bytes

    @property
    def id(self) -> bytes:
        """The four bytes that name the key in a signature line."""
        return sha256(self.name.encode() + b"\n" + ED25519 + self.key).digest()[:4]

    @property
    def vkey(self) -> str:
        """The key as text: name+id+key."""
        return f"{self.name}+{self.id.hex()}+{_base64(ED25519 + self.key)}"

    def accepts(self, text: bytes, signature: bytes) -> bool:
        """Whether this key signed the text."""
        try:
            Ed25519PublicKey.from_public_bytes(self.key).verify(signature, text)
        except (InvalidSignature, ValueError):
            return False
        return True


@dataclass(frozen=True, slots=True)
class Signer:
    """A private key with its name; `seed` are its 32 secret bytes."""

    name: str
    seed: bytes

    @property
    def verifier(self) -> Verifier:
        """The public half."""
        return Verifier(self.name, Ed25519PrivateKey.from_private_bytes(self.seed).public_key().public_bytes_raw())

    @property
    def secret(self) -> str:
        """The key as text: PRIVATE+KEY+name+id+seed. Whoever has it can sign."""
        return f"{PRIVATE}{self.name}+{self.verifier.id.hex()}+{_base64(ED25519 + self.seed)}"

    def sign(self, text: bytes) -> bytes:
        """The signature of a text; the same key and text always give the same."""
        return Ed25519PrivateKey.from_private_bytes(self.seed).sign(text)


@dataclass(frozen=True, slots=True)
class Signature:
    """A signature line: the key's name and id, and the signature."""

    name: str
    id: bytes
    signature: bytes


@dataclass(frozen=True, slots=True)
class Note:
    """A checkpoint: whose log, how many leaves, their root; the signatures, and the exact text that they sign."""

    origin: str
    size: int
    root: bytes
    signatures: tuple[Signature, ...]
    text: bytes


def is_name(text: str) -> bool:
    """Whether a key or a log may have this name."""
    return _NAME.fullmatch(text) is not None and not _CONTROL.search(text)


def read_verifier(vkey: str) -> Verifier:
    """The public key of a vkey line. Raises KeyMalformed."""
    name, id_, key = _parts(vkey, "the vkey")
    verifier = Verifier(name, key)
    if verifier.id.hex() != id_:
        raise KeyMalformed(what="the vkey", why="its id is not that of its name and key")
    return verifier


def read_signer(secret: str) -> Signer:
    """The private key of a PRIVATE+KEY line. Raises KeyMalformed, which never shows the key."""
    if not secret.startswith(PRIVATE):
        raise KeyMalformed(what="the private key", why=f"it does not begin with {PRIVATE}")
    name, id_, seed = _parts(secret.removeprefix(PRIVATE), "the private key")
    signer = Signer(name, seed)
    if signer.verifier.id.hex() != id_:
        raise KeyMalformed(what="the private key", why="its id is not that of its name and key")
    return signer


def _parts(text: str, what: str) -> tuple[str, str, bytes]:
    name, _, rest = text.partition("+")
    id_, _, key64 = rest.partition("+")
    key = _from_base64(key64)
    if not _NAME.fullmatch(name) or not _ID.fullmatch(id_) or key is None:
        raise KeyMalformed(what=what, why="it is not made of a name, eight hexadecimal digits and a key in base64")
    if key[:1] != ED25519 or len(key) != 1 + HASH_BYTES:
        raise KeyMalformed(what=what, why="it is not of the type Ed25519 (01) with 32 bytes")
    return name, id_, key[1:]


def sign_checkpoint(origin: str, size: int, root: bytes, signers: Iterable[Signer]) -> str:
    """The signed note that says that the log `origin` has `size` leaves with this root."""
    text = f"{origin}\n{size}\n{_base64(root)}\n"
    lines = [f"{_DASH}{one.name} {_base64(one.verifier.id + one.sign(text.encode()))}\n" for one in signers]
    return f"{text}\n{''.join(lines)}"


def read_note(text: str) -> Note:
    """A checkpoint as it says itself; nothing is known of its signatures yet. Raises NoteMalformed."""
    if _CONTROL.search(text):
        raise NoteMalformed(why="it has control characters")
    body, between, below = text.rpartition("\n\n")
    if not between or not below.endswith("\n"):
        raise NoteMalformed(why="a text, an empty line and signature lines are expected")
    lines = below[:-1].split("\n")
    if len(lines) > SIGNATURES_AT_MOST:
        raise NoteMalformed(why=f"it has more than {SIGNATURES_AT_MOST} signatures")
    told = body.split("\n")
    root = _from_base64(told[2]) if len(told) > 2 else None
    if not all(told) or root is None or len(root) != HASH_BYTES or not _SIZE.fullmatch(told[1]):
        raise NoteMalformed(why="its lines are not an origin, a size and a root of 32 bytes in base64")
    return Note(told[0], int(told[1]), root, tuple(_signature(line) for line in lines), f"{body}\n".encode())


def _signature(line: str) -> Signature:
    name, _, code = line.removeprefix(_DASH).partition(" ")
    raw = _from_base64(code)
    if not line.startswith(_DASH) or not _NAME.fullmatch(name) or raw is None or len(raw) < 5:
        raise NoteMalformed(why=f"a signature line is a dash, a key's name and base64, not “{line}”")
    return Signature(name, raw[:4], raw[4:])


def check_note(text: str, verifiers: Iterable[Verifier]) -> Note:
    """A checkpoint that at least one known key signed, and none wrongly. Raises NoteMalformed, SignatureWrong or SignerUnknown."""
    note = read_note(text)
    known = {(one.name, one.id): one for one in verifiers}
    signed = [(known[one.name, one.id], one) for one in note.signatures if (one.name, one.id) in known]
    for verifier, one in signed:
        if not verifier.accepts(note.text, one.signature):
            raise SignatureWrong(key=f"{one.name}+{one.id.hex()}")
    if not signed:
        raise SignerUnknown(keys=", ".join(f"{one.name}+{one.id.hex()}" for one in note.signatures))
    return note


def split_notes(text: str) -> list[str]:
    """The notes of an export file: one after another, an empty line between. Each is told as it stands; `read_note` judges it."""
    parts = [part for part in re.split(r"\n\n+", text.replace("\r\n", "\n").strip("\n")) if part]
    notes: list[str] = []
    head: list[str] = []
    for part in parts:
        if part.startswith(_DASH.strip()):
            notes.append("\n\n".join([*head, part]) + "\n")
            head = []
        else:
            head.append(part)
    # What no signature follows is not passed over: it cannot be read as a note, and whoever checks it says so.
    return notes + [f"{part}\n" for part in head]


def join_notes(notes: Sequence[str]) -> str:
    """An export file of notes; another may be appended after an empty line."""
    return "\n".join(notes)


def _base64(raw: bytes) -> str:
    return base64.b64encode(raw).decode("ascii")


def _from_base64(text: str) -> bytes | None:
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
    # One text for one value: the padding bits must be zero, or a changed character would not be noticed.
    return raw if raw and _base64(raw) == text else None
