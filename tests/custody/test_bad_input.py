"""Every kind of bad input: the problem names what was met and what would be right, and changes nothing."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from biobank.cli import run
from biobank.core.codes import ALPHABET, is_code, spaced
from biobank.core.work import Units
from biobank.settings import shipped
from tests.conftest import NOW
from tests.ward import Ward, nothing_changes, refused

QUARTER = {"value": 250, "unit": "uL"}


def mistyped(code: str) -> str:
    """The code with its last but one character wrong."""
    wrong = code[:6] + ALPHABET[(ALPHABET.index(code[6]) + 1) % len(ALPHABET)] + code[7:]
    assert not is_code(wrong)
    return wrong


def unknown(code: str) -> str:
    """A well-formed code that nothing bears."""
    return next(found for one in ALPHABET for two in ALPHABET for last in ALPHABET if is_code(found := code[:5] + one + two + last) and found != code)


def test_an_unknown_code_is_named(ward: Ward) -> None:
    nobody = unknown(ward.marrow)
    with nothing_changes(ward.units):
        refused(ward.scan("thaw", nobody), 404, "code-unknown", spaced(nobody), "register it first")
        refused(ward.bench.get(f"/specimens/{nobody}"), 404, "code-unknown", spaced(nobody))


def test_a_mistyped_code_says_so(ward: Ward) -> None:
    wrong = mistyped(ward.marrow)
    with nothing_changes(ward.units):
        refused(ward.scan("thaw", wrong), 422, "code-mistyped", wrong, "mistyped", "8 characters")
        refused(ward.bench.get(f"/specimens/{wrong}"), 422, "code-mistyped", wrong)


@pytest.mark.parametrize("act", ["aliquot", "check-out"])
def test_a_preserve_act_on_a_tube_that_is_gone(ward: Ward, act: str) -> None:
    assert ward.scan("lose", ward.marrow).status_code == 200
    facts: dict[str, Any] = {"count": 1, "volume": QUARTER} if act == "aliquot" else {}
    with nothing_changes(ward.units):
        problem = refused(ward.scan(act, ward.marrow, facts=facts), 409, "not-in-this-state", spaced(ward.marrow), "is gone", act, "in custody")
    assert problem["verdict"] == "refused"


def test_a_use_of_a_tube_that_is_only_expected(ward: Ward) -> None:
    draw = ward.manager.made(
        "/collections", {"participant": ward.child, "study": "alltogether1", "event": "DX", "planned_on": NOW.date().isoformat()}
    )
    code = draw["specimens"][0]["code"]
    with nothing_changes(ward.units):
        answer = ward.manager.post(f"/specimens/{code}/earmarks", {"sub_study": "asparaginase"})
        refused(answer, 409, "not-in-this-state", spaced(code), "is expected", "in custody")


def test_over_draw_names_what_is_left_and_offers_to_measure(ward: Ward) -> None:
    with nothing_changes(ward.units):
        problem = refused(ward.aliquots(count=3, volume={"value": 1, "unit": "mL"}), 409, "over-draw", "2 mL left", "3 mL was asked", "measure")
    assert (problem["left_base"], problem["asked_base"], problem["offer"]) == (2_000_000, 3_000_000, "measure")


def test_over_draw_goes_well_with_a_measure_in_the_same_step(ward: Ward) -> None:
    body = {"count": 3, "volume": {"value": 1, "unit": "mL"}, "measured": {"value": 3.1, "unit": "mL"}}
    made = ward.bench.made(f"/specimens/{ward.marrow}/aliquots", body)
    assert made["parent"]["remaining"]["base"] == 100_000


@pytest.mark.parametrize(
    ("volume", "pointer", "right", "met"),
    [
        ({"value": -1, "unit": "mL"}, "/value", "above zero", "-1"),
        ({"value": 0, "unit": "mL"}, "/value", "above zero", "0"),
        ({"value": 1, "unit": "drops"}, "/unit", "mL", "drops"),
        ({"value": 1, "unit": "Mcells"}, "/unit", "mL", "Mcells"),
        ({"value": "much", "unit": "mL"}, "/value", "number", "much"),
        ({"value": 0.5, "unit": "nL"}, "/value", "whole number of nL", "0.5"),
        ({"value": 3, "unit": "L"}, "/value", "no tube holds more", "3"),
        ({"value": 10**400, "unit": "mL"}, "/value", "number", "1"),
    ],
)
def test_a_wrong_quantity_is_told_apart(ward: Ward, volume: dict[str, Any], pointer: str, right: str, met: str) -> None:
    with nothing_changes(ward.units):
        problem = refused(ward.aliquots(count=1, volume=volume), 422, "fields-wrong", right)
        refused(ward.scan("spill", ward.marrow, facts={"volume": volume}), 422, "fields-wrong", right)
    assert problem["faults"][0]["pointer"] == "/volume" + pointer
    assert met in str(problem["faults"][0]["met"])


@pytest.mark.parametrize("volume", [{"value": 1}, 1, "1 mL", [1, "mL"], None, {"value": 1, "unit": None}, {"value": 1, "unit": "mL", "per": "tube"}])
def test_a_quantity_without_a_unit(ward: Ward, volume: Any) -> None:
    with nothing_changes(ward.units):
        problem = ward.aliquots(count=1, volume=volume).get_json()
        scanned = ward.scan("spill", ward.marrow, facts={"volume": volume}).get_json()
    for one in (problem, scanned):
        assert (one["status"], one["type"]) == (422, "/problems/fields-wrong")
        assert any("volume" in fault["pointer"] for fault in one["faults"])


def test_cells_for_a_tube_measured_in_millilitres(ward: Ward) -> None:
    with nothing_changes(ward.units):
        refused(ward.scan("measure", ward.marrow, facts={"cells": {"value": 5, "unit": "Mcells"}}), 422, "fields-wrong", "measured in nL", "mL")
        refused(ward.aliquots(count=1, volume=QUARTER, measured={"value": 5, "unit": "Mcells"}), 422, "fields-wrong", "measured in nL")


def test_a_time_without_an_offset(ward: Ward) -> None:
    with nothing_changes(ward.units):
        answer = ward.scan("thaw", ward.marrow, occurred_at="2026-11-20T09:00:00")
        problem = refused(answer, 422, "fields-wrong", "/occurred_at", "2026-11-20T09:00:00")
    assert problem["faults"][0]["pointer"] == "/occurred_at"


AHEAD = (NOW + timedelta(minutes=2, seconds=1)).isoformat()


def test_a_time_that_is_ahead_by_more_than_two_minutes(ward: Ward) -> None:
    with nothing_changes(ward.units):
        scans: dict[str, dict[str, Any]] = {
            "thaw": {}, "store": {"position": f"{ward.box}:A1"}, "aliquot": {"facts": {"count": 1, "volume": QUARTER}}, "check-out": {},
        }
        for act, more in scans.items():
            answer = ward.scan(act, ward.marrow, occurred_at=AHEAD, **more)
            refused(answer, 422, "fields-wrong", "/occurred_at", "2 minutes", "2026-11-20T09:02:01")
        refused(ward.aliquots(count=1, volume=QUARTER, occurred_at=AHEAD), 422, "fields-wrong", "/occurred_at", "2 minutes")
        derived = ward.bench.post(f"/specimens/{ward.marrow}/derivatives", {"material": "BM_PLASMA", "count": 1, "occurred_at": AHEAD})
        refused(derived, 422, "fields-wrong", "/occurred_at", "2 minutes")
        arrival = {
            "participant": ward.child, "study": "alltogether1", "material": "PB", "container_type": "EDTA", "purpose": "residual",
            "collected_at": AHEAD,
        }
        refused(ward.bench.post("/specimens", arrival), 422, "fields-wrong", "/collected_at", "2 minutes")


def test_two_minutes_ahead_is_still_right(ward: Ward) -> None:
    assert ward.scan("thaw", ward.marrow, occurred_at=(NOW + timedelta(minutes=2)).isoformat()).status_code == 200


def test_a_clock_that_is_wrong_is_put_right_and_never_refused(ward: Ward) -> None:
    an_hour = timedelta(hours=1)
    body = {"occurred_at": (NOW + an_hour - timedelta(minutes=5)).isoformat(), "device_now": (NOW + an_hour).isoformat()}
    assert ward.scan("thaw", ward.marrow, **body).status_code == 200
    last = ward.bench.read(f"/specimens/{ward.marrow}/custody")["entries"][-1]
    assert last["occurred_at"].startswith("2026-11-20T08:55:00")
    assert last["facts"]["skew_seconds"] == -3600
    assert ward.scan("thaw", ward.marrow, occurred_at=NOW.isoformat(), device_now=NOW.isoformat()).status_code == 200
    assert "skew_seconds" not in ward.bench.read(f"/specimens/{ward.marrow}/custody")["entries"][-1]["facts"]


CHILD = {
    "study": "alltogether1", "organisation": "maxima", "subject_number": "NL-9", "birth_date": "1990-01-01", "sex": "female",
    "enrolled_on": "2026-11-18", "episode": {"kind": "primary", "diagnosed_on": "2026-11-18", "disease_group": "BCP_ALL", "genetics": []},
}


def test_an_ineligible_child_without_a_reason(ward: Ward) -> None:
    with nothing_changes(ward.units):
        refused(ward.manager.post("/participants", CHILD), 422, "not-eligible", "25 years")
    assert ward.manager.post("/participants", CHILD | {"override_reason": "the sponsor agreed"}).status_code == 201


def test_an_occupied_position_names_the_occupant_and_the_next_free_one(ward: Ward) -> None:
    first, second = (tube["code"] for tube in ward.bench.made(f"/specimens/{ward.marrow}/aliquots", {"count": 2, "volume": QUARTER})["specimens"])
    assert ward.scan("store", first, position=f"{ward.box}:A1").status_code == 200
    with nothing_changes(ward.units):
        for act in ("store", "move"):
            refused(ward.scan(act, second, position=f"{ward.box}:A1"), 409, "position-occupied", "A1", spaced(ward.box), spaced(first), "A2")


@pytest.mark.parametrize(
    ("position", "type_", "words"),
    [
        ("{box}:C1", "position-outside", ("A–B", "1–2", "C1")), ("{box}:A3", "position-outside", ("A3",)),
        ("{box}:1A", "position-mistyped", ("1A", "C612FF2G:A1")), ("", "position-mistyped", ()), (None, "position-needed", ("C612FF2G:A1",)),
        ({"container": "{box}", "row": 3, "column": 1}, "position-outside", ("C1",)),
        ({"container": "{box}", "row": 0, "column": 1}, "fields-wrong", ("/position", "from 1")),
    ],
)
def test_a_position_that_is_none(ward: Ward, position: Any, type_: str, words: tuple[str, ...]) -> None:
    if isinstance(position, str):
        position = position.replace("{box}", ward.box)
    if isinstance(position, dict):
        position = position | {"container": ward.box}
    with nothing_changes(ward.units):
        refused(ward.scan("store", ward.marrow, position=position), 422, type_, *words)


def test_a_request_sent_twice_is_applied_once_and_answered_alike(ward: Ward) -> None:
    first = ward.scan("thaw", ward.marrow, key="one")
    with nothing_changes(ward.units):
        second = ward.scan("thaw", ward.marrow, key="one")
    assert (first.status_code, first.get_data()) == (second.status_code, second.get_data())
    assert second.headers["Idempotency-Replayed"] == "true"
    assert ward.bench.read(f"/specimens/{ward.marrow}")["thaws"] == 1


def test_a_refusal_sent_twice_is_refused_alike(ward: Ward) -> None:
    wrong = {"facts": {"volume": {"value": -1, "unit": "mL"}}}
    with nothing_changes(ward.units):
        first, second = (ward.scan("spill", ward.marrow, key="two", **wrong) for _ in range(2))
    assert (first.status_code, first.get_data()) == (second.status_code, second.get_data()) and first.status_code == 422


def test_an_altered_request_under_a_used_key(ward: Ward) -> None:
    assert ward.scan("thaw", ward.marrow, key="three").status_code == 200
    with nothing_changes(ward.units):
        refused(ward.scan("find", ward.marrow, key="three"), 422, "idempotency-key-reused", "three", "new key")
        somebody_else = ward.manager.post("/scans", {"code": ward.marrow, "act": "thaw"}, key="three")
        refused(somebody_else, 422, "idempotency-key-reused", "another person")


def test_a_body_that_is_too_large(ward: Ward) -> None:
    with nothing_changes(ward.units):
        refused(ward.scan("thaw", ward.marrow, facts={"comment": "x" * 1_100_000}), 413, "too-large", "larger")


def test_an_unknown_field_is_named_with_the_known_ones(ward: Ward) -> None:
    with nothing_changes(ward.units):
        problem = refused(ward.aliquots(count=1, volume=QUARTER, colour="red"), 422, "fields-wrong", "/colour", "measured")
        refused(ward.scan("thaw", ward.marrow, colour="red"), 422, "fields-wrong", "/colour", "occurred_at")
        refused(ward.scan("thaw", ward.marrow, context={"rack": "x"}), 422, "fields-wrong", "/context/rack", "container")
        refused(ward.scan("thaw", ward.marrow, facts={"colour": "red"}), 422, "fields-wrong", "/facts/colour", "takes no such fact")
    assert problem["faults"][0]["met"] == "red"


def test_an_unknown_filter_is_named_with_the_known_ones(ward: Ward) -> None:
    refused(ward.bench.get("/specimens", colour="red"), 422, "fields-wrong", "/colour", "material", "red")


def test_an_unknown_act(ward: Ward) -> None:
    with nothing_changes(ward.units):
        refused(ward.scan("explode", ward.marrow), 422, "act-unknown", "explode", "check-out")
        refused(ward.scan("amend", ward.marrow), 422, "act-unknown", "amend")


@pytest.mark.parametrize(
    ("act", "facts", "pointer", "right"),
    [
        ("receive", {"condition": "fine"}, "/facts/condition", "leaked"), ("dispose", {"witness": "second"}, "/facts/reason", "needs this fact"),
        ("dispose", {"reason": "boredom", "witness": "second"}, "/facts/reason", "shelf life"),
        ("hold", {"kind": "identity"}, "/facts/reason", "needs this fact"),
        ("hold", {"kind": "no-consent", "reason": "x"}, "/facts/kind", "quarantine"), ("check-out", {"for": "fun"}, "/facts/for", "use:"),
        ("measure", {}, "/facts/volume", "needs an amount"), ("spill", {}, "/facts/volume", "needs an amount"),
        ("measure", {"volume": QUARTER, "pieces": {"value": 1, "unit": "pieces"}}, "/facts", "one of volume"),
        ("aliquot", {"count": 0, "volume": QUARTER}, "/", "1"), ("aliquot", {"count": 97, "volume": QUARTER}, "/", "96"),
        ("aliquot", {"count": "two", "volume": QUARTER}, "/facts/count", "whole number"), ("aliquot", {"count": 2}, "/facts", "volume"),
    ],
)
def test_a_wrong_fact_is_named(ward: Ward, act: str, facts: dict[str, Any], pointer: str, right: str) -> None:
    with nothing_changes(ward.units):
        refused(ward.scan(act, ward.marrow, facts=facts), 422, "fields-wrong", pointer, right)


def test_a_study_file_with_a_typo(units: Units, tmp_path: Any, capsys: pytest.CaptureFixture[str]) -> None:
    shipped_file = (shipped("config") / "studies" / "alltogether1.toml").read_text("utf-8")
    file = tmp_path / "alltogether1.toml"
    file.write_text(shipped_file.replace("offset_days = 15", "ofset_days = 15", 1), "utf-8")
    with nothing_changes(units):
        assert run(["--instance", str(tmp_path / "instance"), "studies", "check", str(file)]) == 1
    told = capsys.readouterr().err
    assert "alltogether1.toml" in told and "ofset_days" in told and "offset_days" in told
