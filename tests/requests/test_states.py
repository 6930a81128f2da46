"""The way of a request."""

from __future__ import annotations

from itertools import pairwise

import pytest

from biobank.identity.rules import PERMISSIONS
from biobank.requests.rules import OPEN, STEPS, State, StepNotPossible, step, steps_from


def test_every_permission_of_a_step_exists():
    assert {row.permission for row in STEPS} <= set(PERMISSIONS)


def test_no_step_stands_twice_and_every_state_is_reached():
    pairs = [(row.from_, row.to) for row in STEPS]
    assert len(pairs) == len(set(pairs))
    assert {row.to for row in STEPS} | {State.DRAFT} == set(State)


def test_the_way_from_draft_to_closed():
    way = ["draft", "submitted", "approved", "reserved", "picking", "delivered", "closed"]
    for here, there in pairwise(way):
        assert step("R", here, there).to == there


def test_ended_states_lead_nowhere():
    assert set(State) - OPEN == {State.CLOSED, State.REJECTED, State.CANCELLED}


def test_cancelling_frees_and_asks_a_reason_until_tubes_are_handed_over():
    cancels = [row for row in STEPS if row.to == State.CANCELLED]
    assert all(row.reason for row in cancels)
    assert {row.from_ for row in cancels if row.frees} == {State.APPROVED, State.RESERVED, State.PICKING}
    assert State.DELIVERED not in {row.from_ for row in cancels}


def test_a_wrong_step_names_the_right_ones():
    with pytest.raises(StepNotPossible) as refused:
        step("R", "draft", "approved")
    assert "submitted, cancelled" in refused.value.detail
    assert [row.to for row in steps_from("submitted")] == ["approved", "revise", "rejected", "cancelled"]
