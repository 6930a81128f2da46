"""Studies over HTTP and as pages."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sqlalchemy import Engine

from biobank.web.dispatch import Service
from tests.client import Client
from tests.studies.shipped import CODES, study

Api = Callable[[str], Client]


def test_everybody_reads_the_list_page_by_page(api: Api) -> None:
    for login in ("researcher", "laboratory", "technician"):
        assert [item["code"] for item in api(login).read("/studies")["items"]] == list(CODES)
    first = api("manager").read("/studies", limit=4)
    assert [item["code"] for item in first["items"]] == list(CODES[:4])
    assert first["next"] == "/api/v1/studies?limit=4&after=interfant21"
    rest = api("manager").read("/studies", limit=4, after="interfant21")
    assert ([item["code"] for item in rest["items"]], rest["next"]) == (list(CODES[4:]), None)


@pytest.mark.parametrize("code", CODES)
def test_each_study_with_its_events_and_sub_studies(api: Api, code: str) -> None:
    client, found = api("manager"), study(code)
    assert len(client.read(f"/studies/{code}")["eligibility"]) == len(found.eligibility)
    assert [event["code"] for event in client.read(f"/studies/{code}/events")["items"]] == [event.code for event in found.events]
    assert [sub["code"] for sub in client.read(f"/studies/{code}/sub-studies")["items"]] == [sub.code for sub in found.sub_studies]


@pytest.mark.parametrize(
    ("path", "query", "status", "kind", "told"),
    [
        ("/studies/alltogether", {}, 404, "study-unknown", "did you mean alltogether1"),
        ("/studies/alltogether/events", {}, 404, "study-unknown", "did you mean alltogether1"),
        ("/studies/alltogether1", {"version": 9}, 404, "study-version-unknown", "loaded: 1"),
        ("/studies/alltogether1", {"version": "one"}, 422, "fields-wrong", "/version"),
        ("/studies", {"country": "NL"}, 422, "fields-wrong", "/country"),
        ("/studies", {"limit": 1001}, 422, "fields-wrong", "/limit"),
    ],
)
def test_what_is_not_there_is_named(api: Api, path: str, query: dict[str, object], status: int, kind: str, told: str) -> None:
    answer = api("manager").get(path, **query)
    assert answer.status_code == status
    assert answer.content_type == "application/problem+json"
    assert answer.get_json()["type"] == f"/problems/{kind}"
    assert told in answer.get_data(as_text=True)


def test_pages_show_every_study_and_its_marks(app: Service, database: tuple[Engine, dict[str, str]]) -> None:
    client, headers = app.test_client(), {"Authorization": f"Bearer {database[1]['manager']}"}
    listed = client.get("/studies", headers=headers).get_data(as_text=True)
    for code in CODES:
        assert f'href="/studies/{code}"' in listed
        page = client.get(f"/studies/{code}", headers=headers)
        assert page.status_code == 200
        text = page.get_data(as_text=True)
        assert "tag-assumed" in text and "<svg class=\"pic" in text and " style=" not in text
        assert all(f">{event.code}<" in text for event in study(code).events)
    assert client.get("/studies/nope", headers=headers).status_code == 404
