"""Dispose, lose, find: `gone` ends every preserve and use, and what happens to a gone tube is still recorded."""

from __future__ import annotations

import pytest

from biobank.custody.rules import NotInThisState, WitnessNeeded
from biobank.specimens.service import amend, earmark
from tests.ward import Ward, act, by, entries, mL, nothing_changes, told


def test_disposal_needs_a_second_person(ward: Ward) -> None:
    for witness in ("manager", "nobody", ""):
        with nothing_changes(ward.units), pytest.raises(WitnessNeeded, match="second person"):
            act(ward.units, ward.marrow, "dispose", reason="shelf life", witness=witness)
    ward.scan("store", ward.marrow, position=f"{ward.box}:A1")
    act(ward.units, ward.marrow, "dispose", reason="shelf life", witness="second", comment="one crack")
    tube = told(ward.units, ward.marrow)
    assert (tube["status"], tube["reason"], tube["left"], tube["position"]) == ("gone", "shelf life", 0, None)
    body = entries(ward.units, ward.marrow)[-1]
    assert body["facts"]["witness"] not in {None, body["actor"]} and "crack" not in str(body)
    assert body["facts"]["effect"]["lines"] == [["tube", -2_000_000], ["disposed", 2_000_000]]


def test_another_reason_wants_a_comment(ward: Ward) -> None:
    answer = ward.scan("dispose", ward.marrow, facts={"reason": "other", "witness": "second"})
    assert answer.status_code == 422 and answer.get_json()["faults"][0]["pointer"] == "/facts/comment"


def test_a_lost_tube_gives_its_place_back(ward: Ward) -> None:
    ward.scan("store", ward.marrow, position=f"{ward.box}:A1")
    other = ward.aliquots(count=1, volume=mL(0.25)).get_json()["specimens"][0]["code"]
    act(ward.units, ward.marrow, "lose")
    assert ward.scan("store", other, position=f"{ward.box}:A1").status_code == 200


def test_gone_ends_every_preserve_and_use(ward: Ward) -> None:
    act(ward.units, ward.marrow, "lose")
    with nothing_changes(ward.units):
        for name in ("check-out", "release"):
            with pytest.raises(NotInThisState, match="is gone"):
                act(ward.units, ward.marrow, name)
        with pytest.raises(NotInThisState), by(ward.units) as work:
            earmark(work, ward.marrow, "asparaginase")
        with pytest.raises(NotInThisState), by(ward.units) as work:
            amend(work, ward.marrow, 3, "amount", mL(1), "it is back")


@pytest.mark.parametrize("report", ["find", "return", "thaw", "store", "measure", "spill", "dispose", "lose", "receive", "collect"])
def test_a_report_on_a_gone_tube_is_recorded_and_opens_a_discrepancy(ward: Ward, report: str) -> None:
    act(ward.units, ward.marrow, "lose")
    facts = {"measure": {"volume": mL(1)}, "spill": {"volume": mL(1)}, "dispose": {"reason": "shelf life", "witness": "second"}}.get(report, {})
    more = {"position": f"{ward.box}:A1"} if report == "store" else {}
    answer = ward.scan(report, ward.marrow, facts=facts, **more)
    assert answer.status_code == 200 and answer.get_json()["verdict"] == "held"
    tube = told(ward.units, ward.marrow)
    assert (tube["status"], tube["left"], tube["position"], tube["holds"]) == ("gone", 0, None, {"discrepancy"})
