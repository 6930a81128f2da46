"""Sealing: the tree grows by what is new, every checkpoint is signed and consistent with those before, and any entry can be proved."""

from __future__ import annotations

import stat
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import count, pairwise
from pathlib import Path

import pytest
from sqlalchemy import text

from biobank.core.work import Units
from biobank.ledger import queries
from biobank.ledger import service as ledger
from biobank.ledger.rules import (
    Finding,
    Frontier,
    KeyMalformed,
    Line,
    SignerUnknown,
    check_note,
    consistent,
    included,
    leaf_hash,
    read_note,
    sign_checkpoint,
    split_notes,
)
from biobank.ledger.service import Keyring, Sealed, proofs, retracing, sealing
from biobank.settings import Settings
from tests.availability import stock
from tests.client import Client

Put = Callable[..., list[int]]


@pytest.fixture
def keyring(settings: Settings) -> Keyring:
    """The instance's own keys."""
    return Keyring.load(settings.signing_folder, settings.log_name)


@pytest.fixture
def small_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nodes kept every second level: a tree of a hundred leaves is as deep as one of millions."""
    for module, values in (
        (sealing, {"KEPT_EVERY": 2, "BATCH": 7}), (proofs, {"KEPT_EVERY": 2, "TILE": 4}), (retracing, {"KEPT_EVERY": 2, "TILE": 4, "BATCH": 12}),
    ):
        for name, value in values.items():
            monkeypatch.setattr(module, name, value)


@pytest.fixture
def put(units: Units) -> Put:
    """New chains with so many entries each: `put(2, 3)`; or more entries on given chains: `put(1, 3, on=[…])`."""
    names = count()

    def write(chains: int, each: int, on: Sequence[int] = ()) -> list[int]:
        with units.write() as work:
            ids = list(on) or ledger.open_chains(work, "test", [f"chain-{next(names)}" for _ in range(chains)])
            ledger.append(work, [Line(chain, "test", {"n": n}) for n in range(each) for chain in ids])
        return ids

    return write


@pytest.fixture
def seal(units: Units, keyring: Keyring) -> Callable[..., Sealed | None]:
    """Seals in a unit of its own."""

    def do(limit: int | None = None, ring: Keyring | None = None) -> Sealed | None:
        with units.write() as work:
            return ledger.seal(work, ring or keyring, limit)

    return do


def findings(units: Units, keyring: Keyring, against: Sequence[str] = ()) -> list[Finding]:
    """What verification says."""
    with units.read() as work:
        return list(ledger.verify(work, verifiers=keyring.verifiers, against=against))


def the(sealed: Sealed | None) -> Sealed:
    """It sealed something."""
    assert sealed is not None
    return sealed


def test_what_is_new_becomes_leaves_once(units: Units, keyring: Keyring, put: Put, seal: Callable[..., Sealed | None]) -> None:
    put(3, 2)
    first = the(seal())
    assert (first.leaves, first.size, first.more) == (6, 6, False)
    note = check_note(first.note, keyring.verifiers)
    assert (note.origin, note.size, note.root) == ("biobank", 6, first.root)
    assert seal() is None
    ids = put(1, 1)
    put(1, 2, on=ids)
    assert (the(seal()).size, seal()) == (9, None)
    with units.read() as work:
        assert queries.sealed_and_not(work) == (9, 0)
        assert [one.size for one in queries.checkpoints(work)] == [6, 9]
        assert queries.checkpoint_at(work, 6) == queries.CheckpointRead(6, first.root, first.note)
        assert queries.checkpoint_at(work, 7) is None
    assert findings(units, keyring) == []


def test_nothing_is_sealed_of_nothing(units: Units, keyring: Keyring, seal: Callable[..., Sealed | None]) -> None:
    assert seal() is None
    assert findings(units, keyring) == []


def test_the_tree_is_that_of_the_bodies_in_leaf_order(units: Units, put: Put, seal: Callable[..., Sealed | None]) -> None:
    on = put(4, 3)
    seal()
    put(4, 2, on=on)
    sealed = the(seal())
    with units.read() as work:
        bodies = work.session.execute(
            text("SELECT e.body FROM leaf l JOIN entry e ON e.chain_id = l.chain_id AND e.seq = l.seq ORDER BY l.leaf_index")
        ).scalars()
        tree = Frontier()
        tree.extend([leaf_hash(bytes(body)) for body in bodies])
    assert (tree.size, tree.root()) == (sealed.size, sealed.root)


@pytest.mark.parametrize("limit", [1, 2, 3, 5, 100])
def test_a_limit_takes_several_turns_and_says_so(
    units: Units, keyring: Keyring, put: Put, seal: Callable[..., Sealed | None], limit: int
) -> None:
    put(2, 4)
    put(3, 1)
    made = []
    while (sealed := seal(limit)) is not None:
        made.append(sealed)
        assert sealed.leaves <= limit
    assert sum(one.leaves for one in made) == 11 == made[-1].size
    assert all(one.more for one in made[:-1])
    assert findings(units, keyring) == []


@pytest.mark.usefixtures("small_tiles")
def test_every_entry_is_proved_under_every_checkpoint_and_every_checkpoint_under_the_next(
    units: Units, keyring: Keyring, put: Put, seal: Callable[..., Sealed | None]
) -> None:
    on = put(5, 3)
    made = [the(seal())]
    for step in (1, 4, 9, 2, 17):
        put(5, step, on=on)
        made.append(the(seal(step * 3)))
    while (more := seal()) is not None:
        made.append(more)
    assert made[-1].size == 5 * 36
    for old, new in pairwise(made):
        with units.read() as work:
            assert consistent(old.size, new.size, old.root, new.root, ledger.consistency(work, old.size, new.size))
    with units.read() as work:
        assert consistent(made[0].size, made[-1].size, made[0].root, made[-1].root, ledger.consistency(work, made[0].size, made[-1].size))
        for row in queries.leaves(work, 0, made[-1].size):
            for one in (made[-1], *[one for one in made if one.size > row.leaf_index][:1]):
                index, path = ledger.inclusion(work, row.chain_id, row.seq, one.size)
                assert index == row.leaf_index
                assert included(leaf_hash(row.body), index, one.size, path, one.root)
        assert set(queries.node_counts(work)) == {2, 4, 6}
    assert findings(units, keyring) == []


def test_a_proof_reads_one_tile_of_bodies(units: Units, put: Put, seal: Callable[..., Sealed | None], monkeypatch: pytest.MonkeyPatch) -> None:
    put(100, 7)
    sealed = the(seal())
    read: list[int] = []

    def counting(work: object, start: int, end: int, real: Callable[..., Sequence[object]] = queries.leaves) -> Sequence[object]:
        rows = real(work, start, end)
        read.append(len(rows))
        return rows

    monkeypatch.setattr(queries, "leaves", counting)
    with units.read() as work:
        row = work.session.execute(text("SELECT chain_id, seq FROM leaf WHERE leaf_index = 300")).one()
        _, path = ledger.inclusion(work, row.chain_id, row.seq, sealed.size)
    assert len(path) == 10 and len(read) == 2 and max(read) <= 256


def test_what_is_not_sealed_has_no_proof(units: Units, put: Put, seal: Callable[..., Sealed | None]) -> None:
    sealed_chain = put(1, 2)[0]
    size = the(seal()).size
    new = put(1, 1)[0]
    with units.read() as work:
        with pytest.raises(ledger.NotSealed):
            ledger.inclusion(work, new, 1, size)
        with pytest.raises(ledger.NotSealed):
            ledger.inclusion(work, sealed_chain, 2, 1)
        for sizes in ((0, size + 1), (3, 2), (-1, size)):
            with pytest.raises(ledger.NoSuchTree):
                ledger.consistency(work, *sizes)
        with pytest.raises(ledger.NoSuchTree):
            ledger.inclusion(work, sealed_chain, 1, size + 1)


def test_after_a_rotation_both_sign_once_and_then_the_new_one(
    units: Units, settings: Settings, keyring: Keyring, put: Put, seal: Callable[..., Sealed | None]
) -> None:
    def load() -> Keyring:
        return Keyring.load(settings.signing_folder, settings.log_name)

    put(1, 1)
    the(seal())
    old, new = keyring.verifiers[-1], keyring.rotated().verifiers[-1]
    signed_by = []
    for _ in range(3):
        put(1, 1)
        sealed = the(seal(ring=load()))
        signed_by.append([one.id for one in read_note(sealed.note).signatures])
    assert signed_by == [[old.id, new.id], [new.id], [new.id]]
    ring = load()
    assert (ring.verifiers, [one.verifier for one in ring.signers]) == ((old, new), [new])
    assert old.vkey not in (settings.signing_folder / "signing.key").read_text()
    assert findings(units, ring) == []
    # Whoever kept the old public key alone can follow up to the checkpoint that hands over.
    with units.read() as work:
        notes = [one.note for one in queries.checkpoints(work)]
    assert [check_note(note, [old]).size for note in notes[:2]] == [1, 2]
    with pytest.raises(SignerUnknown):
        check_note(notes[2], [old])


def test_two_rotations_before_a_checkpoint_hand_over_from_one_to_the_next(
    settings: Settings, keyring: Keyring, put: Put, seal: Callable[..., Sealed | None]
) -> None:
    put(1, 1)
    the(seal())
    middle = keyring.rotated()
    newest = middle.rotated()
    assert [one.verifier for one in newest.signers] == list(newest.verifiers[1:])
    assert len(Keyring.load(settings.signing_folder, "biobank").verifiers) == 3


def test_keys_are_private_whole_and_made_once(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "signing"
    assert ledger.known_verifiers(folder) == () and not folder.exists()
    first, second = Keyring.load(folder, "biobank"), Keyring.load(folder, "biobank")
    assert first == second and ledger.known_verifiers(folder) == first.verifiers
    assert stat.S_IMODE((folder / "signing.key").stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert sorted(path.name for path in folder.iterdir()) == ["signing.key", "verifiers"]
    with pytest.raises(ledger.LogRenamed, match="biobank"):
        Keyring.load(folder, "another")
    for name in ("", "two words", "a+b"):
        with pytest.raises(KeyMalformed):
            Keyring.load(folder, name)
    (folder / "verifiers").unlink()
    assert Keyring.load(folder, "biobank").verifiers == first.verifiers
    (folder / "signing.key").write_text("PRIVATE+KEY+biobank+nonsense\n")
    with pytest.raises(KeyMalformed):
        Keyring.load(folder, "biobank")


@pytest.mark.parametrize("spoil", ["UPDATE tree SET size = size - 1", "UPDATE tree SET frontier = {other}", "DELETE FROM tree"])
def test_a_tree_that_was_changed_is_not_sealed_on(units: Units, put: Put, seal: Callable[..., Sealed | None], spoil: str) -> None:
    """Two histories under one key would be the end of all proof."""
    put(2, 1)
    the(seal())
    put(1, 1)
    with units.write() as work:
        other = "x'" + "00" * 32 + "'" if work.session.get_bind().dialect.name == "sqlite" else "decode(repeat('00', 32), 'hex')"
        work.session.execute(text(spoil.format(other=other)))
    with pytest.raises(ledger.TreeChanged):
        seal()


# ---- what verification makes of a tree, whose tiles are small enough to have all levels


@pytest.fixture
def grown(put: Put, seal: Callable[..., Sealed | None]) -> list[Sealed]:
    """Nine checkpoints over 89 leaves: levels 2, 4 and 6 are kept."""
    on = put(3, 1)
    made = [the(seal())]
    for step in (1, 3, 2, 5, 1, 7, 4, 5):
        put(3, step, on=on)
        made.append(the(seal()))
    put(1, 2)
    made.append(the(seal()))
    return made


@pytest.fixture
def spoil(units: Units) -> Iterator[Callable[[str], None]]:
    """Any statement, with every trigger of the tree's tables taken away first."""

    def run(statement: str) -> None:
        with units.write() as work:
            sqlite = work.session.get_bind().dialect.name == "sqlite"
            for table in ("entry", "leaf", "node", "checkpoint"):
                for what in ("update", "delete") if sqlite else ("change",):
                    work.session.execute(text(f"DROP TRIGGER IF EXISTS {table}_no_{what}" + ("" if sqlite else f" ON {table}")))
            changed = work.session.execute(text(statement)).rowcount  # type: ignore[attr-defined]
            assert changed == -1 or changed > 0

    return run


