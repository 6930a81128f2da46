"""What only signed checkpoints show: whole chains rewritten or taken away with every hash put right; and what only a copy elsewhere shows."""

from __future__ import annotations

import os
from base64 import b64encode
from hashlib import sha256
from typing import Any

import pytest

from biobank.ledger.rules import Frontier, Signer, leaf_hash, sign_checkpoint, split_notes
from tests.ledger.small import Forger
from tests.ledger.test_tampering import FIRST, MARROW, of

TREE = {"leaf", "node", "checkpoint", "root", "note", "size", "frontier", "origin"}


def exported(forger: Forger) -> list[str]:
    """The checkpoints that were kept elsewhere."""
    return split_notes(forger.small.exported.read_text("utf-8"))


def about_the_tree(forger: Forger, **more: Any) -> list[str]:
    """What is said of the seals, in words."""
    return [f"{one.chain}: {one.field}: {one.message}" for one in forger.findings(**more) if one.field in TREE]


def another_hand(body: dict[str, Any]) -> dict[str, Any]:
    """The entries of a chain as if somebody else had made them."""
    return body | {"actor": 1}


def regrow(forger: Forger) -> Frontier:
    """The tree as the leaves and bodies are now: its kept hashes and edge put right."""
    frontier = Frontier()
    query = "SELECT e.body FROM leaf l JOIN entry e ON e.chain_id = l.chain_id AND e.seq = l.seq ORDER BY l.leaf_index"
    made = frontier.extend([leaf_hash(bytes(row.body)) for row in forger.rows(query)])
    for level, first, hashes in made:
        if level and level % 8 == 0:
            for at, hash_ in enumerate(hashes, first):
                forger.run("UPDATE node SET hash = :hash WHERE level = :level AND node_index = :at", hash=hash_, level=level, at=at)
    forger.run("UPDATE tree SET size = :size, frontier = :edge", size=frontier.size, edge=frontier.pack())
    return frontier


def resign(forger: Forger, signer: Signer) -> None:
    """Every checkpoint taken away and made anew over the leaves that are there, signed with the forger's own key."""
    sizes = [row.size for row in forger.rows("SELECT size FROM checkpoint ORDER BY size")]
    bodies = forger.rows("SELECT e.body FROM leaf l JOIN entry e ON e.chain_id = l.chain_id AND e.seq = l.seq ORDER BY l.leaf_index")
    hashes = [leaf_hash(bytes(row.body)) for row in bodies]
    forger.run("DELETE FROM checkpoint")
    for size in sizes:
        frontier = Frontier()
        frontier.extend(hashes[:size])
        note = sign_checkpoint("biobank", size, frontier.root(), [signer])
        forger.run("INSERT INTO checkpoint (size, root, note) VALUES (:size, :root, :note)", size=size, root=frontier.root(), note=note)


def test_a_consistent_rewrite_of_a_whole_chain_is_found_by_the_checkpoint(forger: Forger) -> None:
    """Every hash, link, column and head put right; only the tree remembers what was there."""
    kept = forger.lift()
    forger.rewrite(FIRST, another_hand)
    forger.put_back(kept)
    found = forger.findings()
    assert found and {one.field for one in found} <= TREE
    assert any(FIRST.format(**forger.small.codes) in f"{one.chain} {one.message}" for one in found)


def test_the_same_with_the_kept_hashes_and_the_edge_put_right_is_found_by_the_root(forger: Forger) -> None:
    kept = forger.lift()
    forger.rewrite(FIRST, another_hand)
    regrow(forger)
    forger.put_back(kept)
    told = about_the_tree(forger)
    assert any("checkpoint of" in one for one in told) and len(told) == len(forger.findings())


def test_the_same_with_the_stored_root_put_right_is_found_by_the_note(forger: Forger) -> None:
    kept = forger.lift()
    forger.rewrite(FIRST, another_hand)
    frontier = regrow(forger)
    forger.run("UPDATE checkpoint SET root = :root WHERE size = :size", root=frontier.root(), size=frontier.size)
    forger.put_back(kept)
    assert any("another size or root than its signed note" in one for one in about_the_tree(forger))


def test_the_same_with_the_text_of_the_note_put_right_is_found_by_its_signature(forger: Forger) -> None:
    kept = forger.lift()
    forger.rewrite(FIRST, another_hand)
    frontier = regrow(forger)
    row = forger.rows("SELECT root, note FROM checkpoint ORDER BY size DESC LIMIT 1")[0]
    note = row.note.replace(b64encode(bytes(row.root)).decode(), b64encode(frontier.root()).decode())
    forger.run("UPDATE checkpoint SET root = :root, note = :note WHERE size = :size", root=frontier.root(), note=note, size=frontier.size)
    forger.put_back(kept)
    assert any("signature" in one for one in about_the_tree(forger))


