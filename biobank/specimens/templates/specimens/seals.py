"""Signatures and proofs for verify.py: Ed25519 (RFC 8032), signed notes (C2SP), the tree of the log (RFC 9162). Nothing here knows a tube."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from typing import Any

ed25519: Any
try:
    from cryptography.hazmat.primitives.asymmetric import ed25519
except ImportError:
    # Then signatures are checked in plain Python, below.
    ed25519 = None

# ---- Ed25519

P, Q = 2**255 - 19, 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P


def point(raw: bytes) -> tuple[int, int]:
    """The point that 32 bytes name. Raises ValueError when they name none."""
    number = int.from_bytes(raw, "little")
    y, odd = number & (1 << 255) - 1, number >> 255
    square = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(square, (P + 3) // 8, P)
    x = x if (x * x - square) % P == 0 else x * pow(2, (P - 1) // 4, P) % P
    if y >= P or (x * x - square) % P or x < odd:
        raise ValueError("no point")
    return (x if x & 1 == odd else P - x), y


def times(factor: int, a: tuple[int, int], total: tuple[int, int] = (0, 1)) -> tuple[int, int]:
    """`total` and `factor` times the point `a`."""

    def plus(a: tuple[int, int], b: tuple[int, int]) -> tuple[int, int]:
        z = D * a[0] * b[0] * a[1] * b[1] % P
        return (a[0] * b[1] + a[1] * b[0]) * pow(1 + z, -1, P) % P, (a[1] * b[1] + a[0] * b[0]) * pow(1 - z, -1, P) % P

    while factor:
        total = plus(total, a) if factor & 1 else total
        a, factor = plus(a, a), factor >> 1
    return total


def signed_plainly(public: bytes, signature: bytes, message: bytes) -> bool:
    """Whether an Ed25519 signature is right."""
    try:
        key, r, s = point(public), point(signature[:32]), int.from_bytes(signature[32:], "little")
    except ValueError:
        return False
    k = int.from_bytes(hashlib.sha512(signature[:32] + public + message).digest(), "little") % Q
    base = point((4 * pow(5, -1, P) % P).to_bytes(32, "little"))
    return len(signature) == 64 and s < Q and times(s, base) == times(k, key, r)


def is_signed(public: bytes, signature: bytes, message: bytes) -> bool:
    """The same, by `cryptography` where it is installed."""
    if ed25519 is None:
        return signed_plainly(public, signature, message)
    try:
        ed25519.Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except Exception:
        return False
    return True


# ---- Keys and signed notes


def exact64(text: str) -> bytes:
    """The bytes of base64. Raises ValueError when it is not written in the one right way."""
    raw = base64.b64decode(text, validate=True)
    if base64.b64encode(raw).decode() != text:
        raise ValueError("base64 that is not written in the one right way")
    return raw


def read_key(vkey: str) -> tuple[str, bytes, bytes]:
    """Name, id and public key of a verifier key `name+id+key`. Raises ValueError."""
    name, raw = vkey.partition("+")[0], exact64(vkey.split("+", 2)[-1])
    mark = hashlib.sha256(name.encode() + b"\n" + raw).digest()[:4]
    if raw[:1] != b"\x01" or len(raw) != 33 or not name or not vkey.startswith(f"{name}+{mark.hex()}+"):
        raise ValueError(f"{vkey!r:.99} is no Ed25519 verifier key")
    return name, mark, raw[1:]


def read_note(text: str, keys: Sequence[str]) -> tuple[list[str], list[str]]:
    """The lines of a signed note, and those of the keys that signed it. Raises ValueError unless every signature on it is right."""
    head, _, tail = text.rpartition("\n\n")
    known, signers = {read_key(key)[:2]: key for key in keys}, []
    for line in tail.splitlines():
        name, coded = line.split(" ")[-2:] if line.count(" ") == 2 else ("", "")
        raw = exact64(coded)
        key = known.get((name, raw[:4]))
        if key is None or not is_signed(read_key(key)[2], raw[4:], (head + "\n").encode()):
            raise ValueError(f"the signature by {name!r:.40} is wrong, or by a key that is not in the pack")
        signers.append((key, f"\u2014 {name} {coded}\n"))
    if not signers or text != head + "\n\n" + "".join(line for _, line in signers):
        raise ValueError("it is not a signed note")
    return head.split("\n"), [key for key, _ in signers]


# ---- The tree: inclusion (2.1.3) and consistency (2.1.4)


def node(left: bytes, right: bytes) -> bytes:
    """The hash above two."""
    return hashlib.sha256(b"\1" + left + right).digest()


def root_above(leaf: bytes, index: int, size: int, proof: Sequence[bytes]) -> bytes:
    """The root of a tree of this size in which the leaf has this index. Raises ValueError when the proof has the wrong length."""
    if len(proof) > 64 or not 0 <= index < size or (size > 1) != bool(proof):
        raise ValueError("a proof of the wrong length")
    if size == 1:
        return leaf
    half = 1 << (size - 1).bit_length() - 1
    if index < half:
        return node(root_above(leaf, index, half, proof[:-1]), proof[-1])
    return node(proof[-1], root_above(leaf, index - half, size - half, proof[:-1]))


def roots_of(old: int, new: int, proof: Sequence[bytes], known: bytes | None) -> tuple[bytes, bytes]:
    """The roots of both sizes that a consistency proof gives; `known` is the old root, until it is no longer a whole subtree."""
    if len(proof) > 64 or not 0 < old <= new or (old == new and len(proof) != (known is None)) or (old < new and not proof):
        raise ValueError("a proof of the wrong length")
    if old == new:
        return known or proof[0], known or proof[0]
    half = 1 << (new - 1).bit_length() - 1
    if old <= half:
        before, after = roots_of(old, half, proof[:-1], known)
        return before, node(after, proof[-1])
    before, after = roots_of(old - half, new - half, proof[:-1], None)
    return node(proof[-1], before), node(proof[-1], after)
