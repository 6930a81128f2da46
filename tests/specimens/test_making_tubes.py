"""Aliquots stay in the parent's lot; derivatives open lots of their own. What the parent bears, the child inherits."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import text

from biobank.core.errors import FieldsWrong
from biobank.core.units import Quantity
from biobank.custody.queries import by_codes
from biobank.custody.rules import NotReleased, OverDraw
from biobank.specimens import queries as specimens
from biobank.specimens.service import NewAliquots, NewArrival, NewDerivatives, aliquot, derive, register_arrival
from tests.conftest import NOW
from tests.ward import Ward, act, by, entries, mL, nothing_changes, told


def nL(amount: int) -> Quantity:
    return Quantity(amount, "nL")


def make(ward: Ward, code: str | None = None, count: int = 1, amount: int = 250_000, measured: int | None = None) -> list[str]:
    with by(ward.units) as work:
        return [tube.code for tube in aliquot(work, code or ward.marrow, NewAliquots(count, nL(amount), nL(measured) if measured else None))[1]]


def derived(ward: Ward, material: str, code: str | None = None, count: int = 1, amount: Quantity | None = None, used: int | None = None) -> list[str]:
    with by(ward.units) as work:
        new = NewDerivatives(material, count, amount, nL(used) if used else None, {"g": 400, "minutes": 10, "temp_dc": 40})
        return [tube.code for tube in derive(work, code or ward.marrow, new)[1]]


def test_parent_and_child_name_each_other_by_chain_and_seq(ward: Ward) -> None:
    child = make(ward)[0]
    parent_entry = entries(ward.units, ward.marrow)[-1]
    first = entries(ward.units, child)[0]
    assert first["facts"]["made_by"] == {"chain": f"specimen/{ward.marrow}", "seq": parent_entry["seq"]}
    assert first["facts"]["parents"] == [ward.marrow]
    assert parent_entry["facts"]["effect"]["lines"] == [["tube", -250_000], ["aliquoted", 250_000]]
    assert first["facts"]["effect"]["lines"] == [["aliquoted", -250_000], ["tube", 250_000]]


def test_all_of_it_and_not_a_drop_more(ward: Ward) -> None:
    make(ward, count=8)
    assert told(ward.units, ward.marrow)["left"] == 0
    with nothing_changes(ward.units), pytest.raises(OverDraw, match="0 µL left"):
        make(ward, amount=1)


def test_an_aliquot_of_an_aliquot_stays_in_the_lot(ward: Ward) -> None:
    child = make(ward)[0]
    grandchild = make(ward, child, amount=100_000)[0]
    with by(ward.units) as work:
        rows = by_codes(work, [ward.marrow, child, grandchild])
        assert len({row.lot_id for row in rows.values()}) == 1
        left = work.session.execute(text("SELECT sum(amount) FROM posting WHERE account = 'aliquoted'")).scalar_one()
        assert left == 0


def test_thaws_count_from_birth(ward: Ward) -> None:
    act(ward.units, ward.marrow, "thaw")
    child = make(ward)[0]
    act(ward.units, ward.marrow, "thaw")
    act(ward.units, child, "thaw")
    grandchild = make(ward, child, amount=1000)[0]
    assert [told(ward.units, code)["thaws"] for code in (ward.marrow, child, grandchild)] == [2, 2, 2]


@pytest.mark.parametrize(("material", "thaws"), [("DNA_TUMOUR", 0), ("RNA", 0), ("BM_PLASMA", 0), ("MNC_VIABLE", 0)])
def test_another_class_of_material_starts_anew(ward: Ward, material: str, thaws: int) -> None:
    act(ward.units, ward.marrow, "thaw")
    assert told(ward.units, derived(ward, material)[0])["thaws"] == thaws


def test_within_a_class_a_derivative_keeps_the_count(ward: Ward) -> None:
    cells = derived(ward, "MNC_VIABLE", amount=Quantity(5_000_000, "cells"))[0]
    act(ward.units, cells, "thaw")
    assert told(ward.units, derived(ward, "CELL_PELLET", cells)[0])["thaws"] == 1
    assert told(ward.units, derived(ward, "RNA", cells)[0])["thaws"] == 0


def test_a_derivation_closes_one_amount_and_opens_another(ward: Ward) -> None:
    cells = derived(ward, "MNC_VIABLE", count=2, amount=Quantity(5_000_000, "cells"), used=1_500_000)
    assert told(ward.units, ward.marrow)["left"] == 500_000
    assert entries(ward.units, ward.marrow)[-1]["facts"]["effect"]["lines"] == [["tube", -1_500_000], ["processed", 1_500_000]]
    assert entries(ward.units, cells[0])[0]["facts"]["effect"]["lines"] == [["yield", -5_000_000], ["tube", 5_000_000]]
    with by(ward.units) as work:
        rows = by_codes(work, [ward.marrow, *cells])
        assert len({row.lot_id for row in rows.values()}) == 3
        assert {row.unit for row in rows.values()} == {"nL", "cells"}


def test_by_default_all_that_is_free_goes_into_it(ward: Ward) -> None:
    plasma = derived(ward, "BM_PLASMA")[0]
    assert told(ward.units, ward.marrow)["left"] == 0
    assert told(ward.units, plasma)["certainty"] == "unknown"
    act(ward.units, plasma, "measure", volume=mL(0.8))
    assert told(ward.units, plasma)["left"] == 800_000


def test_what_one_material_does_not_give(ward: Ward) -> None:
    with nothing_changes(ward.units), pytest.raises(FieldsWrong) as refused:
        derived(ward, "CSF_SUPERNATANT")
    assert "CSF_NATIVE" in refused.value.faults[0].message and "BM" in refused.value.faults[0].message


def test_how_it_was_made_is_kept(ward: Ward) -> None:
    plasma = derived(ward, "BM_PLASMA")[0]
    with by(ward.units) as work:
        tube = specimens.specimen(work, plasma).id
        row = work.session.execute(text("SELECT g, minutes, temp_dc FROM processing WHERE specimen_id = :tube"), {"tube": tube}).one()
    assert tuple(row) == (400, 10, 40)


def test_children_inherit_holds_release_and_purpose(ward: Ward) -> None:
    act(ward.units, ward.marrow, "hold", kind="identity", reason="two names")
    child = make(ward)[0]
    plasma = derived(ward, "BM_PLASMA")[0]
    for code in (child, plasma):
        tube = told(ward.units, code)
        assert (tube["holds"], str(tube["released_on"]), tube["purpose"], tube["parent"]) == ({"identity"}, "2026-11-20", "residual", ward.marrow)
    act(ward.units, ward.marrow, "unhold", kind="identity", reason="settled")
    assert told(ward.units, child)["holds"] == {"identity"}, "each tube is freed by itself"


def test_a_residual_tube_that_was_never_released_is_not_taken_apart(ward: Ward) -> None:
    with by(ward.units) as work:
        tube, _ = register_arrival(work, NewArrival(ward.child, "alltogether1", "BM", "HEPARIN_NACL", "residual", NOW, nL(1_000_000)))
    with nothing_changes(ward.units):
        for attempt in (lambda: make(ward, tube.code), lambda: derived(ward, "BM_PLASMA", tube.code)):
            with pytest.raises(NotReleased):
                attempt()


def test_it_may_be_told_afterwards_and_never_before_it_happened(ward: Ward) -> None:
    with by(ward.units) as work:
        made = aliquot(work, ward.marrow, NewAliquots(1, nL(1000), occurred_at=NOW - timedelta(hours=1)))[1][0].code
    assert entries(ward.units, made)[0]["occurred_at"].startswith("2026-11-20T08:00")
    with nothing_changes(ward.units), pytest.raises(FieldsWrong), by(ward.units) as work:
        aliquot(work, ward.marrow, NewAliquots(1, nL(1000), occurred_at=NOW + timedelta(hours=1)))
