"""One JSON line per request, and nothing of a person in any of them: not in a refusal, not in a fault, not in a traceback."""

from __future__ import annotations

import errno
import json
import logging
import sys
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import text

from biobank.core import logs
from biobank.web.dispatch import Service
from tests.client import Client
from tests.identity.test_sign_in import sign_in
from tests.path.test_whole_path import CHILD, SIGNED
from tests.ward import open_ward

# What must never be in a log, whichever way it came in.
BORN, NUMBER, NAME, FREE = "2019-05-04", "NL-SECRET-77", "Anna de Vries", "the child was upset and cried"
SECRETS = (BORN, NUMBER, NAME, FREE, "Vries", "upset", "SECRET-77")
REQUEST = "0123456789abcdef0123456789abcdef"


@pytest.fixture
def chatty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything is written, as in a process that serves."""
    monkeypatch.setattr(logs._lines, "chatty", True)


@pytest.fixture
def said(chatty: None, capsys: pytest.CaptureFixture[str]) -> Callable[[], list[dict[str, Any]]]:
    """The lines since the last call; none holds a secret."""

    def read() -> list[dict[str, Any]]:
        written = capsys.readouterr().err
        for secret in SECRETS:
            assert secret not in written, secret
        return [json.loads(line) for line in written.splitlines()]

    return read


def test_a_line_tells_who_asked_for_what_kind_of_thing(
    app: Service, api: Callable[[str], Client], said: Callable[[], list[dict[str, Any]]]
) -> None:
    manager = api("manager")
    child = manager.made("/participants", CHILD | {"subject_number": NUMBER})["code"]
    said()
    answer = app.test_client().get(
        f"/api/v1/participants/{child}", headers={**manager._headers, "X-Request-Id": REQUEST}
    )
    assert answer.headers["X-Request-Id"] == REQUEST
    (line,) = said()
    assert line.pop("at").endswith("Z") and line.pop("ms") >= 0 and isinstance(line.pop("actor"), int)
    assert line == {
        "event": "request", "level": "info", "id": REQUEST, "method": "GET", "endpoint": "/api/v1/participants/<participant>", "status": 200,
    }
    manager.get("/specimens/SB4DR120", q=NAME)
    (line,) = said()
    assert line["problem"] and line["endpoint"] == "/api/v1/specimens/<specimen>" and "SB4DR120" not in json.dumps(line)


@pytest.mark.parametrize("sent", [NAME, BORN, NUMBER, "x" * 32, "a" * 33, "", "12345678", f"{REQUEST}\n"])
def test_a_request_id_that_no_machine_drew_is_not_taken(app: Service, sent: str, said: Callable[[], list[dict[str, Any]]]) -> None:
    try:
        answer = app.test_client().get("/healthz", headers={"X-Request-Id": sent})
    except ValueError:
        return
    assert answer.headers["X-Request-Id"] != sent and len(answer.headers["X-Request-Id"]) == 32
    assert [line["id"] for line in said()] == [answer.headers["X-Request-Id"]]


def feed(manager: Client, code: str, child: str) -> None:
    """Secrets into every kind of endpoint, rightly and wrongly."""
    person = CHILD | {"subject_number": NUMBER, "birth_date": BORN}
    for number, (path, body) in enumerate((
        ("/participants", person),
        ("/participants", person),
        ("/participants", person | {"birth_date": f"{BORN} {NAME}"}),
        ("/participants", person | {NAME: FREE}),
        ("/participants", person | {"study": NAME, "override_reason": FREE}),
        (f"/participants/{child}/consent-decisions", {"study": "alltogether1", "component": NAME, "answer": "yes", **SIGNED}),
        (f"/participants/{NAME}/episodes", {"kind": FREE}),
        ("/scans", {"code": code, "act": "hold", "facts": {"kind": "quarantine", "reason": FREE}}),
        ("/scans", {"code": NAME, "act": "find"}),
        ("/scans", {"code": code, "act": NAME, "facts": {FREE: NUMBER}}),
        ("/specimens", {"participant": child, "material": NAME, "external_code": {"issuer": NAME, "code": NUMBER}}),
        ("/collections", {"participant": child, "study": "alltogether1", "event": NAME, "planned_on": BORN}),
        ("/requests", {"study": "alltogether1", "purpose": FREE, "items": [{"material": NAME, "n": 1}]}),
        (f"/{NAME}", person),
    )):
        assert manager.post(path, body, key=f"{NAME} {number}").status_code < 500
    for path, query in (
        ("/participants", {"subject_number": NUMBER}), ("/specimens", {NAME: FREE}), (f"/specimens/{NAME}", {}),
        (f"/participants/{child}/verdict", {"study": NAME, "on": BORN}),
    ):
        assert manager.get(path, **query).status_code < 500


def test_no_line_holds_what_was_typed(app: Service, api: Callable[[str], Client], units: Any, said: Callable[[], list[dict[str, Any]]]) -> None:
    ward = open_ward(units, api("technician"), api("manager"))
    child = api("manager").made("/participants", CHILD | {"subject_number": "NL-0002"})["code"]
    said()
    feed(api("manager"), ward.marrow, child)
    lines = said()
    assert len(lines) == 18 and all(line["event"] == "request" for line in lines)
    browser = app.test_client()
    sign_in(browser, NAME, FREE)
    browser.get(f"/participants?q={NUMBER}")
    browser.get(f"/find?q={NAME}")
    assert all(line["event"] == "request" for line in said())


@pytest.mark.parametrize("where", ["sql", "value", "detail"])
def test_a_fault_tells_where_and_never_what(
    app: Service, api: Callable[[str], Client], monkeypatch: pytest.MonkeyPatch, said: Callable[[], list[dict[str, Any]]], where: str
) -> None:
    def broken(work: Any, *_: Any, **__: Any) -> None:
        if where == "value":
            int(NAME)
        elif where == "sql":
            # A statement whose values and result repeat what was typed.
            work.session.execute(text("SELECT * FROM no_such_table WHERE name = :name AND born = :born"), {"name": NAME, "born": BORN})
        else:
            work.session.execute(text("INSERT INTO person (login, name) VALUES (:login, :name)"), {"login": NUMBER, "name": NAME})

    monkeypatch.setattr("biobank.studies.queries.studies", broken)
    monkeypatch.setattr("biobank.web.dispatch._lost_race", lambda error: False)
    app.config["PROPAGATE_EXCEPTIONS"] = False
    answer = api("manager").get("/studies", q=NAME) if where == "value" else api("manager").get("/studies")
    if where == "value" and answer.status_code == 422:
        answer = api("manager").get("/studies")
    assert answer.status_code == 500
    for secret in SECRETS:
        assert secret not in answer.get_data(as_text=True)
    lines = [line for line in said() if line["event"] != "request" or line["status"] == 500]
    fault, request = lines
    assert fault["event"] == "fault" and fault["level"] == "error" and fault["endpoint"] == "/api/v1/studies" and fault["id"] == request["id"]
    assert fault["traceback"].startswith("Traceback (most recent call last):") and "in broken" in fault["traceback"]
    assert request["problem"] == "fault" and request["status"] == 500


def test_what_libraries_say_of_exceptions_comes_without_texts(said: Callable[[], list[dict[str, Any]]]) -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logs.Formatter())
    logger = logging.getLogger("another.package")
    logger.addHandler(handler)
    try:
        try:
            int(NAME)
        except ValueError:
            logger.exception("it broke")
        logger.warning("%s of %s", 1, 2)
    finally:
        logger.removeHandler(handler)
    first, second = said()
    assert first["event"] == "it broke" and first["logger"] == "another.package" and "ValueError" in first["traceback"]
    assert second["event"] == "1 of 2" and second["level"] == "warning"


def test_a_log_that_cannot_be_written_stops_nothing(app: Service, chatty: None, monkeypatch: pytest.MonkeyPatch) -> None:
    class Full:
        def write(self, _: str) -> int:
            raise OSError(errno.ENOSPC, "no room")

        def flush(self) -> None:
            raise OSError(errno.ENOSPC, "no room")

    monkeypatch.setattr(sys, "stderr", Full())
    assert app.test_client().get("/healthz").status_code == 200
