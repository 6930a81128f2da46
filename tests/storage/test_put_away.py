"""Storing and moving by scan: one tube per position, the slot is kept while a tube is out, and old news never moves a tube."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from biobank.core.clock import SetClock
from biobank.core.units import Quantity
from biobank.specimens import queries as specimens
from biobank.specimens.service import NewAliquots, aliquot
from biobank.storage.service import put
from tests.conftest import NOW
from tests.ward import Ward, act, by, entries, nothing_changes, refused, told


@pytest.fixture
def tubes(ward: Ward) -> list[str]:
    """Five cryovials for a box of four."""
    with by(ward.units) as work:
        return sorted(tube.code for tube in aliquot(work, ward.marrow, NewAliquots(5, Quantity(1000, "nL")))[1])


def store(ward: Ward, code: str, position: Any = None, name: str = "store", ago: int = 0) -> None:
    with by(ward.units, "technician") as work:
        put(work, specimens.specimen(work, code).id, name, position, ward.box, {}, NOW - timedelta(minutes=ago) if ago else None)


def where(ward: Ward, code: str) -> tuple[str | None, bool]:
    tube = told(ward.units, code)
    return tube["position"], tube["is_out"]


def test_the_next_free_position_is_taken_by_rows_until_the_box_is_full(ward: Ward, tubes: list[str]) -> None:
    for code in tubes[:4]:
        store(ward, code)
    assert [where(ward, code)[0] for code in tubes[:4]] == [f"{ward.box}:{position}" for position in ("A1", "A2", "B1", "B2")]
    with nothing_changes(ward.units):
        refused(ward.scan("store", tubes[4], context={"container": ward.box}), 409, "container-full", "another box")


def test_a_position_is_named_in_several_ways(ward: Ward, tubes: list[str]) -> None:
    for code, position in zip(tubes, (f"{ward.box}:A1", " a2 ", {"container": ward.box, "row": 2, "column": 1}), strict=False):
        store(ward, code, position)
    assert [where(ward, code)[0] for code in tubes[:3]] == [f"{ward.box}:{position}" for position in ("A1", "A2", "B1")]


def test_the_slot_is_kept_while_the_tube_is_out(ward: Ward, tubes: list[str]) -> None:
    store(ward, tubes[0], "A1")
    act(ward.units, tubes[0], "check-out")
    assert where(ward, tubes[0]) == (f"{ward.box}:A1", True)
    with nothing_changes(ward.units):
        refused(ward.scan("store", tubes[1], position=f"{ward.box}:A1"), 409, "position-occupied", tubes[0][:4])
    act(ward.units, tubes[0], "return")
    assert where(ward, tubes[0]) == (f"{ward.box}:A1", False)


def test_moving_gives_the_old_place_free(ward: Ward, tubes: list[str]) -> None:
    store(ward, tubes[0], "A1")
    store(ward, tubes[0], "B2", "move")
    store(ward, tubes[1], "A1")
    assert [where(ward, code)[0] for code in tubes[:2]] == [f"{ward.box}:B2", f"{ward.box}:A1"]


def test_storing_where_it_is_already_is_right(ward: Ward, tubes: list[str]) -> None:
    store(ward, tubes[0], "A1")
    store(ward, tubes[0], "A1")
    assert where(ward, tubes[0]) == (f"{ward.box}:A1", False)


def test_storing_writes_no_entry_of_the_box(ward: Ward, tubes: list[str]) -> None:
    store(ward, tubes[0], "A1")
    with by(ward.units) as work:
        from sqlalchemy import text

        assert work.session.execute(text("SELECT last_seq FROM chain WHERE kind = 'container'")).scalar_one() == 1
    assert entries(ward.units, tubes[0])[-1]["facts"]["position"] == {"container": ward.box, "row": 1, "column": 1}


@pytest.mark.parametrize("late", ["store", "move", "check-out", "return"])
def test_news_from_before_the_last_placement_never_changes_the_place(ward: Ward, clock: SetClock, tubes: list[str], late: str) -> None:
    tube = tubes[0]
    store(ward, tube, "A1")
    if late == "return":
        act(ward.units, tube, "check-out")
    before = where(ward, tube)
    if late in {"store", "move"}:
        store(ward, tube, "B2", late, ago=30)
    else:
        act(ward.units, tube, late, at=NOW - timedelta(minutes=30))
    assert where(ward, tube) == before
    assert entries(ward.units, tube)[-1]["act"] == late


def test_a_tube_does_not_stand_in_a_freezer(ward: Ward, tubes: list[str]) -> None:
    freezer = ward.manager.made("/containers", {"kind": "freezer", "title": "F1", "rows": 0, "columns": 0})["code"]
    with nothing_changes(ward.units):
        refused(ward.scan("store", tubes[0], context={"container": freezer}), 422, "no-positions", "holds containers")


def test_the_map_shows_what_stands_where(ward: Ward, tubes: list[str]) -> None:
    store(ward, tubes[0], "A2")
    act(ward.units, tubes[0], "hold", kind="identity", reason="two names")
    shown = ward.bench.read(f"/containers/{ward.box}/map")
    assert shown["next_free"] == "A1"
    assert [(cell["position"], cell["code"], cell["held"]) for cell in shown["cells"]] == [("A2", tubes[0], True)]
