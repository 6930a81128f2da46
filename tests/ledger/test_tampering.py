"""What somebody with every right on the database does behind our back, with the guards taken away first and put back afterwards, is found.

Here: entries, chains, and the rows behind a standing. Seals and what only they show are in `test_tampering_seals`.
"""

from __future__ import annotations

import hashlib
import json

import pytest

from tests.ledger.small import Forger

MARROW, FIRST, SECOND, THIRD = "specimen/{marrow}", "specimen/{first}", "specimen/{second}", "specimen/{third}"
ENTRY = "UPDATE entry SET {what} WHERE chain_id = (SELECT id FROM chain WHERE kind = 'specimen' AND ref = '{{marrow}}') AND seq = 3"
Found = tuple[str, int | None, str]


def of(forger: Forger, *wanted: Found) -> set[Found]:
    """Findings with the codes of this ledger."""
    return {(chain.format(**forger.small.codes), seq, field) for chain, seq, field in wanted}


def test_what_nobody_touched_is_clean(forger: Forger) -> None:
    assert forger.findings() == []


def test_guards_taken_away_and_put_back_are_as_before(forger: Forger) -> None:
    forger.put_back(forger.lift())
    assert forger.findings() == []


@pytest.mark.parametrize(
    ("what", "field"),
    [
        ("hash = '00'", "hash"), ("act = 'thaw'", "act"), ("actor_id = actor_id + 1", "actor"), ("actor_id = NULL", "actor"),
        ("occurred_at = '2020-01-01 00:00:00'", "occurred_at"), ("recorded_at = '2020-01-01 00:00:00'", "recorded_at"),
        ("previous = '00'", "previous"),
    ],
)
def test_an_edited_column(forger: Forger, what: str, field: str) -> None:
    forger.forge(ENTRY.format(what=what))
    assert of(forger, (MARROW, 3, field)) <= forger.found()


@pytest.mark.parametrize("member", ["station", "actor", "act", "occurred_at"])
def test_an_edited_body(forger: Forger, member: str) -> None:
    body = json.loads(bytes(forger.entry(MARROW, 3).body)) | {member: "elsewhere"}
    forger.forge(ENTRY.format(what="body = :body"), body=json.dumps(body, sort_keys=True, separators=(",", ":")).encode())
    assert of(forger, (MARROW, 3, "hash")) <= forger.found()


def test_a_body_edited_together_with_its_hash(forger: Forger) -> None:
    body = json.dumps(json.loads(bytes(forger.entry(MARROW, 3).body)) | {"station": "elsewhere"}, sort_keys=True, separators=(",", ":")).encode()
    forger.forge(ENTRY.format(what="body = :body, hash = :hash"), body=body, hash=hashlib.sha256(body).hexdigest())
    assert of(forger, (MARROW, 4, "previous")) <= forger.found()


def test_a_body_that_is_no_json_any_more(forger: Forger) -> None:
    forger.forge(ENTRY.format(what="body = :body"), body=b"{}}")
    assert of(forger, (MARROW, 3, "hash"), (MARROW, 3, "body")) <= forger.found()


def test_an_entry_deleted_in_the_middle(forger: Forger) -> None:
    chain = forger.chain(MARROW)
    forger.forge(f"DELETE FROM entry WHERE chain_id = {chain} AND seq = 4")
    assert of(forger, (MARROW, 4, "seq"), (MARROW, 5, "previous")) <= forger.found()


def test_two_entries_swapped(forger: Forger) -> None:
    three, four, chain = forger.entry(MARROW, 3), forger.entry(MARROW, 4), forger.chain(MARROW)
    kept = forger.lift()
    for seq, row in ((3, four), (4, three)):
        forger.run(
            f"UPDATE entry SET body = :body, previous = :previous, hash = :hash WHERE chain_id = {chain} AND seq = {seq}",
            body=bytes(row.body), previous=row.previous, hash=row.hash,
        )
    forger.put_back(kept)
    assert of(forger, *((MARROW, seq, field) for seq in (3, 4) for field in ("seq", "previous"))) <= forger.found()


