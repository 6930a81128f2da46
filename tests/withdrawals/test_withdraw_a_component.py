"""A withdrawn component: held at once, descendants too; plans cancelled, reservations freed; other components and children untouched."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from biobank.app import CHECKS
from biobank.consent.rules import Signature
from biobank.consent.service import NewDecision, decide
from biobank.core.clock import SetClock
from biobank.core.errors import FieldsWrong, Forbidden
from biobank.core.units import Quantity
from biobank.core.work import Units
from biobank.custody.rules import ConsentRefused, Held
from biobank.custody.service import Doing, record
from biobank.ledger import service as ledger
from biobank.specimens import queries as specimens
from biobank.specimens.service import NewAliquots, NewArrival, NewCollection, NewDerivatives, aliquot, derive, plan_collection, register_arrival
from biobank.withdrawals.service import Withdrawn, withdraw
from tests.availability import stock
from tests.client import Client
from tests.ward import act, by, entries, nothing_changes, refused, told


def withdrawn(units: Units, child: str, *components: str, login: str = "consent") -> Withdrawn:
    with by(units, login) as work:
        return withdraw(work, child, "alltogether1", dict.fromkeys(components, "no-further-use"))


@pytest.fixture
def family(units: Units) -> dict[str, str]:
    """A marrow, its aliquot, a derivative of the aliquot; a tube that is planned; and another child's marrow."""
    with by(units) as work:
        child, other = stock.child(work, 1), stock.child(work, 2)
        marrow, others = stock.draw(work, child), stock.draw(work, other)
        cryo = stock.aliquots(work, marrow, 1)[0]
        plasma = derive(work, cryo, NewDerivatives("BM_PLASMA", 1, Quantity(20_000, "nL"), Quantity(50_000, "nL")))[1][0].code
        planned = plan_collection(work, NewCollection(child, "alltogether1", "D15", work.today))
        expected = specimens.of_collection(work, planned.id)[0].code
    return {"child": child, "marrow": marrow, "cryo": cryo, "plasma": plasma, "expected": expected, "other": others}


def test_every_descendant_is_held_and_nothing_else(units: Units, family: dict[str, str]) -> None:
    done = withdrawn(units, family["child"], "residual_storage")
    for name in ("marrow", "cryo", "plasma"):
        assert told(units, family[name])["holds"] == {"withdrawn"}, name
    assert told(units, family["other"])["holds"] == set()
    assert {family["marrow"], family["cryo"], family["plasma"], family["expected"]} <= {code for code, _ in done.tubes}
    with by(units) as work:
        assert list(ledger.verify(work, CHECKS)) == []


def test_a_planned_draw_is_cancelled_and_still_recorded_when_it_arrives(units: Units, family: dict[str, str]) -> None:
    withdrawn(units, family["child"], "residual_storage")
    assert told(units, family["expected"])["status"] == "cancelled"
    assert act(units, family["expected"], "receive", condition="good") == "held"
    assert told(units, family["expected"])["holds"] == {"discrepancy", "no-consent"}


def test_reservations_are_freed_at_once(units: Units, family: dict[str, str]) -> None:
    with by(units) as work:
        tube = specimens.specimen(work, family["cryo"]).id
        record(work, [Doing(tube, "reserve", promise="request/X/1", purpose="supply")])
        record(work, [Doing(tube, "pick", promise="request/X/1", purpose="supply")])
    withdrawn(units, family["child"], "residual_storage")
    tube_now = told(units, family["cryo"])
    assert (tube_now["reserved"]["base"], tube_now["holds"], tube_now["is_out"]) == (0, {"withdrawn"}, True)
    with pytest.raises(Held), by(units) as work:
        record(work, [Doing(tube, "deliver", {"to": "boston"}, promise="request/X/1", purpose="supply")])


def test_no_preserve_and_no_use_from_then_on(units: Units, family: dict[str, str]) -> None:
    withdrawn(units, family["child"], "residual_storage")
    with nothing_changes(units), pytest.raises(ConsentRefused, match="withdrawn"), by(units) as work:
        aliquot(work, family["marrow"], NewAliquots(1, Quantity(1000, "nL")))
    with nothing_changes(units), pytest.raises(ConsentRefused), by(units) as work:
        plan_collection(work, NewCollection(family["child"], "alltogether1", "DX", work.today))


def test_other_components_stay(units: Units, family: dict[str, str]) -> None:
    withdrawn(units, family["child"], "asparaginase")
    assert told(units, family["marrow"])["holds"] == set()
    assert told(units, family["expected"])["status"] == "expected"