def told(units: Units, keyring: Keyring, against: Sequence[str] = ()) -> set[tuple[str, int | None, str]]:
    """What is found, besides the triggers."""
    return {(one.chain, one.seq, one.field) for one in findings(units, keyring, against) if one.field != "trigger"}


def other_hash(units: Units) -> str:
    """32 other bytes, as the database writes them."""
    with units.read() as work:
        return "x'" + "ab" * 32 + "'" if work.session.get_bind().dialect.name == "sqlite" else f"decode('{'ab' * 32}', 'hex')"


@pytest.mark.usefixtures("small_tiles")
@pytest.mark.parametrize(
    ("level", "index", "leaves"),
    [
        (2, 0, "the leaves 0 to 3"), (2, 7, "the leaves 28 to 31"), (2, 21, "the leaves 84 to 87"), (4, 1, "the leaves 16 to 31"),
        (6, 0, "the leaves 0 to 63"),
    ],
)
@pytest.mark.parametrize("how", ["changed", "deleted"])
def test_a_kept_node_that_was_spoilt_is_named_by_its_leaves(
    units: Units, keyring: Keyring, grown: list[Sealed], spoil: Callable[[str], None], level: int, index: int, leaves: str, how: str
) -> None:
    where = f"WHERE level = {level} AND node_index = {index}"
    spoil(f"UPDATE node SET hash = {other_hash(units)} {where}" if how == "changed" else f"DELETE FROM node {where}")
    found = [one for one in findings(units, keyring) if one.field != "trigger"]
    assert {one.field for one in found} == {"node"} and all(leaves in one.message for one in found) and len(found) == 1, found


