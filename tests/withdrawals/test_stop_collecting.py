"""“Stop collecting” and “further use allowed” end the draws to come, and leave what is kept as it stands."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from biobank.app import CHECKS
from biobank.availability import queries as availability
from biobank.availability.rules import Criteria
from biobank.consent.rules import Signature
from biobank.consent.service import NewDecision, decide, verdict
from biobank.core.clock import SetClock
from biobank.core.units import Quantity
from biobank.core.work import Units
from biobank.custody.rules import ConsentRefused
from biobank.custody.service import Doing, record
from biobank.ledger import service as ledger
from biobank.specimens import queries as specimens
from biobank.specimens.service import NewAliquots, NewArrival, NewCollection, aliquot, earmark, plan_collection, register_arrival
from biobank.withdrawals.service import withdraw
from tests.availability import stock
from tests.client import Client
from tests.ward import act, by, nothing_changes, told

STUDY = "alltogether1"
STOPPING = pytest.mark.parametrize("effect", ["stop-collection", "further-use-allowed"])
ENDING = pytest.mark.parametrize("effect", ["no-further-use", "destroy", "own-care-only"])


def stopped(units: Units, child: str, effect: str, *components: str) -> dict[str, str]:
    """The family's choice; what was done to each tube."""
    with by(units, "consent") as work:
        return dict(withdraw(work, child, STUDY, dict.fromkeys(components or ("residual_storage",), effect)).tubes)


def sound(units: Units) -> bool:
    """Verification finds nothing."""
    with by(units) as work:
        return list(ledger.verify(work, CHECKS)) == []


@pytest.fixture
def family(units: Units) -> dict[str, str]:
    """A child's marrow with an aliquot that is reserved, a planned draw; and an extra tube."""
    with by(units) as work:
        child = stock.child(work, 1)
        marrow = stock.draw(work, child)
        cryo = stock.aliquots(work, marrow, 1)[0]
        planned = plan_collection(work, NewCollection(child, STUDY, "D15", work.today))
        expected = specimens.of_collection(work, planned.id)[0].code
        record(work, [Doing(specimens.specimen(work, cryo).id, "reserve", promise="request/X/1", purpose="supply")])
        extra = register_arrival(work, NewArrival(child, STUDY, "WHOLE_BLOOD", "EDTA", "extra", work.now))[0].code
    return {"child": child, "marrow": marrow, "cryo": cryo, "expected": expected, "extra": extra}


@STOPPING
def test_what_is_kept_keeps_its_standing(units: Units, family: dict[str, str], effect: str) -> None:
    done = stopped(units, family["child"], effect)
    assert {code for code in done} & {family["marrow"], family["cryo"]} == set()
    for name in ("marrow", "cryo"):
        assert told(units, family[name])["holds"] == set()
    assert told(units, family["cryo"])["reserved"]["base"] > 0
    with by(units) as work:
        tube = specimens.specimen(work, family["cryo"]).id
        record(work, [Doing(tube, "pick", promise="request/X/1", purpose="supply")])
        record(work, [Doing(tube, "deliver", {"to": "boston"}, promise="request/X/1", purpose="supply")])
        aliquot(work, family["marrow"], NewAliquots(1, Quantity(1000, "nL")))
        earmark(work, family["marrow"], "asparaginase")
        counted = availability.count(work, Criteria(purpose="supply", materials=("BM",)), ())
    assert counted.tubes == 2 and sound(units)


@STOPPING
def test_draws_to_come_are_cancelled_and_none_is_planned(units: Units, family: dict[str, str], effect: str) -> None:
    done = stopped(units, family["child"], effect)
    assert told(units, family["expected"])["status"] == "cancelled" and done[family["expected"]] == "plan cancelled"
    with nothing_changes(units), pytest.raises(ConsentRefused, match="withdrawn"), by(units) as work:
        plan_collection(work, NewCollection(family["child"], STUDY, "DX", work.today))
    assert sound(units)


@STOPPING
def test_what_comes_all_the_same_is_recorded_and_stays_on_hold(units: Units, family: dict[str, str], effect: str) -> None:
    stopped(units, family["child"], effect)
    assert act(units, family["expected"], "receive", condition="good") == "held"
    with by(units) as work:
        late, done = register_arrival(work, NewArrival(family["child"], STUDY, "BM", "EDTA", "residual", work.now))
    assert done.outcome == "held"
    # Another decision asks anew about every tube: what came too late stays, what is kept stays free.
    with by(units) as work:
        stock.decline(work, family["child"], "asparaginase")
    assert told(units, late.code)["holds"] == {"no-consent"} and told(units, family["marrow"])["holds"] == set()
    assert "no-consent" in told(units, family["expected"])["holds"]
    assert sound(units)