@pytest.mark.parametrize(("purpose", "uses", "component"), [
    ("use:cns_detection", frozenset(), "cns_detection"), ("supply", frozenset({"commercial"}), "commercial"), ("supply", frozenset(), "extra_use"),
])
def test_a_reservation_falls_with_the_component_it_stands_on(
    units: Units, family: dict[str, str], purpose: str, uses: frozenset[str], component: str
) -> None:
    with by(units) as work:
        record(work, [Doing(specimens.specimen(work, family["cryo"]).id, "reserve", promise="request/X/1", purpose=purpose, uses=uses)])
    withdrawn(units, family["child"], "team_metabolites")
    assert told(units, family["cryo"])["reserved"]["base"] > 0
    withdrawn(units, family["child"], component)
    assert told(units, family["cryo"])["reserved"]["base"] == 0
    assert told(units, family["cryo"])["holds"] == set()


def test_extra_material_falls_with_the_extra_samples(units: Units, family: dict[str, str]) -> None:
    with by(units) as work:
        tube, done = register_arrival(work, NewArrival(family["child"], "alltogether1", "WHOLE_BLOOD", "EDTA", "extra", work.now))
    assert done.outcome == "done"
    withdrawn(units, family["child"], "extra_samples")
    assert told(units, tube.code)["holds"] == {"withdrawn"}
    assert told(units, family["marrow"])["holds"] == set()


def test_it_bites_a_tube_that_is_with_a_recipient_and_leaves_one_that_is_gone(units: Units, family: dict[str, str]) -> None:
    with by(units) as work:
        tube = specimens.specimen(work, family["cryo"]).id
        for name in ("reserve", "pick", "deliver"):
            facts = {"to": "boston"} if name == "deliver" else {}
            record(work, [Doing(tube, name, facts, promise="request/X/1", purpose="supply")])
    act(units, family["plasma"], "lose")
    done = dict(withdrawn(units, family["child"], "residual_storage").tubes)
    assert told(units, family["cryo"])["holds"] == {"withdrawn"} and "return it" in done[family["cryo"]]
    assert told(units, family["plasma"])["holds"] == set()


def test_a_new_yes_of_everybody_lifts_it(units: Units, family: dict[str, str], clock: SetClock) -> None:
    withdrawn(units, family["child"], "residual_storage")
    clock.forward(timedelta(days=1))
    for roles, held in ((("parent",), {"withdrawn"}), (("second-parent",), set[str]())):
        with by(units) as work:
            signed = tuple(Signature(role, work.today) for role in roles)
            decide(work, family["child"], NewDecision("alltogether1", "residual_storage", "yes", "v1", work.today, "joint", signed))
        assert told(units, family["marrow"])["holds"] == told(units, family["plasma"])["holds"] == held


def test_the_chain_tells_it(units: Units, family: dict[str, str]) -> None:
    done = withdrawn(units, family["child"], "residual_storage")
    assert done.chain == f"consent/{family['child']}/alltogether1"
    assert entries(units, family["plasma"])[-1]["act"] == "consent-hold"


@pytest.mark.parametrize("effects", [{}, {"residual_storage": "burn it"}])
def test_a_withdrawal_that_is_none(units: Units, family: dict[str, str], effects: dict[str, Any]) -> None:
    with nothing_changes(units), pytest.raises(FieldsWrong), by(units) as work:
        withdraw(work, family["child"], "alltogether1", effects)


def test_a_technician_does_not_withdraw(units: Units, family: dict[str, str]) -> None:
    with nothing_changes(units), pytest.raises(Forbidden, match="withdraw"):
        withdrawn(units, family["child"], "residual_storage", login="technician")


def test_one_choice_for_each_component(api: Callable[[str], Client], units: Units, family: dict[str, str]) -> None:
    both = [{"component": "registry", "effect": effect} for effect in ("destroy", "further-use-allowed")]
    with nothing_changes(units):
        body = {"study": "alltogether1", "components": both}
        refused(api("consent").post(f"/participants/{family['child']}/withdrawals", body), 422, "fields-wrong", "/components", "registry")


def test_the_request_says_that_consent_set_its_tube_free(api: Callable[[str], Client], units: Units, family: dict[str, str]) -> None:
    manager = api("manager")
    code = manager.made("/requests", {"study": "alltogether1", "purpose": "supply", "items": [{"material": "BM", "n": 1}]})["code"]
    for state in ("submitted", "approved"):
        manager.made(f"/requests/{code}/transitions", {"to": state})
    manager.made(f"/requests/{code}/allocation", {"item": 1, "specimens": [family["cryo"]]})
    withdrawn(units, family["child"], "residual_storage")
    item = manager.read(f"/requests/{code}")["items"][0]
    assert [(tube["specimen"], tube["stage"], tube["freed_by"]) for tube in item["tubes"]] == [(family["cryo"], "freed", "consent")]
