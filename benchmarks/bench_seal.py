"""Sealing, beside a bare loop that hashes the same bodies into the same tree with nothing but hashlib."""

from __future__ import annotations

import hashlib
import tempfile
import time
from pathlib import Path

from benchmarks.filler import fill
from benchmarks.ground import Ground, Measured, open_instance
from benchmarks.results import Result
from biobank.ledger import queries
from biobank.ledger import service as ledger
from biobank.ledger.rules import Frontier, leaf_hash

LEAVES = 10_000
ROUNDS = 7
BATCH = 1000
GOAL = 0.5


def run(ground: Ground) -> list[Result]:
    """The tree alone, and the whole use case: find what is new, number it, hash it, store it, sign it."""
    instance = open_instance(ground, "seal")
    keyring = ledger.Keyring.load(Path(tempfile.mkdtemp(prefix="bench-")), "biobank")
    with instance.units.write() as work:
        ledger.seal(work, keyring)
    measured = Measured()
    for _ in range(ROUNDS):
        fill(instance.units, LEAVES)
        begun = time.process_time()
        with instance.units.write() as work:
            sealed = ledger.seal(work, keyring, LEAVES)
        measured.rounds.setdefault("seal", []).append(time.process_time() - begun)
        if sealed is None or sealed.leaves != LEAVES:
            raise RuntimeError("not all was sealed")
        with instance.units.read() as work:
            bodies = [row.body or b"" for row in queries.leaves(work, sealed.size - LEAVES, sealed.size)]
        for name, hashed in (("tree", _tree), ("bare", _bare)):
            begun = time.process_time()
            hashed(bodies)
            measured.rounds.setdefault(name, []).append(time.process_time() - begun)
    return [
        Result(f"seal, {name}", ground.engine, LEAVES * 1e6 / measured.median(key), "bare tree in hashlib", LEAVES * 1e6 / measured.median("bare"),
               1 / measured.ratio(key, "bare"), goal, least=True, unit="leaves/s", note=f"{LEAVES} leaves in one unit")
        for name, key, goal in (("hashing", "tree", GOAL), ("all of it", "seal", None))
    ]


def _tree(bodies: list[bytes]) -> bytes:
    tree = Frontier()
    for at in range(0, len(bodies), BATCH):
        tree.extend([leaf_hash(body) for body in bodies[at : at + BATCH]])
    return tree.root()


def _bare(bodies: list[bytes]) -> bytes:
    sha256 = hashlib.sha256
    row = [sha256(b"\x00" + body).digest() for body in bodies]
    while len(row) > 1:
        row = [sha256(b"\x01" + row[at] + row[at + 1]).digest() for at in range(0, len(row) - 1, 2)] + row[len(row) // 2 * 2 :]
    return row[0]
