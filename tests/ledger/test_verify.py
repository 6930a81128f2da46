"""Verification finds what somebody with every right on the database changed behind our back."""

from __future__ import annotations

import hashlib
import json

import pytest

from tests.availability import stock
from tests.ledger.conftest import Evidence

LAST = 6


def test_what_nobody_touched_is_clean(evidence: Evidence) -> None:
    assert evidence.findings() == []


def test_missing_triggers_are_named(evidence: Evidence) -> None:
    evidence.without_triggers()
    found = evidence.findings()
    assert {one.field for one in found} == {"trigger"}
    assert len(found) == (4 if evidence.connection.dialect.name == "sqlite" else 2)


def rewritten(evidence: Evidence, seq: int, **changes: object) -> bytes:
    """The body of an entry with other members."""
    body = json.loads(bytes(evidence.entry(seq).body)) | changes
    return json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def test_an_edited_body(evidence: Evidence) -> None:
    evidence.without_triggers()
    body = rewritten(evidence, 3, station="elsewhere")
    assert evidence.run(f"UPDATE entry SET body = :body WHERE chain_id = ({evidence.chain}) AND seq = 3", body=body) == 1
    assert evidence.found() == {(3, "hash")}


def test_a_body_edited_together_with_its_hash(evidence: Evidence) -> None:
    evidence.without_triggers()
    body = rewritten(evidence, 3, station="elsewhere")
    hash_ = hashlib.sha256(body).hexdigest()
    evidence.run(f"UPDATE entry SET body = :body, hash = :hash WHERE chain_id = ({evidence.chain}) AND seq = 3", body=body, hash=hash_)
    assert evidence.found() == {(4, "previous")}


@pytest.mark.parametrize(
    ("column", "value", "field"),
    [("act", "'thaw'", "act"), ("actor_id", "actor_id + 1", "actor"), ("occurred_at", "'2020-01-01 00:00:00'", "occurred_at"),
     ("recorded_at", "'2020-01-01 00:00:00'", "recorded_at"), ("previous", "'00'", "previous"), ("hash", "'00'", "hash")],
)
def test_an_edited_column(evidence: Evidence, column: str, value: str, field: str) -> None:
    evidence.without_triggers()
    evidence.run(f"UPDATE entry SET {column} = {value} WHERE chain_id = ({evidence.chain}) AND seq = 3")
    assert (3, field) in evidence.found()


def test_an_entry_deleted_in_the_middle(evidence: Evidence) -> None:
    evidence.without_triggers()
    assert evidence.run(f"DELETE FROM entry WHERE chain_id = ({evidence.chain}) AND seq = 4") == 1
    assert {(4, "seq"), (5, "previous")} <= evidence.found()


def test_a_deleted_tail(evidence: Evidence) -> None:
    evidence.without_triggers()
    evidence.run(f"DELETE FROM entry WHERE chain_id = ({evidence.chain}) AND seq = {LAST}")
    assert {(None, "last_seq"), (None, "last_hash"), (LAST, "seq"), (LAST, "thaws")} <= evidence.found()


def test_a_deleted_tail_with_a_doctored_chain_row(evidence: Evidence) -> None:
    evidence.without_triggers()
    evidence.run(f"DELETE FROM entry WHERE chain_id = ({evidence.chain}) AND seq = {LAST}")
    head = evidence.entry(LAST - 1)
    evidence.run("UPDATE chain SET last_seq = :seq, last_hash = :hash WHERE kind = 'specimen' AND ref = :code", seq=LAST - 1, hash=head.hash)
    assert {(LAST, "seq"), (LAST, "thaws")} <= evidence.found()


def test_two_entries_swapped(evidence: Evidence) -> None:
    evidence.without_triggers()
    three, four = evidence.entry(3), evidence.entry(4)
    for seq, row in ((3, four), (4, three)):
        evidence.run(
            f"UPDATE entry SET body = :body, previous = :previous, hash = :hash WHERE chain_id = ({evidence.chain}) AND seq = {seq}",
            body=bytes(row.body), previous=row.previous, hash=row.hash,
        )
    assert {(3, "seq"), (3, "previous"), (4, "seq"), (4, "previous")} <= evidence.found()


@pytest.mark.parametrize(
    ("column", "value", "field"),
    [("remaining", "remaining + 1", "remaining"), ("status", "'gone'", "status"), ("thaws", "0", "thaws"), ("released_on", "NULL", "released_on"),
     ("custodian", "'boston'", "custodian"), ("is_out", "NOT is_out", "is_out"), ("unit", "'cells'", "unit"), ("seq", "seq + 1", "seq"),
     ("certainty", "'unknown'", "certainty"), ("residual", "NOT residual", "residual")],
)
def test_an_edited_standing(evidence: Evidence, column: str, value: str, field: str) -> None:
    assert evidence.run(f"UPDATE standing SET {column} = {value} WHERE code = :code") == 1
    assert field in {name for _, name in evidence.found()}


@pytest.mark.parametrize("column", ["participant_id", "study"])
def test_a_tube_given_to_another_child(evidence: Evidence, column: str) -> None:
    """Whose tube it is decides which consent counts."""
    with evidence.units.write() as work:
        work.actor = stock.cast(work, "manager")
        other = stock.child(work, 2)
    value = "'interfant21'" if column == "study" else f"(SELECT id FROM participant WHERE code = '{other}')"
    evidence.run(f"UPDATE standing SET {column} = {value} WHERE code = :code")
    assert (1, column.removesuffix("_id")) in evidence.found()


def test_a_hold_lifted_behind_our_back(evidence: Evidence) -> None:
    with evidence.units.write() as work:
        work.actor = stock.cast(work, "manager")
        stock.do(work, stock.specimens.specimen(work, evidence.code).id, "hold", {"kind": "identity", "reason": "two names on it"})
    evidence.run("UPDATE hold SET closed_seq = 1")
    evidence.run("UPDATE standing SET open_holds = 0 WHERE code = :code")
    assert {name for _, name in evidence.found()} == {"hold", "holds", "open_holds"}


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE posting SET amount = amount + 1", "DELETE FROM posting", "UPDATE posting SET account = 'spilled'",
        "UPDATE posting SET lot_id = (SELECT min(id) FROM lot WHERE id <> lot_id)", "UPDATE posting SET specimen_id = NULL",
    ],
)
def test_an_edited_posting(evidence: Evidence, statement: str) -> None:
    evidence.without_triggers()
    assert evidence.run(f"{statement} WHERE chain_id = ({evidence.chain}) AND seq = 5 AND line = 1") == 1
    assert (5, "posting") in evidence.found()


def test_a_posting_that_no_entry_made(evidence: Evidence) -> None:
    evidence.run(
        "INSERT INTO posting (chain_id, seq, line, lot_id, account, specimen_id, amount) "
        f"SELECT chain_id, {LAST}, 1, lot_id, 'tube', specimen_id, 5 FROM standing WHERE code = :code"
    )
    assert (LAST, "posting") in evidence.found()


def test_a_tube_without_standing(evidence: Evidence) -> None:
    evidence.run("DELETE FROM hold")
    evidence.run("DELETE FROM standing WHERE code = :code")
    assert (None, "standing") in evidence.found()
