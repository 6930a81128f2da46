"""Measure and spill: reports that are never refused for what is left; the books balance all the same."""

from __future__ import annotations

import pytest

from biobank.app import CHECKS
from biobank.core.units import Quantity
from biobank.core.work import Units
from biobank.custody.rules import AmountUnknown, OverDraw
from biobank.custody.service import Doing, record
from biobank.ledger import service as ledger
from biobank.specimens import queries as specimens
from biobank.specimens.service import NewAliquots, aliquot
from tests.ward import Ward, act, by, entries, mL, nothing_changes, told

QUARTER = Quantity(250_000, "nL")


def lines(units: Units, code: str) -> list[list[object]]:
    effect = entries(units, code)[-1]["facts"]["effect"]
    assert sum(amount for _, amount in effect.get("lines", [])) == 0
    return effect.get("lines", [])


def take(ward: Ward, count: int, measured: float | None = None) -> None:
    with by(ward.units) as work:
        aliquot(work, ward.marrow, NewAliquots(count, QUARTER, Quantity(round(measured * 1e6), "nL") if measured else None))


def test_a_measure_posts_the_difference_from_adjustment(ward: Ward) -> None:
    act(ward.units, ward.marrow, "measure", volume=mL(2.13))
    assert told(ward.units, ward.marrow)["left"] == 2_130_000
    assert lines(ward.units, ward.marrow) == [["adjustment", -130_000], ["tube", 130_000]]


def test_measuring_while_aliquoting_is_one_entry(ward: Ward) -> None:
    take(ward, 8, measured=2.1)
    assert told(ward.units, ward.marrow)["left"] == 100_000
    assert lines(ward.units, ward.marrow) == [["adjustment", -100_000], ["tube", 100_000], ["tube", -2_000_000], ["aliquoted", 2_000_000]]


def test_measuring_less_while_aliquoting_too_much_is_refused(ward: Ward) -> None:
    with nothing_changes(ward.units), pytest.raises(OverDraw, match=r"1\.9 mL left"):
        take(ward, 8, measured=1.9)


def test_an_amount_nobody_measured_has_to_be_measured_first(ward: Ward) -> None:
    with by(ward.units) as work:
        from biobank.specimens.service import NewArrival, register_arrival

        tube, _ = register_arrival(work, NewArrival(ward.child, "alltogether1", "BM", "HEPARIN_NACL", "extra", work.now))
    ward.marrow = tube.code
    with nothing_changes(ward.units), pytest.raises(AmountUnknown, match="measured"):
        take(ward, 1)
    take(ward, 1, measured=0.3)
    assert told(ward.units, tube.code)["left"] == 50_000


def test_a_spill(ward: Ward) -> None:
    act(ward.units, ward.marrow, "spill", volume=mL(0.5))
    assert told(ward.units, ward.marrow)["left"] == 1_500_000
    assert lines(ward.units, ward.marrow) == [["tube", -500_000], ["spilled", 500_000]]


def test_more_is_spilled_than_remained(ward: Ward) -> None:
    """A nominal 2 mL tube really held more: the difference comes from adjustment first, and nothing goes below zero."""
    act(ward.units, ward.marrow, "spill", volume=mL(2.5))
    assert told(ward.units, ward.marrow)["left"] == 0
    assert lines(ward.units, ward.marrow) == [["adjustment", -500_000], ["tube", 500_000], ["tube", -2_500_000], ["spilled", 2_500_000]]
    with by(ward.units) as work:
        assert list(ledger.verify(work, CHECKS)) == []


@pytest.mark.parametrize(("name", "volume"), [("spill", 0.5), ("measure", 1.5)])
def test_less_than_promised_frees_the_reservation_in_the_same_entry(ward: Ward, name: str, volume: float) -> None:
    with by(ward.units) as work:
        record(work, [Doing(specimens.specimen(work, ward.marrow).id, "reserve", promise="request/X/1", purpose="supply")])
    act(ward.units, ward.marrow, name, volume=mL(volume))
    tube = told(ward.units, ward.marrow)
    assert (tube["left"], tube["reserved"]["base"]) == (1_500_000, 0)
    assert entries(ward.units, ward.marrow)[-1]["facts"]["effect"]["free"] == ["request/X/1"]


def test_a_promised_tube_is_not_aliquoted(ward: Ward) -> None:
    with by(ward.units) as work:
        record(work, [Doing(specimens.specimen(work, ward.marrow).id, "reserve", promise="request/X/1", purpose="supply")])
    with nothing_changes(ward.units), pytest.raises(OverDraw):
        take(ward, 1)
