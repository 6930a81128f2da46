"""Containers over the API: what may stand in what, and who sees which."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from biobank.core.units import Quantity
from biobank.specimens.service import NewAliquots, aliquot
from tests.client import Client
from tests.ward import Ward, by, nothing_changes, refused

FREEZER = {"kind": "freezer", "title": "F1", "rows": 4, "columns": 3}
BOX = {"kind": "box", "title": "Box", "rows": 9, "columns": 9}


def test_a_freezer_that_counts_rows_and_columns_holds_boxes(ward: Ward) -> None:
    freezer = ward.bench.made("/containers", FREEZER)["code"]
    inside = ward.bench.made("/containers", BOX | {"parent": freezer})
    assert inside["parent"] == freezer
    assert [one["code"] for one in ward.bench.read(f"/containers/{freezer}")["inside"]] == [inside["code"]]


def test_nothing_but_tubes_stands_in_a_box(ward: Ward) -> None:
    with nothing_changes(ward.units):
        refused(ward.bench.post("/containers", BOX | {"parent": ward.box}), 422, "fields-wrong", "/parent", "holds containers")


@pytest.mark.parametrize("title", ["a\nb", "\x1b[31mred", "\u202eback", "  "])
def test_a_title_is_printable(ward: Ward, title: str) -> None:
    with nothing_changes(ward.units):
        refused(ward.bench.post("/containers", BOX | {"title": title}), 422, "fields-wrong", "/title")


def test_another_organisation_sees_no_container_and_puts_nothing_in_it(ward: Ward, api: Callable[[str], Client]) -> None:
    stranger = api("elsewhere")
    for path in ("", "/map", "/contents"):
        refused(stranger.get(f"/containers/{ward.box}{path}"), 404, "code-unknown")
    refused(stranger.post("/containers", BOX | {"parent": ward.box}), 404, "code-unknown")
    own = stranger.made("/containers", BOX)["code"]
    assert stranger.read(f"/containers/{own}")["code"] == own


def test_an_occupant_is_named_only_to_those_who_may_see_it(ward: Ward, api: Callable[[str], Client]) -> None:
    with by(ward.units) as work:
        first, second = sorted(tube.code for tube in aliquot(work, ward.marrow, NewAliquots(2, Quantity(1000, "nL")))[1])
    assert ward.scan("store", first, position=f"{ward.box}:A1").status_code == 200
    refused(ward.scan("store", second, position=f"{ward.box}:A1"), 409, "position-occupied", first[:4])
    infants = api("infants-only")
    born = {"study": "interfant21", "organisation": "maxima", "subject_number": "I-1", "birth_date": "2026-09-01", "sex": "female",
            "enrolled_on": "2026-11-18"}
    child = infants.made("/participants", born)["code"]
    told = {"participant": child, "study": "interfant21", "material": "PB", "container_type": "EDTA", "purpose": "residual",
            "collected_at": "2026-11-20T08:00:00Z"}
    tube = infants.made("/specimens", told | {"external_code": {"issuer": "lab", "code": "I1"}})["specimen"]["code"]
    problem = refused(infants.post("/scans", {"code": tube, "act": "store", "position": f"{ward.box}:A1"}), 409, "position-occupied", "A2")
    assert first[:4] not in str(problem)