@pytest.mark.usefixtures("small_tiles")
@pytest.mark.parametrize("leaf", [0, 1, 30, 62, 63, 64, 86])
def test_a_forged_body_whose_chain_fits_is_named_within_four_leaves(
    units: Units, keyring: Keyring, grown: list[Sealed], spoil: Callable[[str], None], leaf: int
) -> None:
    """The last entry of a chain rewritten with its hash, or any entry: the tree knows."""
    spoil(f"UPDATE leaf SET seq = seq WHERE leaf_index = {leaf}")
    with units.write() as work:
        # The hashes of the chain are another matter; they are not looked at here.
        row = work.session.execute(text("SELECT l.chain_id, l.seq, e.body FROM leaf l JOIN entry e ON e.chain_id = l.chain_id AND e.seq = l.seq "
                                        "WHERE leaf_index = :leaf"), {"leaf": leaf}).one()
        work.session.execute(text("UPDATE entry SET body = :body WHERE chain_id = :chain AND seq = :seq"),
                             {"body": bytes(row.body).replace(b'"n":', b'"N":'), "chain": row.chain_id, "seq": row.seq})
    found = [one for one in findings(units, keyring) if one.field == "leaf"]
    assert len(found) == 1
    before = max([one.size for one in grown if one.size <= leaf], default=0)
    low, high = max(leaf // 4 * 4, before), (leaf // 4 + 1) * 4
    assert (f"leaf {low}:" if high - low == 1 else f"the leaves {low} to {high - 1}:") in found[0].message


@pytest.mark.usefixtures("small_tiles")
def test_leaves_that_were_swapped_or_deleted(units: Units, keyring: Keyring, grown: list[Sealed], spoil: Callable[[str], None]) -> None:
    spoil("DELETE FROM leaf WHERE leaf_index = 41")
    found = findings(units, keyring)
    assert any("leaf 41 is missing" in one.message for one in found)
    assert any(one.field == "leaf" and one.chain.startswith("test/") and "no leaf of the tree" in one.message for one in found)


@pytest.mark.usefixtures("small_tiles")
def test_a_deleted_tail_of_the_tree(units: Units, keyring: Keyring, grown: list[Sealed], spoil: Callable[[str], None]) -> None:
    spoil("DELETE FROM leaf WHERE leaf_index >= 80")
    assert {("tree", None, "size"), ("tree", None, "checkpoint")} <= told(units, keyring)


@pytest.mark.usefixtures("small_tiles")
@pytest.mark.parametrize(
    ("statement", "field"),
    [
        ("DELETE FROM checkpoint WHERE size = (SELECT max(size) FROM checkpoint)", "checkpoint"),
        ("UPDATE checkpoint SET root = {other} WHERE size = 6", "checkpoint"),
        ("UPDATE checkpoint SET size = 7 WHERE size = 6", "checkpoint"),
        ("UPDATE checkpoint SET note = (SELECT note FROM checkpoint WHERE size = 3) WHERE size = 6", "checkpoint"),
        ("UPDATE checkpoint SET note = replace(note, 'biobank', 'biobonk') WHERE size = 6", "note"),
        ("UPDATE checkpoint SET note = 'nothing' WHERE size = 6", "note"),
        ("UPDATE tree SET frontier = {other}", "frontier"), ("UPDATE tree SET size = size + 1", "size"), ("DELETE FROM tree", "size"),
        ("INSERT INTO node (level, node_index, hash) VALUES (2, 22, {other})", "node"),
        ("INSERT INTO node (level, node_index, hash) VALUES (3, 0, {other})", "node"),
    ],
)
def test_a_spoilt_checkpoint_or_edge(
    units: Units, keyring: Keyring, grown: list[Sealed], spoil: Callable[[str], None], statement: str, field: str
) -> None:
    spoil(statement.format(other=other_hash(units)))
    assert ("tree", None, field) in told(units, keyring)


@pytest.mark.parametrize("change", ["sealed_seq + 1", "sealed_seq - 1", "0", "-1"])
def test_how_much_of_a_chain_is_sealed(
    units: Units, keyring: Keyring, put: Put, seal: Callable[..., Sealed | None], spoil: Callable[[str], None], change: str
) -> None:
    chain = put(1, 3)[0]
    the(seal())
    put(1, 1, on=[chain])
    spoil(f"UPDATE chain SET sealed_seq = {change} WHERE id = {chain}")
    found = {field for name, _, field in told(units, keyring) if name.startswith("test/")}
    assert found & {"sealed_seq", "leaf"}


def test_what_was_kept_elsewhere_finds_what_the_database_cannot(
    units: Units, keyring: Keyring, put: Put, seal: Callable[..., Sealed | None], tmp_path: Path
) -> None:
    put(2, 2)
    first = the(seal())
    put(2, 3)
    second = the(seal())
    assert told(units, keyring, [first.note, second.note, first.note]) == set()
    stranger = Keyring.load(tmp_path / "stranger", "biobank")
    assert told(units, keyring, [second.note.replace("\n10\n", "\n11\n")]) == {("exported checkpoint", None, "note")}
    assert told(units, keyring, ["no note at all\n"]) == {("exported checkpoint", None, "note")}
    older = findings(units, keyring, [_signed(keyring, 12, bytes(32)), _signed(keyring, 13, bytes(32))])
    assert [one.field for one in older] == ["size", "checkpoint"] and "older backup" in older[0].message
    rewritten = findings(units, keyring, [_signed(keyring, 7, bytes(32)), _signed(keyring, 9, bytes(32))])
    assert [one.field for one in rewritten] == ["leaf", "checkpoint"] and "rewritten afterwards" in rewritten[0].message
    assert "4 to 6" in rewritten[0].message
    unknown = findings(units, keyring, [_signed(stranger, first.size, first.root)])
    assert len(unknown) == 1 and "No known key" in unknown[0].message


def _signed(keyring: Keyring, size: int, root: bytes) -> str:
    return sign_checkpoint(keyring.name, size, root, keyring.signers)


def test_without_the_public_keys_every_checkpoint_is_named(units: Units, put: Put, seal: Callable[..., Sealed | None], keyring: Keyring) -> None:
    put(1, 1)
    the(seal())
    assert {one.field for one in findings(units, replace(keyring, verifiers=()))} == {"note"}
    with units.read() as work:
        assert list(ledger.verify(work)) == []


# ---- the API


def test_checkpoints_are_told_page_by_page(
    api: Callable[[str], Client], keyring: Keyring, put: Put, seal: Callable[..., Sealed | None]
) -> None:
    made = []
    for _ in range(3):
        put(1, 2)
        made.append(the(seal()))
    client = api("auditor")
    first = client.get("/custody/checkpoints", limit=2).json
    assert [one["size"] for one in first["items"]] == [made[0].size, made[1].size] and first["keys"] == [keyring.verifiers[0].vkey]
    assert first["next"] == f"/api/v1/custody/checkpoints?limit=2&after={made[1].size}"
    rest = client.get("/custody/checkpoints", limit=2, after=made[1].size).json
    assert [one["note"] for one in rest["items"]] == [made[2].note] and rest["next"] is None
    assert [check_note(one, keyring.verifiers).size for one in split_notes("\n".join(one["note"] for one in first["items"]))] == [2, 4]
    assert client.post("/custody/verification").json["clean"] is True


def test_a_sealed_entry_tells_its_leaf(api: Callable[[str], Client], units: Units, seal: Callable[..., Sealed | None]) -> None:
    with units.write() as work:
        work.actor = stock.cast(work, "manager")
        code = stock.draw(work, stock.child(work, 1))
    the(seal())
    with units.write() as work:
        work.actor = stock.cast(work, "manager")
        stock.do(work, stock.specimens.specimen(work, code).id, "thaw", {})
    entries = api("manager").get(f"/specimens/{code}/custody").json["entries"]
    assert [("leaf_index" in one) for one in entries] == [True] * (len(entries) - 1) + [False]
    indexes = [one["leaf_index"] for one in entries[:-1]]
    assert indexes == sorted(indexes)
