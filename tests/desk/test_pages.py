"""The pages of the desk and of storage: each answers, stays within its queries, and keeps the strict content policy."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import Engine, event

from biobank.web.dispatch import Service
from tests import cast
from tests.client import Client

MOST_QUERIES = 30
CHILD = {
    "study": "alltogether1", "organisation": "maxima", "subject_number": "NL-0001", "birth_date": "2019-05-04", "sex": "female",
    "enrolled_on": "2026-11-18", "episode": {"kind": "primary", "diagnosed_on": "2026-11-18", "disease_group": "BCP_ALL"},
}
INLINE = re.compile(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son[a-z]+=", re.IGNORECASE)


class Browser:
    """A signed-in session that posts forms with their CSRF token."""

    def __init__(self, client: FlaskClient, login: str) -> None:
        self.client = client
        self.token = ""
        self.see("/sign-in")
        answer = self.send("/sign-in", {"login": login, "password": cast.PASSWORD})
        assert answer.status_code == 302, answer.get_data(as_text=True)
        self.see("/participants" if login == "manager" else "/")

    def see(self, path: str, status: int = 200) -> str:
        answer = self.client.get(path)
        text = answer.get_data(as_text=True)
        assert answer.status_code == status, (path, answer.status_code, text[:2000])
        found = re.search(r'name="csrf[-_]token" (?:value|content)="([^"]+)"', text)
        self.token = found[1] if found else self.token
        return text

    def send(self, path: str, form: dict[str, Any]) -> Any:
        return self.client.post(path, data={"csrf_token": self.token, **form})


@pytest.fixture
def browser(app: Service) -> Callable[[str], Browser]:
    return lambda login: Browser(app.test_client(), login)


@contextmanager
def counting() -> Iterator[list[str]]:
    asked: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_more: Any) -> None:
        if not statement.startswith(("SAVEPOINT", "RELEASE", "ROLLBACK")):
            asked.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield asked
    finally:
        event.remove(Engine, "before_cursor_execute", note)


@pytest.fixture
def things(api: Callable[[str], Client]) -> dict[str, str]:
    """A child with consent, a received, released and aliquoted marrow, and a box with its first aliquot."""
    manager = api("manager")
    child = manager.made("/participants", CHILD)["code"]
    signed = {
        "form_version": "v1", "signed_on": "2026-11-19", "authority": "joint",
        "signatories": [{"role": "parent", "signed_on": "2026-11-19"}, {"role": "second-parent", "signed_on": "2026-11-19"}],
    }
    for component in ("registry", "residual_storage", "asparaginase", "extra_use"):
        decision = {"study": "alltogether1", "component": component, "answer": "yes", **signed}
        manager.made(f"/participants/{child}/consent-decisions", decision)
    draw = manager.made("/collections", {"participant": child, "study": "alltogether1", "event": "DX", "planned_on": "2026-11-20"})
    marrow = next(tube["code"] for tube in draw["specimens"] if tube["material"] == "BM")
    box = manager.made("/containers", {"kind": "box", "title": "Box 1", "rows": 9, "columns": 9})["code"]
    manager.made("/scans", {"code": marrow, "act": "receive", "facts": {"volume": {"value": 4, "unit": "mL"}}})
    manager.made("/scans", {"code": marrow, "act": "release"})
    made = manager.made(f"/specimens/{marrow}/aliquots", {"count": 3, "volume": {"value": 250, "unit": "uL"}})["specimens"]
    manager.made("/scans", {"code": made[0]["code"], "act": "store", "context": {"container": box}})
    return {"child": child, "draw": draw["code"], "marrow": marrow, "aliquot": made[0]["code"], "other": made[1]["code"], "box": box}


PAGES = (
    "/", "/scan", "/collections", "/collections/{draw}", "/participants", "/participants/new", "/participants/{child}", "/specimens/{marrow}",
    "/specimens/{aliquot}", "/storage", "/storage/{box}", "/held",
)


@pytest.mark.parametrize("path", PAGES)
def test_each_page_answers_within_its_queries_and_without_inline_code(
    browser: Callable[[str], Browser], things: dict[str, str], path: str
) -> None:
    reader = browser("manager")
    with counting() as asked:
        text = reader.see(path.format(**things))
    assert len(asked) <= MOST_QUERIES, asked
    assert INLINE.search(text) is None, INLINE.search(text)
    assert 'lang="en"' in text and "<h1" in text


def test_the_content_policy_is_strict(browser: Callable[[str], Browser]) -> None:
    policy = browser("manager").client.get("/").headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy and "unsafe" not in policy and "frame-ancestors 'none'" in policy


def test_pages_speak_dutch(browser: Callable[[str], Browser], things: dict[str, str]) -> None:
    reader = browser("manager")
    assert reader.client.get("/language/nl?next=/storage").headers["Location"] == "/storage"
    text = reader.see(f"/specimens/{things['aliquot']}")
    assert 'lang="nl"' in text and "Beheerketen" in text and "Chain of custody" not in text


def test_the_language_switch_never_leads_elsewhere(browser: Callable[[str], Browser]) -> None:
    reader = browser("manager")
    for wrong in ("https://example.org/", "//example.org", "/\\example.org", "x"):
        assert reader.client.get("/language/nl", query_string={"next": wrong}).headers["Location"] == "/"


def test_a_code_leads_to_its_page(browser: Callable[[str], Browser], things: dict[str, str]) -> None:
    reader = browser("manager")
    for name, path in (("marrow", "/specimens/"), ("child", "/participants/"), ("draw", "/collections/"), ("box", "/storage/")):
        code = things[name]
        assert reader.client.get("/find", query_string={"code": f"{code[:4]} {code[4:].lower()}"}).headers["Location"] == path + code
    assert "mistyped" in reader.see("/find?code=SB4DR121", 422)


def test_a_code_of_another_organisation_is_answered_like_one_that_does_not_exist(browser: Callable[[str], Browser], things: dict[str, str]) -> None:
    stranger = browser("elsewhere")
    for name in ("marrow", "child", "draw"):
        text = stranger.see(f"/find?code={things[name]}", 404)
        assert "Nothing here bears the code" in text


def test_what_a_scan_is(browser: Callable[[str], Browser], things: dict[str, str]) -> None:
    bench = browser("technician").client
    tube = bench.get(f"/scan/what/{things['aliquot']}").get_json()
    assert (tube["kind"], tube["position"]) == ("specimen", "A1") and "250" in tube["line"]
    assert bench.get(f"/scan/what/{things['box']}").get_json()["next_free"] == "A2"
    refused = bench.get("/scan/what/SB4DR121")
    assert (refused.status_code, refused.get_json()["type"]) == (422, "/problems/code-mistyped")


def test_enrol_consent_plan_and_take_apart_in_the_browser(browser: Callable[[str], Browser]) -> None:
    office = browser("manager")
    office.see("/participants/new")
    form = {
        "study": "alltogether1", "organisation": "maxima", "subject_number": "NL-0002", "birth_date": "2019-05-04", "sex": "male",
        "enrolled_on": "2026-11-18", "episode.kind": "primary", "episode.diagnosed_on": "2026-11-18", "episode.disease_group": "BCP_ALL",
    }
    child = office.send("/participants", form).headers["Location"]
    answers = {"study": "alltogether1", "answer.residual_storage": "yes", "answer.extra_use": "no", "signed_on": "2026-11-19", "form_version": "v1",
               "authority": "joint", "signed.parent": "yes", "signed.second-parent": "yes"}
    assert office.send(f"{child}/consent-decisions", answers).status_code == 303
    planned = office.send(f"{child}/collections", {"event": "alltogether1/DX@1", "planned_on": "2026-11-20"})
    text = office.see(planned.headers["Location"])
    marrow = re.findall(r'href="(/specimens/\w{8})"', text)[0]
    code = marrow.rsplit("/", 1)[1]
    answer = office.client.post(
        "/api/v1/scans", json={"code": code, "act": "receive", "facts": {"volume": {"value": 2, "unit": "mL"}}}, headers={"X-CSRFToken": office.token}
    )
    assert answer.get_json()["verdict"] == "done", answer.get_data(as_text=True)
    assert office.send(f"{marrow}/acts", {"act": "release"}).status_code == 303
    too_much = office.send(f"{marrow}/tubes", {"count": "4", "amount": "1", "amount.unit": "mL"})
    assert too_much.status_code == 409 and "Not enough left" in too_much.get_data(as_text=True)
    assert office.send(f"{marrow}/tubes", {"count": "4", "amount": "250", "amount.unit": "uL"}).status_code == 303
    assert office.see(marrow).count("available") >= 4


def test_a_refused_form_changes_nothing_and_keeps_what_was_typed(browser: Callable[[str], Browser]) -> None:
    office = browser("manager")
    office.see("/participants/new")
    form = {"study": "alltogether1", "organisation": "maxima", "subject_number": "NL-77", "birth_date": "", "sex": "male"}
    answer = office.send("/participants", form)
    text = answer.get_data(as_text=True)
    assert answer.status_code == 422 and "NL-77" in text and 'aria-invalid="true"' in text
    assert "NL-77" not in office.see("/participants")


def test_an_outsider_sees_no_tubes(browser: Callable[[str], Browser], things: dict[str, str]) -> None:
    other = browser("elsewhere")
    other.see(f"/specimens/{things['marrow']}", 404)
    for name in ("marrow", "box", "child"):
        assert other.client.get(f"/scan/what/{things[name]}").status_code == 404, name
    other.see(f"/storage/{things['box']}", 404)
    assert things["box"] not in other.see("/storage")
    browser("researcher").see("/held", 403)


def test_a_birth_date_is_shown_only_when_asked(browser: Callable[[str], Browser], things: dict[str, str]) -> None:
    office = browser("manager")
    assert "4 May 2019" not in office.see(f"/participants/{things['child']}")
    assert "4 May 2019" in office.see(f"/participants/{things['child']}?person=show")
