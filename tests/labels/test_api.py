"""Labels over HTTP: the endpoints as described, and the problems they answer with."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl

import pytest

from biobank.core.work import Work
from tests.client import Client
from tests.labels import decoders
from tests.labels.ward import acts, cancel, entries, planned

Api = Callable[[str], Client]


def test_the_designs(api: Api) -> None:
    body = api("technician").read("/labels/designs")
    assert body["next"] is None
    first = body["items"][0]
    assert [design["code"] for design in body["items"]] == ["cryovial", "external", "tube"]
    assert set(first) == {"code", "title", "for", "size_mm", "fields", "dpi", "places"}
    assert (first["for"], first["size_mm"], first["dpi"]) == ("specimen", [38.1, 12.7], [203, 300, 600])
    assert "code" in first["fields"]


@pytest.mark.parametrize(("form", "media"), [("pdf", "application/pdf"), ("png", "image/png"), ("svg", "image/svg+xml")])
def test_one_label(api: Api, work: Work, form: str, media: str) -> None:
    code = planned(work).codes[0]
    before = entries(work)
    answer = api("technician").get(f"/specimens/{code}/label", design="tube", format=form, dpi=300)
    assert (answer.status_code, answer.mimetype) == (200, media)
    shown = {
        "pdf": lambda: decoders.pages_of_pdf(answer.data, 300)[0],
        "png": lambda: decoders.picture_of_png(answer.data, 300),
        "svg": lambda: decoders.picture_of_svg(answer.data, 300),
    }[form]()
    assert decoders.by_zxing(shown) == [("code128", code), ("datamatrix", code)]
    assert entries(work) == before


def test_a_sheet(api: Api, work: Work) -> None:
    codes = planned(work).codes
    technician = api("technician")
    answer = technician.post("/labels/sheets", {"specimens": codes, "start": 4}, key="one sheet")
    body: Any = answer.get_json()
    assert answer.status_code == 201
    assert body == {"id": body["id"], "href": f"/api/v1/labels/sheets/{body['id']}", "labels": len(codes)}
    assert answer.headers["Location"].endswith(body["href"])
    assert technician.post("/labels/sheets", {"specimens": codes, "start": 4}, key="one sheet").get_json() == body
    fetched = [technician.get(f"/labels/sheets/{body['id']}") for _ in range(2)]
    assert {(each.status_code, each.mimetype) for each in fetched} == {(200, "application/pdf")}
    assert fetched[0].data == fetched[1].data
    assert [acts(work, code) for code in codes] == [["register", "expect", "label"]] * len(codes)


def test_problems(api: Api, work: Work) -> None:
    codes = planned(work).codes
    cancel(work, codes[0])
    before = entries(work)
    gets: dict[str, tuple[int, str]] = {
        f"/specimens/{codes[1][:7]}U/label": (422, "code-mistyped"),
        "/specimens/HNND171X/label": (404, "code-unknown"),
        f"/specimens/{codes[0]}/label": (409, "label-for-cancelled"),
        f"/specimens/{codes[1]}/label?design=jar": (404, "design-unknown"),
        f"/specimens/{codes[1]}/label?format=zpl": (422, "fields-wrong"),
        f"/specimens/{codes[1]}/label?dpi=150": (422, "fields-wrong"),
        f"/specimens/{codes[1]}/label?size=large": (422, "fields-wrong"),
        f"/specimens/{codes[1]}/label?design=external": (422, "label-field-missing"),
        "/labels/sheets/HNND171X": (404, "sheet-unknown"),
    }
    posts: list[tuple[Any, tuple[int, str]]] = [
        ({}, (422, "fields-wrong")),
        ({"specimens": []}, (422, "fields-wrong")),
        ({"specimens": codes[1]}, (422, "fields-wrong")),
        ({"specimens": [codes[1], codes[1]]}, (422, "fields-wrong")),
        ({"specimens": [codes[1]], "start": 101}, (422, "fields-wrong")),
        ({"specimens": [codes[1]], "printer": "x"}, (422, "fields-wrong")),
        ({"specimens": codes}, (409, "label-for-cancelled")),
    ]
    technician = api("technician")
    answers = [
        (path, technician.get(path.partition("?")[0], **dict(parse_qsl(path.partition("?")[2]))), wanted) for path, wanted in gets.items()
    ]
    answers += [(str(body), technician.post("/labels/sheets", body), wanted) for body, wanted in posts]
    for asked, answer, (status, slug) in answers:
        body: Any = answer.get_json()
        assert (asked, answer.status_code, answer.mimetype) == (asked, status, "application/problem+json")
        assert (asked, body["type"]) == (asked, f"/problems/{slug}")
        assert body["detail"]
    assert entries(work) == before


def test_who_may(api: Api, work: Work) -> None:
    codes = planned(work).codes
    assert api("auditor").get(f"/specimens/{codes[0]}/label").status_code == 200
    assert api("auditor").post("/labels/sheets", {"specimens": codes}).status_code == 403
    assert api("researcher").get(f"/specimens/{codes[0]}/label").status_code == 403
    assert api("elsewhere").get(f"/specimens/{codes[0]}/label").status_code == 404
    assert api("elsewhere").post("/labels/sheets", {"specimens": codes}).status_code == 404
