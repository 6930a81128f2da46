"""The plan: pure, replayable, sparing the last tube of a set."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from biobank.requests.rules import Candidate, choose, last_among, propose


def tube(number: int, set_: str = "A", thaws: int = 0, remaining: int | None = 100) -> Candidate:
    return Candidate(number, f"T{number:07d}", set_, thaws, remaining)


def codes(choices) -> list[int]:
    return [choice.specimen_id for choice in choices]


def test_thawed_tubes_go_first_then_more_siblings_then_code():
    plan = propose(3, None, [tube(1), tube(2), tube(3, thaws=1), tube(4, "B"), tube(5, "B"), tube(6, "B"), tube(7, "B")])
    assert codes(plan.taken) == [3, 4, 5]
    assert [choice.why for choice in plan.taken] == ["thawed", "siblings", "siblings"]


def test_siblings_are_counted_anew_so_that_no_child_is_emptied():
    plan = propose(4, None, [tube(n, "A") for n in (1, 2, 3)] + [tube(n, "B") for n in (4, 5, 6)])
    assert codes(plan.taken) == [1, 4, 2, 5]
    assert not plan.last
    assert {choice.why for choice in plan.left} == {"kept-last"}


def test_a_last_tube_is_taken_only_when_nothing_else_is_left():
    candidates = [tube(1, "A", thaws=3), tube(2, "B"), tube(3, "B")]
    assert codes(propose(1, None, candidates).taken) == [2]
    both = propose(2, None, candidates)
    assert codes(both.taken) == [2, 1]
    assert codes(both.last) == [1]
    assert propose(5, None, candidates).short == 2


def test_tubes_with_too_little_are_told_but_still_count_as_siblings():
    plan = propose(2, 50, [tube(1, remaining=10), tube(2, remaining=50), tube(3, remaining=None)])
    assert codes(plan.taken) == [2]
    assert plan.short == 1
    assert not plan.last
    assert {choice.specimen_id: choice.why for choice in plan.left} == {1: "too-little", 3: "too-little"}


def test_a_person_may_choose_and_learns_which_ones_are_last():
    candidates = [tube(1), tube(2), tube(3, "B")]
    plan = choose(["T0000001", "T0000002", "T0000003"], candidates)
    assert codes(plan.last) == [1, 2, 3]
    assert codes(choose(["T0000001"], candidates).last) == []


def test_every_tube_has_a_printed_reason():
    plan = propose(1, None, [tube(1), tube(2), tube(3)])
    told = plan.reasons()
    assert [(line["specimen"], line["taken"]) for line in told] == [("T0000001", True), ("T0000002", False), ("T0000003", False)]
    assert told[0]["text"] == "taken: 2 sibling(s) stay"
    assert all(line["text"] for line in told)


tubes = st.lists(
    st.tuples(st.sampled_from("ABCD"), st.integers(0, 2), st.one_of(st.none(), st.integers(0, 100))), max_size=14
).map(lambda rows: [tube(number, *row) for number, row in enumerate(rows)])


@given(tubes, st.integers(1, 8), st.one_of(st.none(), st.integers(1, 100)), st.randoms())
def test_the_plan_does_not_depend_on_the_order_of_its_input_and_wastes_nothing(candidates, n, amount, random):
    plan = propose(n, amount, candidates)
    shuffled = list(candidates)
    random.shuffle(shuffled)
    assert propose(n, amount, shuffled) == plan
    fitting = [c for c in candidates if amount is None or (c.remaining is not None and c.remaining >= amount)]
    assert len(plan.taken) == min(n, len(fitting))
    assert len(plan.taken) + plan.short == n
    assert sorted(codes(plan.taken) + codes(plan.left)) == sorted(c.specimen_id for c in candidates)


@given(tubes, st.integers(1, 5))
def test_no_last_tube_while_any_choice_without_one_exists(candidates, n):
    """Against brute force: the plan empties as few sets as any choice of as many tubes could."""
    plan = propose(n, None, candidates)
    taken = {choice.specimen_id for choice in plan.taken}

    def emptied(some) -> int:
        return len({c.set_ for c in candidates} - {c.set_ for c in candidates if c not in some})

    best = min((emptied(some) for some in itertools.combinations(candidates, len(taken))), default=0)
    assert emptied([c for c in candidates if c.specimen_id in taken]) == best
    assert {choice.code for choice in plan.last} <= last_among([c for c in candidates if c.specimen_id in taken], candidates)
