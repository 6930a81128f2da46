"""Appending to chains: canonical bytes, links, and a stranger who redoes the hashes without our code."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text

from biobank.core.work import Units, Work
from biobank.ledger import queries
from biobank.ledger import service as ledger
from biobank.ledger.rules import GENESIS, ChainMoved, Head, Line, canonical

INEXACT = [0.5, 1.0, float("nan"), 2**53, -(2**53), b"x", {1: "x"}, {"a": [{"b": 0.1}]}, datetime(2026, 1, 1, tzinfo=UTC), {"x"}]


@pytest.mark.parametrize("value", INEXACT)
def test_what_is_not_exact_in_json_has_no_canonical_form(value: Any) -> None:
    with pytest.raises(TypeError):
        canonical({"facts": value})


EXACT = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner, max_size=4),
)


@given(st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), EXACT))
def test_canonical_bytes_are_one_to_one(body: dict[str, Any]) -> None:
    written = canonical(body)
    assert json.loads(written) == body
    assert canonical(dict(reversed(list(body.items())))) == written
    assert canonical(json.loads(written)) == written


def chain(work: Work, *acts: str) -> int:
    """A chain with an entry per act, each with a note."""
    made = ledger.open_chain(work, "test", "one")
    for act in acts:
        ledger.append(work, [Line(made, act, {"n": 1, "Ω": ["é", None, True]}, notes={"reason": f"because of {act}"})])
    return made


def test_a_stranger_redoes_every_hash_in_ten_lines(work: Work) -> None:
    made = chain(work, "first", "second", "third")
    previous = "0" * 64
    for number, entry in enumerate(queries.entries(work, made), start=1):
        body = json.loads(entry.body)
        redone = json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode("utf-8")
        assert redone == entry.body
        assert body["previous"] == previous and body["seq"] == number and body["chain"] == "test/one"
        previous = hashlib.sha256(redone).hexdigest()
        assert entry.hash == previous
    assert number == 3


def test_a_note_stands_in_the_body_only_as_a_salted_hash(work: Work) -> None:
    made = chain(work, "first")
    entry = queries.entries(work, made)[0]
    assert entry.notes == {"reason": "because of first"}
    assert b"because" not in entry.body
    salt = work.session.execute(text("SELECT salt FROM note WHERE chain_id = :chain"), {"chain": made}).scalar_one()
    assert json.loads(entry.body)["notes"] == {"reason": hashlib.sha256(bytes(salt) + b"because of first").hexdigest()}


def test_an_erased_note_leaves_the_chain_valid(work: Work) -> None:
    made = chain(work, "first", "second")
    work.session.execute(text("DELETE FROM note WHERE chain_id = :chain"), {"chain": made})
    assert list(ledger.verify(work)) == []
    assert queries.entries(work, made)[0].notes == {}


def test_several_lines_to_one_chain_follow_one_another(work: Work) -> None:
    one, two = ledger.open_chains(work, "test", ["a", "b"])
    written = ledger.append(work, [Line(one, "x"), Line(two, "x"), Line(one, "y")])
    assert [(entry.chain, entry.seq) for entry in written] == [("test/a", 1), ("test/b", 1), ("test/a", 2)]
    assert json.loads(written[2].body)["previous"] == written[0].hash


def test_recorded_at_never_goes_back(work: Work) -> None:
    made = chain(work, "first")
    later = work.now
    work.now -= timedelta(hours=1)
    written = ledger.append(work, [Line(made, "second")])[0]
    assert written.recorded_at == later
    assert json.loads(written.body)["occurred_at"] < json.loads(written.body)["recorded_at"]


def test_a_head_that_is_not_the_last_is_refused(work: Work) -> None:
    made = chain(work, "first")
    with pytest.raises(ChainMoved):
        ledger.append(work, [Line(made, "second")], {made: Head("test/one", 1, GENESIS, None)} | {made: Head("test/one", 7, GENESIS, None)})


def test_the_hash_knows_no_zone(work: Work, units: Units) -> None:
    """The same moment told with another offset gives the same bytes."""
    from zoneinfo import ZoneInfo

    made = ledger.open_chains(work, "test", ["c", "d"])
    told = [work.now.astimezone(ZoneInfo(zone)) for zone in ("Asia/Kathmandu", "UTC")]
    bodies = [json.loads(ledger.append(work, [Line(chain_id, "x", occurred_at=at)])[0].body) for chain_id, at in zip(made, told, strict=True)]
    assert bodies[0]["occurred_at"] == bodies[1]["occurred_at"] == "2026-11-20T09:00:00.000000Z"