@ENDING
def test_the_other_choices_hold_what_is_kept(units: Units, family: dict[str, str], effect: str) -> None:
    stopped(units, family["child"], effect)
    assert told(units, family["marrow"])["holds"] == told(units, family["cryo"])["holds"] == {"withdrawn"}
    assert told(units, family["cryo"])["reserved"]["base"] == 0
    assert told(units, family["expected"])["status"] == "cancelled"


def test_extra_samples_alone_can_be_stopped(units: Units, family: dict[str, str]) -> None:
    stopped(units, family["child"], "stop-collection", "extra_samples")
    assert told(units, family["extra"])["holds"] == set() and told(units, family["expected"])["status"] == "expected"
    with by(units) as work:
        _, done = register_arrival(work, NewArrival(family["child"], STUDY, "WHOLE_BLOOD", "EDTA", "extra", work.now))
        _, residual = register_arrival(work, NewArrival(family["child"], STUDY, "BM", "EDTA", "residual", work.now))
    assert (done.outcome, residual.outcome) == ("held", "done")


@STOPPING
def test_a_component_that_is_only_about_a_use_ends(units: Units, family: dict[str, str], effect: str) -> None:
    """No use without a grant: new material would come under it all the same."""
    stopped(units, family["child"], effect, "asparaginase")
    assert told(units, family["marrow"])["holds"] == set()
    with nothing_changes(units), pytest.raises(ConsentRefused), by(units) as work:
        earmark(work, family["marrow"], "asparaginase")


def test_without_a_yes_there_is_nothing_to_keep(units: Units) -> None:
    with by(units) as work:
        child = stock.child(work, 2, silent=True)
        tube = register_arrival(work, NewArrival(child, STUDY, "BM", "EDTA", "residual", work.now))[0].code
    stopped(units, child, "further-use-allowed")
    assert told(units, tube)["holds"] == {"withdrawn"}


def test_a_later_ending_counts_as_ever(units: Units, family: dict[str, str], clock: SetClock) -> None:
    stopped(units, family["child"], "stop-collection")
    clock.forward(timedelta(days=3))
    stopped(units, family["child"], "no-further-use")
    assert told(units, family["marrow"])["holds"] == {"withdrawn"}
    assert sound(units)


def test_a_new_yes_of_everybody_lets_collect_again(units: Units, family: dict[str, str], clock: SetClock) -> None:
    stopped(units, family["child"], "stop-collection")
    clock.forward(timedelta(days=1))
    for roles in (("parent",), ("second-parent",)):
        with nothing_changes(units), pytest.raises(ConsentRefused), by(units) as work:
            plan_collection(work, NewCollection(family["child"], STUDY, "DX", work.today))
        with by(units) as work:
            signed = tuple(Signature(role, work.today) for role in roles)
            decide(work, family["child"], NewDecision(STUDY, "residual_storage", "yes", "v1", work.today, "joint", signed))
        assert told(units, family["marrow"])["holds"] == set()
    with by(units) as work:
        plan_collection(work, NewCollection(family["child"], STUDY, "DX", work.today))


def test_the_age_gate_closes_what_was_kept(units: Units, clock: SetClock) -> None:
    """A child that turns twelve must say so itself; that collecting had been stopped before does not open the gate."""
    with by(units) as work:
        child = stock.child(work, 3)
        tube = stock.draw(work, child)
        enrolment = specimens.standing(work, specimens.specimen(work, tube).id).enrolment_id
    stopped(units, child, "further-use-allowed")
    with by(units) as work:
        assert verdict(work, enrolment, "supply").granted
        assert not verdict(work, enrolment, "supply", work.today + timedelta(days=6 * 365)).granted


def test_the_verdict_over_http(api: Callable[[str], Client], units: Units, family: dict[str, str]) -> None:
    body = {"study": STUDY, "components": [{"component": "extra_samples", "effect": "stop-collection"}]}
    api("consent").made(f"/participants/{family['child']}/withdrawals", body)
    path = f"/participants/{family['child']}"
    asked = {purpose: api("consent").read(f"{path}/verdict", study=STUDY, purpose=purpose) for purpose in ("collect", "store")}
    assert (asked["collect"]["granted"], asked["collect"]["reasons"][0]["code"], asked["store"]["granted"]) == (False, "withdrawn", True)
    (mine,) = [one for one in api("consent").read(f"{path}/consent")["studies"][0]["components"] if one["component"] == "extra_samples"]
    assert (mine["today"]["granted"], mine["decisions"][-1]["effect"]) == (True, "stop-collection")
    assert "stopped" in [period["reason"] for period in mine["periods"] if period["granted"]]
