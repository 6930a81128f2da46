"""A request sent twice is applied once and answered alike."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sqlalchemy import text

from biobank.core.work import Units
from tests.client import Client

FREEZER = {"kind": "freezer", "title": "F1", "rows": 0, "columns": 0}


def containers(units: Units) -> int:
    with units.read() as work:
        return int(work.session.execute(text("SELECT count(*) FROM container")).scalar_one())


def test_replayed_request_gives_the_same_answer_and_changes_nothing(api: Callable[[str], Client], units: Units) -> None:
    first = api("manager").post("/containers", FREEZER, key="one")
    again = api("manager").post("/containers", FREEZER, key="one")
    assert first.status_code == again.status_code == 201
    assert first.get_data() == again.get_data()
    assert again.headers["Idempotency-Replayed"] == "true"
    assert containers(units) == 1


def test_altered_request_is_refused(api: Callable[[str], Client], units: Units) -> None:
    api("manager").made("/containers", FREEZER, key="one")
    altered = api("manager").post("/containers", FREEZER | {"title": "F2"}, key="one")
    assert altered.status_code == 422
    assert altered.get_json()["type"] == "/problems/idempotency-key-reused"
    assert containers(units) == 1


def test_another_person_with_the_same_key_is_refused(api: Callable[[str], Client], units: Units) -> None:
    api("manager").made("/containers", FREEZER, key="one")
    assert api("technician").post("/containers", FREEZER, key="one").status_code == 422
    assert containers(units) == 1


def test_a_refusal_is_replayed_too(api: Callable[[str], Client]) -> None:
    wrong = FREEZER | {"kind": "teapot"}
    first = api("manager").post("/containers", wrong, key="two")
    again = api("manager").post("/containers", wrong, key="two")
    assert first.status_code == again.status_code == 422
    assert first.get_data() == again.get_data()
    assert again.content_type == "application/problem+json"


@pytest.mark.parametrize("key", ["", "x" * 201])
def test_an_unusable_key_is_refused(api: Callable[[str], Client], key: str) -> None:
    # An empty header is sent as it is: it must not count as no key at all.
    refused = api("manager")._client.post("/api/v1/containers", json=FREEZER, headers=api("manager")._headers | {"Idempotency-Key": key})
    assert refused.status_code == 400
    assert refused.get_json()["type"] == "/problems/key-too-long"


@pytest.mark.parametrize("change", [{"birth_date": "04-05-2019"}, {"birth_date": "2024-05-04", "study": "interfant21"}], ids=["mistyped", "too old"])
def test_a_refusal_that_tells_facts_of_a_person_is_not_kept(api: Callable[[str], Client], units: Units, change: dict[str, str]) -> None:
    child = {"study": "alltogether1", "organisation": "maxima", "subject_number": "P-1", "birth_date": "2019-05-04", "sex": "female",
             "enrolled_on": "2026-11-18",
             "episode": {"kind": "primary", "diagnosed_on": "2026-11-18", "disease_group": "BCP_ALL", "genetics": ["KMT2A_r"]}} | change
    first = api("manager").post("/participants", child, key="person")
    again = api("manager").post("/participants", child, key="person")
    assert first.status_code == again.status_code == 422
    assert first.get_data() == again.get_data()
    with units.read() as work:
        assert work.session.execute(text("SELECT count(*) FROM idempotency")).scalar_one() == 0
