"""Undo puts a tube back where it was: its last entry, a place act, at the same station, within ten minutes."""

from __future__ import annotations

from datetime import timedelta

import pytest

from biobank.core.clock import SetClock
from biobank.core.work import Units
from biobank.custody.rules import UndoNotPossible
from tests.ward import Ward, act, entries, nothing_changes, told


def put(ward: Ward, position: str, code: str | None = None, station: str = "bench-1", act: str = "store") -> None:
    assert ward.scan(act, code or ward.marrow, position=f"{ward.box}:{position}", station=station).status_code == 200


def test_a_store_is_undone(ward: Ward) -> None:
    put(ward, "A1")
    act(ward.units, ward.marrow, "undo", "technician", "bench-1")
    assert told(ward.units, ward.marrow)["position"] is None
    assert entries(ward.units, ward.marrow)[-1]["facts"]["undoes"] == 5


def test_a_move_goes_back_to_the_first_place(ward: Ward) -> None:
    put(ward, "A1")
    put(ward, "B2", act="move")
    act(ward.units, ward.marrow, "undo", "technician", "bench-1")
    assert told(ward.units, ward.marrow)["position"] == f"{ward.box}:A1"


@pytest.mark.parametrize(("name", "out"), [("check-out", False), ("return", True)])
def test_out_and_back(ward: Ward, name: str, out: bool) -> None:
    put(ward, "A1")
    for one in ("check-out", "return")[: 1 if name == "check-out" else 2]:
        ward.scan(one, ward.marrow, station="bench-1")
    act(ward.units, ward.marrow, "undo", "technician", "bench-1")
    tube = told(ward.units, ward.marrow)
    assert (tube["is_out"], tube["position"]) == (out, f"{ward.box}:A1")


def refuses(ward: Ward, why: str, login: str = "technician", station: str | None = "bench-1") -> None:
    with nothing_changes(ward.units), pytest.raises(UndoNotPossible, match=why):
        act(ward.units, ward.marrow, "undo", login, station)


def test_not_twice(ward: Ward) -> None:
    put(ward, "A1")
    act(ward.units, ward.marrow, "undo", "technician", "bench-1")
    refuses(ward, "its last entry is “undo”")


def test_not_what_is_no_placement(ward: Ward) -> None:
    put(ward, "A1")
    act(ward.units, ward.marrow, "thaw")
    refuses(ward, "its last entry is “thaw”")


def test_not_at_another_station(ward: Ward) -> None:
    put(ward, "A1")
    refuses(ward, "another station", station="bench-2")


def test_without_a_station_only_by_the_same_person(ward: Ward) -> None:
    assert ward.scan("store", ward.marrow, position=f"{ward.box}:A1").status_code == 200
    refuses(ward, "another station", login="second", station=None)
    act(ward.units, ward.marrow, "undo", "technician")


@pytest.mark.parametrize(("minutes", "possible"), [(10, True), (11, False)])
def test_within_ten_minutes(ward: Ward, clock: SetClock, minutes: int, possible: bool) -> None:
    put(ward, "A1")
    clock.forward(timedelta(minutes=minutes))
    if possible:
        act(ward.units, ward.marrow, "undo", "technician", "bench-1")
    else:
        refuses(ward, "older than 10 minutes")


def test_not_into_a_place_that_was_given_away(ward: Ward) -> None:
    other = ward.aliquots(count=1, volume={"value": 250, "unit": "uL"}).get_json()["specimens"][0]["code"]
    put(ward, "A1")
    put(ward, "B2", act="move")
    put(ward, "A1", other)
    refuses(ward, other[:4])


def test_a_hold_that_came_with_it_stays(units: Units, ward: Ward) -> None:
    """A report on a tube that is gone opened a discrepancy; taking the report back does not settle that."""
    act(units, ward.marrow, "lose")
    put(ward, "A1")
    act(units, ward.marrow, "undo", "technician", "bench-1")
    assert told(units, ward.marrow)["holds"] == {"discrepancy"}