def test_an_entry_inserted_at_the_end(forger: Forger) -> None:
    """With a right hash and a right head: the standing has not folded it."""
    chain, last = forger.chain(MARROW), forger.last(MARROW)
    row = forger.entry(MARROW, last)
    body = json.loads(bytes(row.body)) | {"seq": last + 1, "previous": row.hash, "act": "thaw", "facts": {"effect": {"thaws": 1}}}
    raw = json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    hash_ = hashlib.sha256(raw).hexdigest()
    forger.forge(
        "INSERT INTO entry (chain_id, seq, body, previous, hash, act, actor_id, occurred_at, recorded_at) SELECT chain_id, seq + 1, :body, hash, "
        f":hash, 'thaw', actor_id, occurred_at, recorded_at FROM entry WHERE chain_id = {chain} AND seq = {last}",
        f"UPDATE chain SET last_seq = {last + 1}, last_hash = :hash WHERE id = {chain}", body=raw, hash=hash_,
    )
    assert of(forger, (MARROW, last, "seq"), (MARROW, last, "thaws")) <= forger.found()


def test_an_entry_inserted_in_the_middle(forger: Forger) -> None:
    """What comes after is moved up by one, bodies and all: each of them says another number."""
    chain, last = forger.chain(MARROW), forger.last(MARROW)
    forger.forge(
        *(f"UPDATE entry SET seq = {seq + 1} WHERE chain_id = {chain} AND seq = {seq}" for seq in range(last, 3, -1)),
        "INSERT INTO entry (chain_id, seq, body, previous, hash, act, actor_id, occurred_at, recorded_at) SELECT chain_id, 4, body, previous, "
        f"hash, act, actor_id, occurred_at, recorded_at FROM entry WHERE chain_id = {chain} AND seq = 3",
        f"UPDATE chain SET last_seq = {last + 1} WHERE id = {chain}",
    )
    assert of(forger, (MARROW, 4, "seq"), (MARROW, 4, "previous"), (MARROW, 5, "seq")) <= forger.found()


def test_a_deleted_tail(forger: Forger) -> None:
    chain, last = forger.chain(MARROW), forger.last(MARROW)
    forger.forge(f"DELETE FROM posting WHERE chain_id = {chain} AND seq = {last}", f"DELETE FROM entry WHERE chain_id = {chain} AND seq = {last}")
    assert of(forger, (MARROW, None, "last_seq"), (MARROW, None, "last_hash"), (MARROW, last, "remaining")) <= forger.found()


@pytest.mark.parametrize(
    ("what", "field"),
    [
        ("seq = seq + 1", "seq"), ("participant_id = (SELECT id FROM participant WHERE code = '{other}')", "participant"),
        ("study = 'interfant21'", "study"), ("status = 'gone'", "status"), ("reason = 'lost'", "reason"), ("custodian = 'boston'", "custodian"),
        ("responsible = 'boston'", "responsible"), ("residual = NOT residual", "residual"), ("released_on = NULL", "released_on"),
        ("unit = 'cells'", "unit"), ("remaining = remaining + 1", "remaining"), ("reserved = 0", "reserved"), ("certainty = 'unknown'", "certainty"),
        ("thaws = 0", "thaws"), ("container_id = (SELECT id FROM container WHERE code = '{spare}')", "place"), ("row = 4", "place"),
        ('"column" = 4', "place"), ('container_id = NULL, row = NULL, "column" = NULL', "place"),
        ("placed_at = '2020-01-01 00:00:00'", "placed_at"), ("is_out = NOT is_out", "is_out"),
        ("last_seen_at = '2020-01-01 00:00:00'", "last_seen_at"),
        ("open_holds = open_holds + 1", "open_holds"), ("open_reservations = 0", "open_reservations"),
        ("lot_id = (SELECT lot_id FROM standing WHERE code = '{blood}')", "lot"),
        ("enrolment_id = (SELECT enrolment_id FROM standing WHERE code = '{blood}')", "enrolment"),
    ],
)
def test_an_edited_standing(forger: Forger, what: str, field: str) -> None:
    forger.run(f"UPDATE standing SET {what} WHERE code = '{{first}}'")
    assert field in {name for chain, _, name in forger.found() if chain == FIRST.format(**forger.small.codes)}
