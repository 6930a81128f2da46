"""Sealing: entries that are new become leaves of the tree, and its new head is signed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import bindparam, case, func, insert, select, update

from biobank.core.db import AnyRow, BigInt
from biobank.core.errors import N_, Conflict
from biobank.core.work import Work
from biobank.ledger import queries
from biobank.ledger.models import Chain, Checkpoint, Entry, Leaf, Node, Tree
from biobank.ledger.rules import Frontier, NoteMalformed, leaf_hash, read_note, sign_checkpoint
from biobank.ledger.service.signing import Keyring

# Leaves at a time: so many bodies are in memory.
BATCH = 1000
KEPT_EVERY = 8

_PICKED = Chain.id.in_(bindparam("ids", expanding=True))
# The last chain of a batch may have more entries than fit: `cut` and how far it goes now.
_UP_TO = case((Chain.id == bindparam("cut"), bindparam("up_to")), else_=Chain.last_seq)
_NUMBER = bindparam("size", type_=BigInt) - 1 + func.row_number().over(order_by=(Entry.chain_id, Entry.seq))
_NEW = (
    select(_NUMBER, Entry.chain_id, Entry.seq)
    .join(Chain, Chain.id == Entry.chain_id)
    .where(_PICKED, Entry.seq > Chain.sealed_seq, Entry.seq <= _UP_TO)
)
_APPEND = insert(Leaf.__table__).from_select(["leaf_index", "chain_id", "seq"], _NEW)  # type: ignore[arg-type]
_MOVE = update(Chain).where(_PICKED, Chain.sealed_seq < Chain.last_seq).values(sealed_seq=_UP_TO).execution_options(synchronize_session=False)
_GROW = (
    update(Tree)
    .where(Tree.id == 1, Tree.size == bindparam("was"))
    .values(size=bindparam("new_size"), frontier=bindparam("edge"))
    .execution_options(synchronize_session=False)
)


class TreeChanged(Conflict):
    """What is stored of the tree is not what was signed last; signing on would make two histories."""

    title = N_("The tree was changed")
    message = N_("The tree's edge (%(size)s leaves) is not that of the last checkpoint (%(sealed)s). Nothing was sealed; run “biobank verify”.")


@dataclass(frozen=True, slots=True)
class Sealed:
    """A new checkpoint: how many leaves the tree has now, its root, the signed note, how many leaves are new, and whether more wait."""

    size: int
    root: bytes
    note: str
    leaves: int
    more: bool


def seal(work: Work, keyring: Keyring, limit: int | None = None) -> Sealed | None:
    """Make unsealed entries leaves of the tree, at most `limit` of them, and sign a checkpoint. None: nothing was new.

    Sealers queue for the tree's row. A chain that is being written to is passed over and sealed next time. `more` says that the
    limit was reached: seal again in a new unit, because this one holds its chains until it is committed. Raises TreeChanged.
    """
    size, packed = queries.tree(work, lock=True) or (0, b"")
    frontier = _insist(work, size, packed)
    after, room = -1, limit
    while room is None or room > 0:
        most = BATCH if room is None else min(BATCH, room)
        picked = queries.lock_unsealed(work, after, most)
        if not picked:
            break
        cut = _cut(picked, most)
        _append(work, frontier, cut)
        # A chain that did not fit is looked at again from where it was cut.
        after = cut.ids[-1] - 1 if cut.partly else cut.ids[-1]
        room = None if room is None else room - cut.planned
    if frontier.size == size:
        return None
    return _sign(work, keyring, size, frontier, more=room is not None and room <= 0)


@dataclass(frozen=True, slots=True)
class _Cut:
    ids: list[int]
    planned: int
    last: int
    up_to: int
    partly: bool


def _cut(picked: Sequence[AnyRow], most: int) -> _Cut:
    """So many chains as have `most` entries together; the last of them perhaps not to its end."""
    ids: list[int] = []
    planned = 0
    for row in picked:
        ids.append(row.id)
        take = min(row.last_seq - row.sealed_seq, most - planned)
        planned += take
        if planned >= most:
            return _Cut(ids, planned, row.id, row.sealed_seq + take, row.sealed_seq + take < row.last_seq)
    return _Cut(ids, planned, picked[len(ids) - 1].id, picked[len(ids) - 1].last_seq, False)


def _append(work: Work, frontier: Frontier, cut: _Cut) -> None:
    """The database numbers the leaves; what is hashed is read back from them, as verification will read it."""
    connection = work.session.connection()
    start, chosen = frontier.size, {"ids": cut.ids, "cut": cut.last, "up_to": cut.up_to}
    connection.execute(_APPEND, {**chosen, "size": start})
    rows = queries.leaves(work, start, start + cut.planned)
    kept = [
        {"level": level, "node_index": first + at, "hash": hash_}
        for level, first, hashes in frontier.extend([leaf_hash(row.body or b"") for row in rows])
        if level and level % KEPT_EVERY == 0
        for at, hash_ in enumerate(hashes)
    ]
    if kept:
        connection.execute(insert(Node), kept)
    moved = connection.execute(_MOVE, chosen)
    if moved.rowcount != len(cut.ids):
        raise TreeChanged(size=start, sealed=frontier.size)


def _insist(work: Work, size: int, packed: bytes) -> Frontier:
    newest = queries.newest_checkpoint(work)
    sealed = newest[0] if newest else 0
    try:
        frontier = Frontier(size, packed)
        right = sealed == size and (newest is None or read_note(newest[1]).root == frontier.root())
    except (ValueError, NoteMalformed):
        right = False
    if not right:
        raise TreeChanged(size=size, sealed=sealed)
    return frontier


def _sign(work: Work, keyring: Keyring, was: int, frontier: Frontier, *, more: bool) -> Sealed:
    connection = work.session.connection()
    if connection.execute(_GROW, {"was": was, "new_size": frontier.size, "edge": frontier.pack()}).rowcount != 1:
        raise TreeChanged(size=was, sealed=frontier.size)
    if len(keyring.signers) > 1 and _has_signed(work, keyring):
        keyring = keyring.settled()
    root = frontier.root()
    note = sign_checkpoint(keyring.name, frontier.size, root, keyring.signers)
    connection.execute(insert(Checkpoint), {"size": frontier.size, "root": root, "note": note})
    return Sealed(frontier.size, root, note, frontier.size - was, more)


def _has_signed(work: Work, keyring: Keyring) -> bool:
    """Whether the newest key stands under the last checkpoint already: then the old one has vouched for it, and is done."""
    newest, mine = queries.newest_checkpoint(work), keyring.signers[-1].verifier
    return newest is not None and any((one.name, one.id) == (mine.name, mine.id) for one in read_note(newest[1]).signatures)
