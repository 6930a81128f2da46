"""The Merkle tree over all entries, as RFC 6962 (section 2.1) and RFC 9162 define it: hashes, growth, and proofs. A leaf's data is an
entry's body. `hash_of(start, end)` below is the hash of the subtree over the leaves from `start` up to, not including, `end`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from hashlib import sha256

EMPTY = sha256(b"").digest()
HASH_BYTES = 32

HashOf = Callable[[int, int], bytes]


def leaf_hash(body: bytes) -> bytes:
    """The hash of a leaf with this data."""
    return sha256(b"\x00" + body).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of an inner node."""
    return sha256(b"\x01" + left + right).digest()


class Frontier:
    """What is needed of a tree to grow it: its size, and the hashes of the complete subtrees at its right edge (O(log n))."""

    def __init__(self, size: int = 0, packed: bytes = b"") -> None:
        """`packed` as `pack` gives it. Raises ValueError when it does not fit the size."""
        if len(packed) != HASH_BYTES * size.bit_count():
            raise ValueError(f"a tree of {size} leaves has {size.bit_count()} complete subtrees, not {len(packed) / HASH_BYTES:g}")
        self.size = size
        levels = [level for level in reversed(range(size.bit_length())) if size >> level & 1]
        self._at = {level: packed[at * HASH_BYTES : (at + 1) * HASH_BYTES] for at, level in enumerate(levels)}

    def extend(self, hashes: Sequence[bytes], level: int = 0) -> list[tuple[int, int, list[bytes]]]:
        """Append leaf hashes (or hashes of complete subtrees of 2^level leaves, where the size is a multiple of that).

        Returns the nodes that became complete, level by level upwards: level, index of the first, hashes.
        """
        made: list[tuple[int, int, list[bytes]]] = []
        first, nodes = self.size >> level, list(hashes)
        self.size += len(nodes) << level
        while nodes:
            made.append((level, first, nodes))
            waiting = self._at.pop(level, None)
            row = nodes if waiting is None else [waiting, *nodes]
            if len(row) % 2:
                self._at[level] = row[-1]
            # Written out here: this line is where sealing and verifying spend their time.
            nodes = [sha256(b"\x01" + left + right).digest() for left, right in zip(row[::2], row[1::2], strict=False)]
            level, first = level + 1, first // 2
        return made

    def root(self) -> bytes:
        """The root of the tree."""
        found: bytes | None = None
        for level in sorted(self._at):
            found = self._at[level] if found is None else node_hash(self._at[level], found)
        return EMPTY if found is None else found

    def pack(self) -> bytes:
        """The hashes of the complete subtrees, the largest first."""
        return b"".join(self._at[level] for level in sorted(self._at, reverse=True))


def _split(start: int, end: int) -> int:
    """Where the left subtree ends: it has the largest power of two of leaves that is less than all of them."""
    return start + (1 << (end - start - 1).bit_length() - 1)


def inclusion_path(index: int, size: int, hash_of: HashOf, start: int = 0) -> list[bytes]:
    """The audit path of leaf `index` in the tree of the leaves from `start` up to `size`, from the leaf's sibling upwards."""
    if not start <= index < size:
        raise ValueError(f"leaf {index} is not in the tree of {size} leaves")
    if size - start == 1:
        return []
    middle = _split(start, size)
    if index < middle:
        return [*inclusion_path(index, middle, hash_of, start), hash_of(middle, size)]
    return [*inclusion_path(index, size, hash_of, middle), hash_of(start, middle)]


def consistency_path(old: int, new: int, hash_of: HashOf) -> list[bytes]:
    """The proof that the tree of `old` leaves is the beginning of that of `new` leaves. Raises ValueError unless 0 ≤ old ≤ new."""
    if not 0 <= old <= new:
        raise ValueError(f"a tree of {new} leaves does not begin with one of {old}")
    return [] if old in {0, new} else _consistency(old, 0, new, hash_of, known=True)


def _consistency(old: int, start: int, end: int, hash_of: HashOf, *, known: bool) -> list[bytes]:
    if old == end:
        return [] if known else [hash_of(start, end)]
    middle = _split(start, end)
    if old <= middle:
        return [*_consistency(old, start, middle, hash_of, known=known), hash_of(middle, end)]
    return [*_consistency(old, middle, end, hash_of, known=False), hash_of(start, middle)]


def included(leaf: bytes, index: int, size: int, path: Sequence[bytes], root: bytes) -> bool:
    """Whether the path proves that the leaf with this hash is number `index` under the root (RFC 9162, 2.1.3.2)."""
    if not 0 <= index < size or any(len(one) != HASH_BYTES for one in (leaf, *path)):
        return False
    number, last, found = index, size - 1, leaf
    for sibling in path:
        if last == 0:
            return False
        if number & 1 or number == last:
            found = node_hash(sibling, found)
            while not number & 1 and number:
                number, last = number >> 1, last >> 1
        else:
            found = node_hash(found, sibling)
        number, last = number >> 1, last >> 1
    return last == 0 and found == root


def consistent(old: int, new: int, old_root: bytes, new_root: bytes, path: Sequence[bytes]) -> bool:
    """Whether the path proves that the older tree is the beginning of the newer one (RFC 9162, 2.1.4.2)."""
    if not 0 <= old <= new or any(len(one) != HASH_BYTES for one in path):
        return False
    if old == new or old == 0:
        return not path and (old == 0 < new or old_root == new_root)
    steps = list(path) if old & (old - 1) else [old_root, *path]
    if not steps:
        return False
    number, last = old - 1, new - 1
    while number & 1:
        number, last = number >> 1, last >> 1
    first = second = steps[0]
    for step in steps[1:]:
        if last == 0:
            return False
        if number & 1 or number == last:
            first, second = node_hash(step, first), node_hash(step, second)
            while not number & 1 and number:
                number, last = number >> 1, last >> 1
        else:
            second = node_hash(second, step)
        number, last = number >> 1, last >> 1
    return last == 0 and first == old_root and second == new_root