def test_all_of_it_signed_with_a_forgers_own_key_is_found_by_the_keys_outside_the_database(forger: Forger) -> None:
    """With an own key everything fits, except that nobody outside knows the key, and that the copy elsewhere says another root."""
    kept = forger.lift()
    forger.rewrite(FIRST, another_hand)
    regrow(forger)
    own = Signer("biobank", os.urandom(32))
    resign(forger, own)
    forger.put_back(kept)
    assert forger.findings(verifiers=(own.verifier,)) == [], "the forgery is complete in itself"
    assert forger.findings(verifiers=None) == []
    assert {one.field for one in forger.findings()} == {"note"}
    against = forger.findings(against=exported(forger))
    assert any("exported checkpoint" in one.message and one.field == "leaf" for one in against)


def test_a_whole_tube_gone_from_every_table(forger: Forger) -> None:
    """All its rows everywhere, and the leaves: the tree has holes where it was."""
    chain = forger.chain(FIRST)
    first = "(SELECT id FROM specimen WHERE code = '{first}')"
    forger.forge(
        f"DELETE FROM leaf WHERE chain_id = {chain}", f"DELETE FROM reservation WHERE specimen_id = {first}",
        f"DELETE FROM posting WHERE chain_id = {chain}", f"DELETE FROM standing WHERE chain_id = {chain}",
        f"DELETE FROM parent WHERE child_id = {first}",
        f"DELETE FROM entry WHERE chain_id = {chain}", f"DELETE FROM chain WHERE id = {chain}", "DELETE FROM specimen WHERE code = '{first}'",
        "DELETE FROM code WHERE code = '{first}'",
    )
    found = forger.found()
    assert of(forger, (MARROW, None, "children"), (MARROW, None, "aliquoted")) <= found
    assert any("missing" in one for one in about_the_tree(forger))


def test_a_whole_tube_gone_but_for_its_leaves_is_named_entry_by_entry(forger: Forger) -> None:
    chain = forger.chain(FIRST)
    forger.forge(f"DELETE FROM posting WHERE chain_id = {chain}", f"DELETE FROM standing WHERE chain_id = {chain}",
                 f"DELETE FROM entry WHERE chain_id = {chain}")
    assert of(forger, *((FIRST, seq, "leaf") for seq in range(1, 5))) <= forger.found()


def test_a_sealed_tail_deleted_with_a_doctored_chain_row(forger: Forger) -> None:
    """The thaw of an aliquot: entry, head and standing put right as if it had never been. The leaf is still there."""
    chain, last = forger.chain(FIRST), forger.last(FIRST)
    before = forger.entry(FIRST, last - 1)
    forger.forge(
        f"DELETE FROM entry WHERE chain_id = {chain} AND seq = {last}",
        f"UPDATE chain SET last_seq = {last - 1}, sealed_seq = {last - 1}, last_hash = '{before.hash}', last_at = :at WHERE id = {chain}",
        f"UPDATE standing SET seq = {last - 1}, thaws = 0, last_seen_at = placed_at WHERE chain_id = {chain}", at=before.recorded_at,
    )
    assert of(forger, (FIRST, last, "leaf")) <= forger.found()


def test_an_unsealed_tail_deleted_with_everything_put_right_is_not_found(forger: Forger) -> None:
    """Said plainly: until it is sealed, nothing remembers an entry. A checkpoint every quarter of an hour is what bounds this."""
    chain, last = forger.chain(MARROW), forger.last(MARROW)
    before = forger.entry(MARROW, last - 1)
    lot = forger.rows(f"SELECT sum(amount) AS left FROM posting WHERE chain_id = {chain} AND seq < {last} AND account = 'tube'")[0]
    forger.forge(
        f"DELETE FROM posting WHERE chain_id = {chain} AND seq = {last}", f"DELETE FROM entry WHERE chain_id = {chain} AND seq = {last}",
        f"UPDATE chain SET last_seq = {last - 1}, last_hash = '{before.hash}', last_at = :at WHERE id = {chain}",
        f"UPDATE standing SET seq = {last - 1}, remaining = {lot.left}, last_seen_at = :seen WHERE chain_id = {chain}",
        at=before.recorded_at, seen=before.occurred_at,
    )
    assert forger.findings(against=exported(forger)) == []


