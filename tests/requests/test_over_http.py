"""Requests and availability over the API and as pages: shapes, permissions, problems."""

from __future__ import annotations

import re

import pytest
from sqlalchemy import event

from tests.availability.stock import STUDY, aliquots, cast, child, draw

BODY = {"study": STUDY, "purpose": "supply", "items": [{"material": "BM", "event": "DX", "n": 2}]}


@pytest.fixture
def stock(units):
    """Four aliquots and what is left of the primary they came from; committed inside the test's own transaction."""
    with units.write() as work:
        work.actor = cast(work, "manager")
        primary = draw(work, child(work, 1))
        return [*aliquots(work, primary, 4), primary]


def approved(api, body=BODY) -> str:
    code = api("manager").made("/requests", body)["code"]
    api("manager").made(f"/requests/{code}/transitions", {"to": "submitted"})
    api("reviewer").made(f"/requests/{code}/transitions", {"to": "approved"})
    return code


def scan(api, code, act, request, who="technician"):
    return api(who).post("/scans", {"code": code, "act": act, "context": {"pick_list": request}})


def test_the_whole_path_over_the_api(api, stock):
    manager = api("manager")
    before = manager.read("/availability", purpose="supply", study=STUDY, by="material,event")
    assert (before["tubes"], before["participants"]) == (5, 1)
    assert {"material": "BM", "event": "DX", "tubes": 5, "participants": 1} in before["cells"]
    code = approved(api)
    done = manager.made(f"/requests/{code}/allocation", {"item": 1})
    assert len(done["reserved"]) == 2
    assert done["state"] == "reserved"
    assert {line["specimen"] for line in done["reasons"]} == set(stock)
    after = manager.read("/availability", purpose="supply", study=STUDY)
    assert after["tubes"] == 3
    assert {"reason": "reserved", "title": "Reserved for a request", "tubes": 2} in after["not_available"]
    listed = api("technician").read(f"/requests/{code}/pick-list")
    assert sorted(stop["specimen"] for stop in listed["items"]) == sorted(done["reserved"])
    for tube in done["reserved"]:
        assert scan(api, tube, "pick", code).status_code == 200
        assert scan(api, tube, "deliver", code).get_json()["specimen"]["status"] == "with_recipient"
    shown = manager.read(f"/requests/{code}")
    assert shown["state"] == "delivered"
    assert shown["items"][0]["delivered"] == 2
    manager.made(f"/requests/{code}/transitions", {"to": "closed"})
    assert manager.read("/requests", state="closed")["items"][0]["code"] == code


def test_a_wrong_tube_at_the_pick_is_refused_and_nothing_changes(api, stock):
    code = approved(api)
    api("manager").made(f"/requests/{code}/allocation", {"item": 1, "specimens": stock[:2]})
    wrong = scan(api, stock[2], "pick", code)
    assert wrong.status_code == 409
    problem = wrong.get_json()
    assert problem["type"] == "/problems/not-on-this-list"
    assert problem["verdict"] == "refused"
    assert stock[0][:4] in problem["detail"]
    assert api("manager").read(f"/requests/{code}")["state"] == "reserved"


def test_the_last_tube_is_named_and_taken_with_a_reason(api, units):
    with units.write() as work:
        work.actor = cast(work, "manager")
        tube = draw(work, child(work, 1))
    code = approved(api, BODY | {"items": [{"material": "BM", "n": 1}]})
    refused = api("manager").post(f"/requests/{code}/allocation", {"item": 1})
    assert (refused.status_code, refused.get_json()["type"]) == (409, "/problems/last-tube")
    assert refused.get_json()["specimens"] == [tube]
    assert api("manager").made(f"/requests/{code}/allocation", {"item": 1, "reason": "agreed"})["reserved"] == [tube]


def test_an_allocation_sent_twice_reserves_once(api, stock):
    code = approved(api)
    first, second = (api("manager").made(f"/requests/{code}/allocation", {"item": 1}, key="one-key") for _ in range(2))
    assert first == second
    assert api("manager").read("/availability", purpose="supply", study=STUDY)["tubes"] == 3


def test_etag_and_if_match(api, app, database, stock):
    code = approved(api)
    tag = api("manager").get(f"/requests/{code}").headers["ETag"]
    headers = {"Authorization": f"Bearer {database[1]['manager']}"}
    path = f"/api/v1/requests/{code}/transitions"
    stale = app.test_client().post(path, json={"to": "cancelled", "reason": "x"}, headers=headers | {"If-Match": '"1"'})
    assert stale.status_code == 412
    right = app.test_client().post(path, json={"to": "cancelled", "reason": "x"}, headers=headers | {"If-Match": tag})
    assert right.status_code == 200
    assert right.headers["ETag"] != tag


def test_outsiders_see_their_own_requests_without_codes_of_tubes(api, stock):
    researcher = api("researcher")
    assert researcher.get("/availability", purpose="supply").status_code == 403
    own = researcher.made("/requests", BODY)["code"]
    others = approved(api)
    assert researcher.get(f"/requests/{others}").status_code == 404
    researcher.made(f"/requests/{own}/transitions", {"to": "submitted"})
    api("reviewer").made(f"/requests/{own}/transitions", {"to": "approved"})
    api("manager").made(f"/requests/{own}/allocation", {"item": 1})
    shown = researcher.read(f"/requests/{own}")
    assert shown["items"][0]["reserved"] == 2
    assert not any(tube in str(shown) for tube in stock)
    assert researcher.get(f"/requests/{own}/pick-list").status_code == 403
    assert researcher.post(f"/requests/{own}/allocation", {"item": 1}).status_code == 403


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ({}, "/purpose"),
        ({"purpose": "supply", "colour": "red"}, "/colour"),
        ({"purpose": "supply", "by": "age"}, "/by"),
        ({"purpose": "supply", "to": "nowhere"}, "/to"),
        ({"purpose": "x"}, "/purpose"),
    ],
)
def test_an_unknown_filter_is_refused(api, query, pointer):
    answer = api("manager").get("/availability", **query)
    assert answer.status_code == 422
    assert answer.get_json()["faults"][0]["pointer"] == pointer


