"""Only two people bring a lost or wrongly ended tube back, by an `amend` of the entry that ended it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import text

from biobank.availability import queries as availability
from biobank.availability.rules import Criteria
from biobank.core.errors import Refusal
from biobank.core.units import Quantity
from biobank.core.work import Units
from biobank.corrections.rules import CorrectionOvertaken, CorrectionWaits, NotEnded, SecondPersonNeeded
from biobank.corrections.service import confirm, propose_revival, propose_swap
from biobank.custody.rules import NotInThisState
from biobank.places.service import NewContainer, add_container
from biobank.specimens import queries as specimens
from biobank.specimens.service import NewAliquots, NewCollection, aliquot, plan_collection
from biobank.storage.rules import PositionOccupied
from biobank.storage.service import put
from biobank.withdrawals.service import withdraw
from tests.client import Client
from tests.specimens.swapped import Tree, acts, confirmed, seat_second, sound, tree
from tests.ward import act, by, entries, nothing_changes, refused, told


@pytest.fixture
def family(units: Units) -> Tree:
    """A child's tree of four tubes, and a second manager."""
    seat_second(units)
    with by(units) as work:
        return tree(work, 1)


def proposed(units: Units, code: str, position: str | None = None) -> int:
    """A revival that waits."""
    with by(units) as work:
        return propose_revival(work, code, "found behind the rack", position).id


def lots(units: Units) -> dict[str, int]:
    """What stands on every account, over all lots."""
    with by(units) as work:
        return dict(work.session.execute(text("SELECT account, sum(amount) FROM posting GROUP BY account ORDER BY account")).all())


@pytest.mark.parametrize(
    ("end", "facts", "account"), [("lose", {}, "adjustment"), ("dispose", {"reason": "shelf life", "witness": "second"}, "disposed")]
)
def test_a_tube_comes_back_with_what_was_posted_away(units: Units, family: Tree, end: str, facts: dict[str, Any], account: str) -> None:
    code, before, accounts = family.plasma, told(units, family.plasma), lots(units)
    act(units, code, end, **facts)
    assert (told(units, code)["status"], told(units, code)["left"]) == ("gone", 0)
    ended = entries(units, code)[-1]["seq"]
    done = confirmed(units, proposed(units, code))
    after, last = told(units, code), entries(units, code)[-1]
    assert (after["status"], after["reason"], after["left"], after["is_out"], after["position"]) == ("in_custody", None, before["left"], True, None)
    assert last["act"] == "amend" and done[0].outcome == "done"
    assert {name: last["facts"][name] for name in ("entry", "field", "old", "new")} == {
        "entry": ended, "field": "status", "old": "gone", "new": "in_custody"
    }
    assert last["facts"]["effect"]["lines"] == [[account, -before["left"]], ["tube", before["left"]]]
    assert last["facts"]["proposed_by"] != last["actor"] and "behind the rack" not in str(last)
    assert {name: amount for name, amount in lots(units).items() if amount} == {name: amount for name, amount in accounts.items() if amount}
    assert after["last_seen_at"] is not None and sound(units)


def test_what_was_never_there_comes_without_an_amount(units: Units, family: Tree) -> None:
    with by(units) as work:
        planned = plan_collection(work, NewCollection(family.child, "alltogether1", "DX", work.today))
        codes = [row.code for row in specimens.of_collection(work, planned.id)]
    for code, end, facts in ((codes[0], "cancel", {}), (codes[1], "miss", {}), (codes[2], "receive", {"condition": "missing"})):
        act(units, code, end, **facts)
        confirmed(units, proposed(units, code))
        after = told(units, code)
        assert (after["status"], after["certainty"], after["holds"]) == ("in_custody", "unknown", set())
        act(units, code, "measure", volume={"value": 1, "unit": "mL"})
        assert told(units, code)["left"] == 1_000_000
    assert sound(units)


def test_it_can_be_put_into_a_place_at_once(units: Units, family: Tree) -> None:
    with by(units) as work:
        box = add_container(work, NewContainer("box", "Box", 2, 2)).code
        put(work, specimens.specimen(work, family.plasma).id, "store", f"{box}:A1", None)
        put(work, specimens.specimen(work, family.marrow).id, "store", f"{box}:B1", None)
    act(units, family.plasma, "lose")
    with nothing_changes(units), pytest.raises(PositionOccupied, match=r"next|A1"):
        proposed(units, family.plasma, f"{box}:B1")
    number = proposed(units, family.plasma, f"{box}:A1")
    with by(units) as work:
        put(work, specimens.specimen(work, family.aliquots[0]).id, "store", f"{box}:A1", None)
    with nothing_changes(units), pytest.raises(PositionOccupied):
        confirmed(units, number)
    with by(units) as work:
        put(work, specimens.specimen(work, family.aliquots[0]).id, "move", f"{box}:A2", None)
    confirmed(units, number)
    assert (told(units, family.plasma)["position"], told(units, family.plasma)["is_out"]) == (f"{box}:A1", False)
    assert sound(units)


