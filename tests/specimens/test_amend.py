"""Facts that can be wrong can be corrected: the entry that was wrong stays, and the old value stays visible."""

from __future__ import annotations

from typing import Any

import pytest

from biobank.core.errors import Forbidden, Refusal
from biobank.custody.rules import NotInThisState
from biobank.specimens import queries as specimens
from biobank.specimens.service import NewArrival, NewCollection, amend, plan_collection, register_arrival
from tests.conftest import NOW
from tests.ward import Ward, act, by, entries, mL, nothing_changes, told


def corrected(ward: Ward, field: str, value: Any, *, code: str | None = None, entry: int = 1, login: str = "manager") -> None:
    with by(ward.units, login) as work:
        amend(work, code or ward.marrow, entry, field, value, "slip of the pen")


def test_an_amount(ward: Ward) -> None:
    corrected(ward, "amount", mL(1.5), entry=3)
    assert told(ward.units, ward.marrow)["left"] == 1_500_000
    last = entries(ward.units, ward.marrow)[-1]
    assert last["facts"]["entry"] == 3 and (last["facts"]["old"], last["facts"]["new"]) == (2_000_000, 1_500_000)
    assert last["facts"]["effect"]["lines"] == [["adjustment", 500_000], ["tube", -500_000]]
    assert entries(ward.units, ward.marrow)[2]["facts"]["amount"]["base"] == 2_000_000
    assert "slip" not in str(last)


def test_a_purpose_moves_the_rules_that_depend_on_it(ward: Ward) -> None:
    with by(ward.units) as work:
        tube, _ = register_arrival(work, NewArrival(ward.child, "alltogether1", "PB", "EDTA", "extra", NOW))
    corrected(ward, "purpose", "residual", code=tube.code)
    assert told(ward.units, tube.code)["purpose"] == "residual"
    with by(ward.units) as work:
        assert specimens.standing(work, tube.id).residual


def test_a_material_takes_its_family_along(ward: Ward) -> None:
    corrected(ward, "material", "PB")
    assert (told(ward.units, ward.marrow)["material"], told(ward.units, ward.marrow)["family"]) == ("PB", "blood")
    assert entries(ward.units, ward.marrow)[-1]["facts"]["old"] == "BM"


@pytest.mark.parametrize(
    ("field", "value", "entry", "word"),
    [
        ("amount", 1.5, 1, "unit"), ("amount", {"value": -1, "unit": "mL"}, 1, "zero or more"), ("amount", {"value": 1, "unit": "cells"}, 1, "nL"),
        ("purpose", "fun", 1, "extra"), ("purpose", None, 1, "text"), ("material", "SOUP", 1, "SOUP"), ("material", "MNC_VIABLE", 1, "cells"),
        ("container_type", "BUCKET", 1, "BUCKET"), ("code", "X", 1, "code and kind are fixed"), ("amount", {"value": 1, "unit": "mL"}, 99, "1 to"),
        ("amount", {"value": 1, "unit": "mL"}, 0, "1 to"),
    ],
)
def test_a_wrong_correction_is_told_apart(ward: Ward, field: str, value: Any, entry: int, word: str) -> None:
    with nothing_changes(ward.units), pytest.raises(Refusal) as refused:
        corrected(ward, field, value, entry=entry)
    told_ = refused.value.detail + "".join(f"{fault.message} {fault.met}" for fault in refused.value.faults)
    assert word in told_


def test_only_what_is_here_has_an_amount_to_correct(ward: Ward) -> None:
    with by(ward.units) as work:
        planned = plan_collection(work, NewCollection(ward.child, "alltogether1", "DX", work.today))
        expected = specimens.of_collection(work, planned.id)[0].code
    act(ward.units, ward.marrow, "lose")
    with nothing_changes(ward.units):
        for code in (expected, ward.marrow):
            with pytest.raises(NotInThisState, match="in custody"):
                corrected(ward, "amount", mL(1), code=code)


def test_only_a_manager_corrects(ward: Ward) -> None:
    with nothing_changes(ward.units), pytest.raises(Forbidden, match="correct"):
        corrected(ward, "amount", mL(1), login="technician")


def test_over_the_api(ward: Ward) -> None:
    body = {"entry": 3, "field": "amount", "value": mL(1.5), "reason": "read the wrong line"}
    answer = ward.manager.made(f"/specimens/{ward.marrow}/amendments", body)
    assert answer["specimen"]["remaining"]["base"] == 1_500_000
    assert ward.manager.read(f"/specimens/{ward.marrow}/custody")["entries"][-1]["notes"] == {"reason": "read the wrong line"}
