"""Retracing the tree: from the entries' bodies, leaf by leaf, past every kept node and every checkpoint, to its edge."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from operator import attrgetter

from biobank.core.errors import Refusal
from biobank.core.work import Work
from biobank.ledger import queries
from biobank.ledger.rules import Finding, Frontier, Note, Verifier, check_note, leaf_hash, read_note
from biobank.ledger.rules.tree import HASH_BYTES
from biobank.ledger.service.sealing import KEPT_EVERY

TILE = 1 << KEPT_EVERY
BATCH = 16 * TILE
SHOWN = 20
# Stands in for a leaf that cannot be recomputed; no leaf has this hash.
NOTHING = bytes(HASH_BYTES)


@dataclass(frozen=True, slots=True)
class _Stop:
    """A size at which the root is known: from a checkpoint in the database, or from one that was kept elsewhere."""

    size: int
    root: bytes
    exported: bool

    def __str__(self) -> str:
        return f"the {'exported ' if self.exported else ''}checkpoint of {self.size} leaves"


@dataclass(slots=True)
class _Doubt:
    """Tiles whose kept node is not that of their leaves, and the tree as the kept nodes have it: the next checkpoint tells which is right."""

    kept: Frontier
    tiles: list[int] = field(default_factory=list)


def retrace(
    work: Work, progress: Callable[[int], None], verifiers: Sequence[Verifier] | None, against: Sequence[str]
) -> Iterator[Finding]:
    """Yields a Finding for every leaf, node, edge or checkpoint that is not what the entries give. Memory does not grow with the tree."""
    outside: list[_Stop] = []
    for text in against:
        yield from _judge(text, verifiers, outside)
    stored: list[Finding] = []
    stops = heapq.merge(_stored(work, verifiers, stored), sorted(outside, key=attrgetter("size")), key=attrgetter("size"))
    yield from _Retracing(work, stops, stored).run(progress)


def _judge(text: str, verifiers: Sequence[Verifier] | None, into: list[_Stop]) -> Iterator[Finding]:
    try:
        note = read_note(text) if verifiers is None else check_note(text, verifiers)
    except Refusal as refusal:
        first = text.split("\n")[:2]
        yield Finding("exported checkpoint", None, "note", f"{' '.join(first)}: {refusal.detail}")
        return
    into.append(_Stop(note.size, note.root, exported=True))


def _stored(work: Work, verifiers: Sequence[Verifier] | None, findings: list[Finding]) -> Iterator[_Stop]:
    """The checkpoints in the database, each with its own faults. What was signed is believed, not the columns beside it."""
    after, origin = -1, verifiers[-1].name if verifiers else None
    while page := queries.checkpoints(work, after):
        for one in page:
            root = one.root
            try:
                note: Note = read_note(one.note)
                if (note.size, note.root) != (one.size, one.root):
                    findings.append(_wrong("checkpoint", f"the checkpoint of {one.size} leaves has another size or root than its signed note"))
                root = note.root if note.size == one.size else one.root
                if origin is not None and note.origin != origin:
                    findings.append(_wrong("origin", f"the checkpoint of {one.size} leaves is one of “{note.origin}”, not of “{origin}”"))
                if verifiers is not None:
                    check_note(one.note, verifiers)
            except Refusal as refusal:
                findings.append(_wrong("note", f"the checkpoint of {one.size} leaves: {refusal.detail}"))
            yield _Stop(one.size, root, exported=False)
        after = page[-1].size


def _wrong(what: str, message: str) -> Finding:
    return Finding("tree", None, what, message)


class _Retracing:
    """The walk: `tree` is what the leaves give; `good` the size up to which a checkpoint has confirmed it."""

    def __init__(self, work: Work, stops: Iterator[_Stop], noted: list[Finding]) -> None:
        self._work = work
        self._stops = stops
        self._noted = noted
        self._tree = Frontier()
        # The leaves since the last whole tile, and the tree as it was there.
        self._loose: list[bytes] = []
        self._whole = Frontier()
        self._doubt: _Doubt | None = None
        self._good = 0
        self._newest = 0
        # Checkpoints that do not fit, in the database and from elsewhere: what to say of the first, and how many more.
        self._missed: dict[bool, tuple[list[Finding], int]] = {}

    def run(self, progress: Callable[[int], None]) -> Iterator[Finding]:
        """All of it; Findings as they come."""
        stop = self._next()
        while (first := queries.first_leaf(self._work, self._tree.size)) is not None:
            start = self._tree.size
            if first >= start + BATCH:
                # Not one leaf at a time through a gap of any width.
                yield _wrong("leaf", f"the leaves from {start} to {first - 1} are missing")
                break
            rows = queries.leaves(self._work, start, start + BATCH)
            hashes, faults = self._hashes(rows, start)
            yield from faults
            kept = queries.nodes(self._work, KEPT_EVERY, start >> KEPT_EVERY, (start + BATCH) >> KEPT_EVERY)
            at = 0
            while at < len(hashes):
                end = min(len(hashes), (at // TILE + 1) * TILE - start % TILE, stop.size - start if stop and stop.size > start + at else len(hashes))
                yield from self._grow(hashes[at:end], kept)
                at = end
                while stop is not None and stop.size <= self._tree.size:
                    yield from self._compare(stop)
                    stop = self._next()
            progress(len(rows))
        yield from self._close()
        while stop is not None:
            self._beyond(stop)
            stop = self._next()
        yield from self._end()

    def _next(self) -> _Stop | None:
        stop = next(self._stops, None)
        if stop is not None and not stop.exported:
            self._newest = stop.size
        return stop

    def _hashes(self, rows: Sequence[queries.LeafRead], start: int) -> tuple[list[bytes], list[Finding]]:
        if rows[0][0] == start and rows[-1][0] == start + len(rows) - 1 and {type(row[3]) for row in rows} == {bytes}:
            return [leaf_hash(row[3] or b"") for row in rows], []
        faults: list[Finding] = []
        hashes: list[bytes] = []
        for index, _, seq, body in rows:
            expected = start + len(hashes)
            if index > expected:
                faults.append(_wrong("leaf", f"leaf {expected} is missing; the next one found is {index}"))
                hashes += [NOTHING] * (index - expected)
            if body is None:
                name = queries.whose(self._work, index, index + 1, 1)[0][0]
                faults.append(Finding(name, seq, "leaf", f"this entry was sealed as leaf {index} and is not there any more"))
            hashes.append(NOTHING if body is None else leaf_hash(body if type(body) is bytes else str(body).encode()))
        return hashes, faults

    def _grow(self, hashes: Sequence[bytes], kept: dict[int, bytes]) -> Iterator[Finding]:
        if not self._loose:
            self._whole = Frontier(self._tree.size, self._tree.pack())
        self._loose += hashes
        made = {level: (first, nodes) for level, first, nodes in self._tree.extend(hashes) if level and level % KEPT_EVERY == 0}
        if self._tree.size % TILE:
            return
        self._loose = []
        index, node = self._tree.size // TILE - 1, made[KEPT_EVERY][1][0]
        found = kept.get(index)
        if found is None:
            yield _wrong("node", f"the kept hash of {_range(index * TILE, self._tree.size)} is missing")
        if self._doubt is None and found not in {None, node}:
            self._doubt = _Doubt(self._whole)
        also: dict[int, list[bytes]] = {}
        if self._doubt is not None:
            also = {level: nodes for level, _, nodes in self._doubt.kept.extend([found or node], KEPT_EVERY)}
            if found not in {None, node}:
                self._doubt.tiles.append(index)
        for level, (first, nodes) in made.items():
            if level > KEPT_EVERY:
                yield from self._higher(level, first, {nodes[0], *also.get(level, [])})

    def _higher(self, level: int, index: int, right: set[bytes]) -> Iterator[Finding]:
        found = queries.nodes(self._work, level, index, index + 1).get(index)
        if found not in right:
            what = "is missing" if found is None else "is not that of its leaves"
            yield _wrong("node", f"the kept hash of {_range(index << level, index + 1 << level)} {what}")

    def _compare(self, stop: _Stop) -> Iterator[Finding]:
        doubt = self._doubt
        if self._tree.root() == stop.root:
            if doubt is not None:
                for index in doubt.tiles:
                    yield _wrong("node", f"the kept hash of {_range(index * TILE, (index + 1) * TILE)} was changed; {stop} confirms its leaves")
            yield from self._close()
        elif doubt is not None and self._in_doubt().root() == stop.root:
            for index in doubt.tiles:
                yield from self._changed(max(index * TILE, self._good), min((index + 1) * TILE, stop.size), f"{stop} confirms the kept hash")
            # The tree goes on as it was signed, and what did not fit in between is explained.
            self._tree, self._missed = self._in_doubt(), {}
        else:
            said = "was signed over something else: rewritten afterwards" if stop.exported else "has another root"
            self._miss(stop, lambda: list(self._changed(self._good, stop.size, f"{stop} {said}")))
            return
        self._doubt, self._good = None, stop.size

    def _miss(self, stop: _Stop, tell: Callable[[], list[Finding]]) -> None:
        told, more = self._missed.get(stop.exported, ([], -1))
        self._missed[stop.exported] = (told or tell(), more + 1)

    def _in_doubt(self) -> Frontier:
        assert self._doubt is not None
        tree = Frontier(self._doubt.kept.size, self._doubt.kept.pack())
        tree.extend(self._loose)
        return tree

    def _changed(self, start: int, end: int, why: str) -> Iterator[Finding]:
        """Names the chains that the fault may be in: no more is known."""
        whose = queries.whose(self._work, start, end, SHOWN + 1)
        told = ", ".join(f"{name} {low}" if low == high else f"{name} {low}–{high}" for name, low, high in whose[:SHOWN])
        chain, seq = (whose[0][0], whose[0][1] if end - start == 1 else None) if len(whose) == 1 else ("tree", None)
        more = " and others" if len(whose) > SHOWN else ""
        yield Finding(chain, seq, "leaf", f"{why}; what was changed, added or taken away is in {_range(start, end)}: {told}{more}")

    def _beyond(self, stop: _Stop) -> None:
        why = "an older backup was restored, or the newest entries were deleted" if stop.exported else "the newest leaves were deleted"
        self._miss(stop, lambda: [_wrong("size", f"{stop} has more leaves than the {self._tree.size} that are here: {why}")])

    def _close(self) -> Iterator[Finding]:
        for exported, (told, more) in self._missed.items():
            yield from told
            if more:
                yield _wrong("checkpoint", f"{more} more {'exported ' if exported else ''}checkpoints do not fit either")
        self._missed = {}

    def _end(self) -> Iterator[Finding]:
        yield from self._close()
        yield from self._noted
        size, packed = queries.tree(self._work) or (None, b"")
        for index in self._doubt.tiles if self._doubt else []:
            yield from self._changed(index * TILE, (index + 1) * TILE, "leaves and kept hash differ, and no checkpoint tells which is right")
        if size != self._tree.size:
            yield _wrong("size", f"the tree says that it has {size} leaves, {self._tree.size} are there")
        elif packed != self._tree.pack():
            yield _wrong("frontier", "the tree's edge is not that of its leaves")
        if self._newest != self._tree.size:
            why = f"the newest checkpoint has {self._newest} leaves, the tree {self._tree.size}: it was taken away, or leaves were added"
            yield _wrong("checkpoint", why)
        for level, count in queries.node_counts(self._work).items():
            right = self._tree.size >> level if level and level % KEPT_EVERY == 0 else 0
            if count > right:
                yield _wrong("node", f"{count} hashes are kept at level {level}, {right} belong there")


def _range(start: int, end: int) -> str:
    return f"leaf {start}" if end - start == 1 else f"the leaves {start} to {end - 1}"