SEALS: list[tuple[str, str]] = [
    ("DELETE FROM leaf WHERE leaf_index = 5", "leaf 5 is missing"),
    ("UPDATE leaf SET leaf_index = -1 WHERE leaf_index = 5; UPDATE leaf SET leaf_index = 5 WHERE leaf_index = 6; "
     "UPDATE leaf SET leaf_index = 6 WHERE leaf_index = -1", "has another root"),
    ("INSERT INTO leaf (leaf_index, chain_id, seq) SELECT (SELECT size FROM tree), id, 7 FROM chain WHERE kind = 'specimen' AND ref = '{marrow}'",
     "are there"),
    ("DELETE FROM leaf WHERE leaf_index = (SELECT size FROM tree) - 1", "more leaves"),
    ("UPDATE checkpoint SET note = replace(note, 'biobank', 'another') WHERE size = (SELECT min(size) FROM checkpoint)", "another"),
    ("UPDATE checkpoint SET note = 'nothing' WHERE size = (SELECT min(size) FROM checkpoint)", "not a signed checkpoint"),
    ("UPDATE checkpoint SET size = size - 1 WHERE size = (SELECT min(size) FROM checkpoint)", "another size or root"),
    ("UPDATE checkpoint SET root = (SELECT root FROM checkpoint ORDER BY size DESC LIMIT 1) WHERE size = (SELECT min(size) FROM checkpoint)",
     "another size or root"),
    ("DELETE FROM checkpoint WHERE size = (SELECT max(size) FROM checkpoint)", "taken away"),
    ("UPDATE tree SET size = size - 1", "the tree says that it has"),
    ("UPDATE tree SET frontier = (SELECT root FROM checkpoint ORDER BY size LIMIT 1)", "edge"),
    ("DELETE FROM tree", "the tree says that it has None"),
    ("INSERT INTO node (level, node_index, hash) SELECT 8, 0, root FROM checkpoint ORDER BY size LIMIT 1", "node"),
]


@pytest.mark.parametrize(("statements", "says"), SEALS)
def test_an_edited_seal(forger: Forger, statements: str, says: str) -> None:
    forger.forge(*statements.split("; "))
    assert any(says in one for one in about_the_tree(forger)), about_the_tree(forger)


def test_a_deleted_checkpoint_in_the_middle_is_found_by_the_copy_elsewhere_only_as_far_as_it_matters(forger: Forger) -> None:
    """A checkpoint less says nothing wrong: those before and after still hold the tree."""
    forger.forge("DELETE FROM checkpoint WHERE size = (SELECT min(size) FROM checkpoint)")
    assert forger.findings(against=exported(forger)) == []


GUARDS = {
    "sqlite": [
        ("DROP TRIGGER entry_no_delete", "missing"),
        ("DROP TRIGGER leaf_no_update; CREATE TRIGGER leaf_no_update BEFORE UPDATE ON leaf BEGIN SELECT 1; END", "does something else"),
        ("CREATE TRIGGER entry_extra AFTER INSERT ON entry BEGIN SELECT 1; END", "none of ours"),
    ],
    "postgresql": [
        ("DROP TRIGGER entry_no_change ON entry", "missing"),
        ("ALTER TABLE entry DISABLE TRIGGER entry_no_change", "not enabled ALWAYS"),
        ("ALTER TABLE entry ENABLE TRIGGER entry_no_change", "not enabled ALWAYS"),
        ("CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog AS $$ BEGIN RETURN NEW; END $$",
         "refuse_change"),
        ("DROP TRIGGER entry_no_change ON entry; CREATE TRIGGER entry_no_change BEFORE DELETE ON entry FOR EACH ROW EXECUTE FUNCTION "
         "refuse_change(); ALTER TABLE entry ENABLE ALWAYS TRIGGER entry_no_change", "does not fire for every change"),
        ("CREATE RULE quiet AS ON UPDATE TO entry DO INSTEAD NOTHING", "rule"),
    ],
}


def test_a_guard_that_was_dropped_disabled_or_replaced_is_named(forger: Forger) -> None:
    for statements, says in GUARDS["sqlite" if forger.sqlite else "postgresql"]:
        with forger.connection.begin_nested() as savepoint:
            # A statement may hold semicolons of its own.
            parts = [statements] if "BEGIN" in statements and "DROP" not in statements else statements.split("; ", 1) if "END" in statements \
                else statements.split("; ")
            for statement in parts:
                forger.connection.exec_driver_sql(statement)
            found = [one for one in forger.findings() if one.field == "trigger"]
            assert any(says in one.message for one in found), (statements, found)
            savepoint.rollback()
    assert forger.findings() == []


ERASED = ("DELETE FROM participant_person", "DELETE FROM note", "DELETE FROM verdict", "UPDATE verdict SET reasons = NULL")


@pytest.mark.parametrize("statements", [ERASED[:1], ERASED[1:2], ERASED[2:3], ERASED[3:], ("DELETE FROM consent_state", *ERASED[:3])])
def test_erasure_leaves_every_chain_valid(forger: Forger, statements: tuple[str, ...]) -> None:
    """Person facts with the periods that tell birthdays, note texts, and the facts of verdicts: nothing of them is in a body."""
    for statement in statements:
        forger.run(statement)
    assert forger.findings(against=exported(forger)) == []


def test_hashes_of_this_file_are_not_those_of_the_product() -> None:
    """The forger's hashing is RFC 6962's own, so that a fault of ours would not hide in it."""
    assert leaf_hash(b"x") == sha256(b"\x00x").digest()
