"""Proofs from the stored tree: that an entry is in it, and that an older tree is its beginning."""

from __future__ import annotations

from biobank.core.errors import N_, Conflict, NotFound
from biobank.core.work import Work
from biobank.ledger import queries
from biobank.ledger.rules import consistency_path, inclusion_path, leaf_hash, node_hash
from biobank.ledger.service.sealing import KEPT_EVERY

TILE = 1 << KEPT_EVERY


class NotSealed(NotFound):
    """The entry is not a leaf of that tree."""

    title = N_("Not sealed yet")
    message = N_("Entry %(seq)s is not among the %(size)s leaves of this checkpoint. Seal (biobank seal), or take a newer checkpoint.")


class NoSuchTree(Conflict):
    """There is no tree of that size."""

    title = N_("No such tree")
    message = N_("The tree has %(size)s leaves; %(asked)s is no size it had.")


def inclusion(work: Work, chain_id: int, seq: int, size: int) -> tuple[int, list[bytes]]:
    """The entry's leaf index and its audit path in the tree of `size` leaves. Raises NotSealed, NoSuchTree."""
    _insist(work, size)
    index = queries.leaf_of(work, chain_id, seq)
    if index is None or index >= size:
        raise NotSealed(seq=seq, size=size)
    return index, inclusion_path(index, size, _Stored(work).hash_of)


def consistency(work: Work, old: int, new: int) -> list[bytes]:
    """The proof that the tree of `old` leaves is the beginning of that of `new` leaves. Raises NoSuchTree."""
    _insist(work, new)
    if not 0 <= old <= new:
        raise NoSuchTree(size=new, asked=old)
    return consistency_path(old, new, _Stored(work).hash_of)


def _insist(work: Work, size: int) -> None:
    found = queries.tree(work)
    met = found[0] if found else 0
    if not 0 <= size <= met:
        raise NoSuchTree(size=met, asked=size)


class _Stored:
    """Hashes of subtrees. Kept nodes are read a tile at a time, as are bodies: never more than 256 of them for a tile."""

    def __init__(self, work: Work) -> None:
        self._work = work
        # A pack of proofs looks at the same tiles again and again.
        self._tiles: dict[tuple[int, int], dict[int, bytes]] = work.memo.setdefault("ledger-tiles", {})

    def hash_of(self, start: int, end: int) -> bytes:
        """The hash of the subtree over the leaves from `start` up to, not including, `end`."""
        height = (end - start - 1).bit_length()
        if end - start == 1 << height and height % KEPT_EVERY == 0:
            return self._kept(height, start >> height)
        middle = start + (1 << height - 1)
        return node_hash(self.hash_of(start, middle), self.hash_of(middle, end))

    def _kept(self, level: int, index: int) -> bytes:
        tile = self._tiles.setdefault((level, index >> KEPT_EVERY), {})
        if index not in tile:
            first = index >> KEPT_EVERY << KEPT_EVERY
            if level:
                tile.update(queries.nodes(self._work, level, first, first + TILE))
            else:
                tile.update((row.leaf_index, leaf_hash(row.body or b"")) for row in queries.leaves(self._work, first, first + TILE))
        return tile[index]
