"""A draw is planned before anything is drawn, and its tubes are received in whatever condition they come."""

from __future__ import annotations

from datetime import timedelta

import pytest

from biobank.core.clock import SetClock
from biobank.core.errors import FieldsWrong
from biobank.core.units import Quantity
from biobank.core.work import Units
from biobank.custody.rules import NotInThisState
from biobank.specimens import queries as specimens
from biobank.specimens.rules import ExternalCodeTaken
from biobank.specimens.service import NewArrival, NewCollection, plan_collection, register_arrival
from tests.availability import stock
from tests.conftest import NOW
from tests.ward import Ward, act, by, entries, mL, nothing_changes, told


@pytest.fixture
def tubes(units: Units) -> dict[str, str]:
    """The expected tubes of a diagnosis draw, by material (the first of each)."""
    with by(units) as work:
        planned = plan_collection(work, NewCollection(stock.child(work, 1), "alltogether1", "DX", work.today))
        return {row.material: row.code for row in reversed(specimens.of_collection(work, planned.id))}


def test_the_tubes_of_the_plan_have_codes_before_the_draw(units: Units, tubes: dict[str, str]) -> None:
    assert set(tubes) == {"BM", "PB", "CSF_NATIVE"}
    for code in tubes.values():
        tube = told(units, code)
        assert (tube["status"], tube["left"], tube["kind"]) == ("expected", None, "primary")
        assert [body["act"] for body in entries(units, code)] == ["register", "expect"]


@pytest.mark.parametrize(
    ("condition", "status", "holds"),
    [("good", "in_custody", set()), ("damaged", "in_custody", {"quarantine"}), ("leaked", "in_custody", {"quarantine"}),
     ("rejected", "in_custody", {"quarantine"}), ("missing", "cancelled", set())],
)
def test_every_condition_is_recorded(units: Units, tubes: dict[str, str], condition: str, status: str, holds: set[str]) -> None:
    outcome = act(units, tubes["BM"], "receive", "technician", condition=condition, volume=mL(4))
    tube = told(units, tubes["BM"])
    assert (outcome, tube["status"], tube["holds"]) == ("held" if holds else "done", status, holds)
    assert tube["left"] == (4_000_000 if status == "in_custody" else None)


def test_a_second_reception_is_recorded_and_changes_only_the_holds(units: Units, tubes: dict[str, str]) -> None:
    act(units, tubes["BM"], "receive", volume=mL(4))
    assert act(units, tubes["BM"], "receive", volume=mL(3)) == "held"
    tube = told(units, tubes["BM"])
    assert (tube["status"], tube["left"], tube["holds"]) == ("in_custody", 4_000_000, {"discrepancy"})


def test_collecting_tells_when_the_draw_was(units: Units, tubes: dict[str, str], clock: SetClock) -> None:
    at = NOW - timedelta(hours=2)
    act(units, tubes["BM"], "collect", at=at)
    act(units, tubes["PB"], "collect", at=NOW)
    with by(units) as work:
        tube = specimens.specimen(work, tubes["BM"])
        assert specimens.collection_by_id(work, tube.collection_id).drawn_at == at


def test_residual_material_waits_for_the_diagnostic_laboratory(units: Units, tubes: dict[str, str]) -> None:
    act(units, tubes["BM"], "receive", volume=mL(4))
    with nothing_changes(units), pytest.raises(Exception, match="has not released"), by(units) as work:
        stock.aliquots(work, tubes["BM"], 1)
    act(units, tubes["BM"], "release", "diagnostics")
    assert str(told(units, tubes["BM"])["released_on"]) == "2026-11-20"
    with by(units) as work:
        stock.aliquots(work, tubes["BM"], 1)


def test_a_cancelled_tube_is_not_received_but_what_happened_is_recorded(units: Units, tubes: dict[str, str]) -> None:
    act(units, tubes["BM"], "cancel", reason="no marrow was taken")
    assert act(units, tubes["BM"], "receive", volume=mL(4)) == "held"
    assert (told(units, tubes["BM"])["status"], told(units, tubes["BM"])["holds"]) == ("cancelled", {"discrepancy"})
    with pytest.raises(NotInThisState):
        act(units, tubes["BM"], "cancel")


def arriving(ward: Ward, **changes: object) -> NewArrival:
    facts = {
        "participant": ward.child, "study": "alltogether1", "material": "PB", "container_type": "EDTA", "purpose": "residual", "collected_at": NOW,
        "amount": Quantity(3_000_000, "nL"), "external": ("umc", "A-17"),
    }
    return NewArrival(**{**facts, **changes})  # type: ignore[arg-type]


def test_a_tube_that_nobody_planned(ward: Ward) -> None:
    with by(ward.units, "technician") as work:
        tube, done = register_arrival(work, arriving(ward))
    assert done.outcome == "done"
    shown = told(ward.units, tube.code)
    assert (shown["status"], shown["left"], shown["event"]) == ("in_custody", 3_000_000, None)
    assert shown["external_codes"] == [{"issuer": "umc", "code": "A-17"}]
    assert [body["act"] for body in entries(ward.units, tube.code)] == ["register", "receive"]


def test_a_foreign_code_names_one_tube(ward: Ward) -> None:
    with by(ward.units) as work:
        first, _ = register_arrival(work, arriving(ward))
    with nothing_changes(ward.units), pytest.raises(ExternalCodeTaken, match=first.code[:4]), by(ward.units) as work:
        register_arrival(work, arriving(ward, material="BM"))
    with by(ward.units) as work:
        register_arrival(work, arriving(ward, external=("karolinska", "A-17")))


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"material": "SOUP"}, "/material"), ({"container_type": "BUCKET"}, "/container_type"), ({"purpose": "fun"}, "/purpose"),
        ({"amount": Quantity(5, "cells")}, "/volume/unit"), ({"external": ("umc", "  ")}, "/external_code/code"),
        ({"external": ("u\x00c", "1")}, "/external_code/issuer"), ({"collected_at": NOW.replace(tzinfo=None)}, "/collected_at"),
        ({"collected_at": NOW + timedelta(minutes=3)}, "/collected_at"),
    ],
)
def test_a_wrong_arrival_is_told_apart(ward: Ward, changes: dict[str, object], pointer: str) -> None:
    with nothing_changes(ward.units), pytest.raises(FieldsWrong) as refused, by(ward.units) as work:
        register_arrival(work, arriving(ward, **changes))
    assert [fault.pointer for fault in refused.value.faults] == [pointer]


def test_an_unknown_event_names_those_there_are(ward: Ward) -> None:
    with nothing_changes(ward.units), pytest.raises(FieldsWrong) as refused, by(ward.units) as work:
        plan_collection(work, NewCollection(ward.child, "alltogether1", "D16", NOW.date()))
    assert "D15" in refused.value.faults[0].message