def test_consent_to_keep_it_is_asked_anew(units: Units, family: Tree) -> None:
    act(units, family.plasma, "lose")
    with by(units, "consent") as work:
        withdraw(work, family.child, "alltogether1", {"residual_storage": "no-further-use"})
    assert told(units, family.plasma)["holds"] == set()
    assert confirmed(units, proposed(units, family.plasma))[0].outcome == "held"
    assert told(units, family.plasma)["holds"] == {"withdrawn"} and entries(units, family.plasma)[-1]["facts"]["verdict"]["granted"] is False
    assert sound(units)


def test_it_counts_again_once_it_is_back_in_a_slot(units: Units, family: Tree) -> None:
    def counted() -> tuple[int, dict[str, int]]:
        with by(units) as work:
            answer = availability.count(work, Criteria(purpose="supply", materials=("BM_PLASMA",)), ())
        return answer.tubes, dict(answer.not_available)

    assert counted() == (1, {})
    act(units, family.plasma, "lose")
    assert counted() == (0, {"gone": 1})
    number = proposed(units, family.plasma)
    assert counted() == (0, {"gone": 1})
    confirmed(units, number)
    assert counted() == (0, {"out": 1})
    act(units, family.plasma, "return")
    assert counted() == (1, {})


def test_everything_else_still_refuses_or_only_records_on_a_gone_tube(units: Units, family: Tree) -> None:
    code = family.aliquots[1]
    act(units, code, "lose")
    with pytest.raises(NotInThisState), by(units) as work:
        aliquot(work, code, NewAliquots(1, Quantity(1, "nL")))
    for name, facts in (("release", {}), ("check-out", {})):
        with nothing_changes(units), pytest.raises(NotInThisState):
            act(units, code, name, **facts)
    assert act(units, code, "find") == "held"
    assert (told(units, code)["status"], told(units, code)["holds"]) == ("gone", {"discrepancy"})
    confirmed(units, proposed(units, code))
    assert told(units, code)["holds"] == {"discrepancy"}
    assert sound(units)


def test_two_people_and_only_what_has_ended(units: Units, family: Tree) -> None:
    with nothing_changes(units), pytest.raises(NotEnded, match="in custody"):
        proposed(units, family.plasma)
    act(units, family.plasma, "lose")
    number = proposed(units, family.plasma)
    with nothing_changes(units):
        with pytest.raises(CorrectionWaits, match=str(number)):
            proposed(units, family.plasma)
        with pytest.raises(SecondPersonNeeded), by(units) as work:
            confirm(work, number)
    assert "amend" not in acts(units, family.plasma)


def test_it_waits_for_one_correction_at_a_time(units: Units, family: Tree) -> None:
    with by(units) as work:
        other = tree(work, 2)
    act(units, family.plasma, "lose")
    proposed(units, family.plasma)
    with nothing_changes(units), pytest.raises(CorrectionWaits), by(units) as work:
        propose_swap(work, family.marrow, other.marrow, "labels were changed")


def test_one_that_came_back_meanwhile_is_refused(units: Units, family: Tree) -> None:
    """A correction that was left lying while the tubes' rows moved on."""
    act(units, family.plasma, "lose")
    number = proposed(units, family.plasma)
    with by(units) as work:
        work.session.execute(text("UPDATE correction_tube SET status = 'cancelled' WHERE correction_id = :id"), {"id": number})
    with nothing_changes(units), pytest.raises(CorrectionOvertaken):
        confirmed(units, number)


def test_it_may_end_and_come_back_again(units: Units, family: Tree) -> None:
    for _ in range(2):
        act(units, family.plasma, "lose")
        confirmed(units, proposed(units, family.plasma))
    told_ = [body for body in entries(units, family.plasma) if body["act"] == "amend"]
    assert told_[1]["facts"]["entry"] > told_[0]["seq"] and told(units, family.plasma)["left"] == 20_000
    assert sound(units)


def test_over_http(units: Units, family: Tree, api: Callable[[str], Client]) -> None:
    act(units, family.plasma, "lose")
    answer = api("manager").post(f"/specimens/{family.plasma}/revival", {"reason": "found behind the rack"})
    assert answer.status_code == 202
    made = answer.get_json()
    assert (made["kind"], made["trees"][0]["to"], made["trees"][0]["specimens"][0]["amount_back"]["base"]) == ("revival", None, 20_000)
    refused(api("manager").post(f"/corrections/{made['id']}/confirmation"), 403, "second-person-needed")
    refused(api("technician").post(f"/specimens/{family.plasma}/revival", {"reason": "x"}), 403, "forbidden")
    refused(api("manager").post(f"/specimens/{family.plasma}/revival", {"reason": "x", "position": "nowhere"}), 422, "position-mistyped")


def test_an_ordinary_amendment_never_brings_it_back(units: Units, family: Tree, api: Callable[[str], Client]) -> None:
    act(units, family.plasma, "lose")
    body = {"entry": 1, "field": "status", "value": "in_custody", "reason": "found"}
    refused(api("manager").post(f"/specimens/{family.plasma}/amendments", body), 422, "fields-wrong")
    with pytest.raises(Refusal), by(units) as work:
        from biobank.specimens.service import amend

        amend(work, family.plasma, 1, "status", "in_custody", "found")