@pytest.mark.parametrize(
    "body",
    [
        {},
        BODY | {"colour": "red"},
        BODY | {"items": []},
        BODY | {"items": [{"material": "BM", "n": "two"}]},
        BODY | {"items": [{"material": "BM", "n": -1}]},
        BODY | {"items": [{"material": "BM", "n": 1, "amount": {"value": 5, "unit": "mg"}}]},
        BODY | {"items": [{"material": "BM", "n": 1, "amount": {"value": 5, "unit": "cells"}}]},
        BODY | {"purpose": "anything"},
    ],
)
def test_a_wrong_body_is_refused_and_leaves_no_request(api, body):
    assert api("manager").post("/requests", body).status_code == 422
    assert api("manager").read("/requests")["items"] == []


def test_a_mistyped_code_is_told_from_an_unknown_one(api):
    assert api("manager").get("/requests/SB4DR121").get_json()["type"] == "/problems/code-mistyped"
    assert api("manager").get("/requests/SB4DR120").status_code == 404


# ---- pages ----


@pytest.fixture
def browser(app, units):
    """A signed-in client of the pages."""

    def client(login: str):
        made = app.test_client()
        token = re.search(r'name="csrf_token" value="([^"]+)"', made.get("/sign-in").get_data(as_text=True))
        assert token
        answer = made.post("/sign-in", data={"login": login, "password": "a long enough password", "csrf_token": token[1]})
        assert answer.status_code in {302, 303}, answer.get_data(as_text=True)
        return made

    return client


def send(client, path, **fields):
    page = client.get(fields.pop("from_", path)).get_data(as_text=True)
    token = re.search(r'name="csrf_token" value="([^"]+)"', page)
    assert token, page
    return client.post(path, data={"csrf_token": token[1], **fields})


def test_the_path_on_the_pages(browser, api, stock):
    client = browser("manager")
    counts = client.get(f"/availability?study={STUDY}&item=BM:DX:marrow")
    assert counts.status_code == 200
    text = counts.get_data(as_text=True)
    assert "Available tubes: 5, participants: 1." in text
    ask = re.search(r'href="(/requests/new\?[^"]+)"', text)
    assert ask
    form = client.get(ask[1].replace("&amp;", "&")).get_data(as_text=True)
    assert re.search(r'value="BM" selected', form)
    wrong = send(client, "/requests/new", study=STUDY, purpose="supply", **{"items/0/material": "BM", "items/0/n": "many"})
    assert wrong.status_code == 422
    assert "give a whole number" in wrong.get_data(as_text=True)
    fields = {"items/0/material": "BM", "items/0/n": "2", "items/0/event": "DX", "items/0/family": "marrow", "title": "Marrow before treatment"}
    made = send(client, "/requests/new", from_=f"/requests/new?study={STUDY}", study=STUDY, purpose="supply", **fields)
    assert made.status_code == 303
    here = made.headers["Location"]
    assert send(client, f"{here}/transitions", from_=here, to="submitted").status_code == 303
    reviewer = browser("reviewer")
    assert send(reviewer, f"{here}/transitions", from_=here, to="rejected").status_code == 422
    assert send(reviewer, f"{here}/transitions", from_=here, to="approved").status_code == 303
    assert send(client, f"{here}/allocation", from_=here, item="1").status_code == 303
    page = client.get(here).get_data(as_text=True)
    assert "Pick list" in page
    assert "Why these and not others" in page
    tube = re.search(r'name="specimen" value="([^"]+)"', page)
    assert tube
    assert send(client, f"{here}/unreserve", from_=here, specimen=tube[1]).status_code == 303
    listed = client.get("/requests").get_data(as_text=True)
    assert "Marrow before treatment" in listed
    assert browser("researcher").get(here).status_code == 404


def test_a_refused_form_says_so_on_the_page(browser, api, stock):
    client = browser("manager")
    code = approved(api)
    answer = send(client, f"/requests/{code}/allocation", from_=f"/requests/{code}", item="1", specimens="SB4DR121")
    assert answer.status_code == 422
    assert "mistyped" in answer.get_data(as_text=True)


def test_no_page_asks_more_than_thirty_times(browser, api, database, stock):
    client = browser("manager")
    code = approved(api, BODY | {"items": [{"material": "BM", "n": 2}, {"material": "BM", "event": "DX", "n": 2}]})
    for item in (1, 2):
        api("manager").made(f"/requests/{code}/allocation", {"item": item})
    asked: list[str] = []
    listen = (database[0], "before_cursor_execute", lambda *told: asked.append(told[2]))
    event.listen(*listen)
    try:
        narrowed, new = f"/availability?study={STUDY}&disease=BCP_ALL", f"/requests/new?study={STUDY}"
        for path in ("/availability", narrowed, "/requests", f"/requests/{code}", new):
            asked.clear()
            assert client.get(path).status_code == 200
            assert len(asked) <= 30, path
    finally:
        event.remove(*listen)
