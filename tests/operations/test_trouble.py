"""When the disk is full or the database goes away: each is told for what it is, nothing is half done, and all goes on by itself afterwards."""

from __future__ import annotations

import errno
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import event, text
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, InternalError, OperationalError
from sqlalchemy.exc import TimeoutError as NoConnectionFree
from sqlalchemy.orm import Session

from biobank.app import create_app
from biobank.core.trouble import code_of, trouble_of
from biobank.settings import Settings
from biobank.web.dispatch import Service
from tests.client import Client
from tests.operations.conftest import Ground
from tests.path.test_whole_path import CHILD

BOX = {"kind": "box", "title": "A box", "rows": 9, "columns": 9}


def sqlite(code: int) -> sqlite3.OperationalError:
    error = sqlite3.OperationalError("names what was written")
    error.sqlite_errorcode = code
    error.sqlite_errorname = f"CODE{code}"
    return error


def of_postgresql(state: str) -> psycopg.Error:
    return psycopg.errors.lookup(state)("names what was written")


@pytest.mark.parametrize(
    "error, slug",
    [
        (OperationalError("", None, sqlite(13)), "disk-full"),
        (OperationalError("", None, sqlite(778)), "disk-full"),
        (OperationalError("", None, sqlite(14)), "database-away"),
        (OperationalError("", None, sqlite(8)), "database-read-only"),
        (OperationalError("", None, sqlite(5)), "try-again"),
        (OperationalError("", None, of_postgresql("53100")), "disk-full"),
        (OperationalError("", None, of_postgresql("57P01")), "database-away"),
        (OperationalError("", None, of_postgresql("57P03")), "database-away"),
        (OperationalError("", None, of_postgresql("53300")), "database-away"),
        (InternalError("", None, of_postgresql("25006")), "database-read-only"),
        (OperationalError("", None, psycopg.OperationalError("connection refused")), "database-away"),
        (NoConnectionFree("pool"), "try-again"),
        (OSError(errno.ENOSPC, "no room"), "disk-full"),
        (OSError(errno.EIO, "input/output"), "disk-full"),
    ],
)
def test_each_trouble_is_told_for_what_it_is(error: Exception, slug: str) -> None:
    found = trouble_of(error)
    assert found is not None and found.slug() == slug and found.status == 503
    assert "Keep the tube" in found.message or slug == "try-again"


@pytest.mark.parametrize(
    "error",
    [
        IntegrityError("", None, of_postgresql("23505")), DataError("", None, of_postgresql("22007")), OperationalError("", None, sqlite(1)),
        ValueError("a fault of ours"), FileNotFoundError(errno.ENOENT, "x"),
    ],
)
def test_faults_of_ours_are_no_trouble_of_others(error: Exception) -> None:
    assert trouble_of(error) is None


def test_codes_are_told_without_texts() -> None:
    assert code_of(OperationalError("", None, sqlite(13))) == "CODE13"
    assert code_of(OperationalError("", None, of_postgresql("53100"))) == "53100"
    assert code_of(OSError(errno.ENOSPC, "/a/path")) == "ENOSPC"


def client(ground: Ground, login: str, settings: Settings | None = None) -> Client:
    return Client(create_app(settings or ground.settings, ground.units).test_client(), ground.tokens[login])


def counts(ground: Ground) -> list[int]:
    with ground.units.read() as work:
        return [work.session.execute(text(f"SELECT count(*) FROM {table}")).scalar_one() for table in ("entry", "container", "code", "idempotency")]


@pytest.mark.sqlite
@pytest.mark.parametrize("laid", ["sqlite"], indirect=True)
def test_a_full_disk_refuses_and_goes_on_when_there_is_room(ground: Ground) -> None:
    engine = ground.units.sessions.engine  # type: ignore[attr-defined]
    full = [True]

    def limit(connection: Any) -> None:
        # The database may grow no page further: SQLite then says what it says on a full disk.
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar()
        connection.exec_driver_sql(f"PRAGMA max_page_count = {pages if full[0] else 1_000_000}")

    event.listen(engine, "begin", limit)
    manager = client(ground, "manager")
    before = counts(ground)
    refused = None
    for number in range(400):
        answer = manager.post("/containers", BOX | {"title": f"Box {number} " + "x" * 90}, key=f"full-{number}")
        if answer.status_code == 503:
            refused = answer
            break
        assert answer.status_code == 201
        before = counts(ground)
    assert refused is not None
    assert refused.get_json()["type"] == "/problems/disk-full" and refused.headers["Retry-After"] == "60"
    assert "Keep the tube and scan it again" in refused.get_json()["detail"]
    assert counts(ground) == before
    assert manager.get("/studies").status_code == 200
    full[0] = False
    again = manager.post("/containers", BOX | {"title": f"Box {number} " + "x" * 90}, key=f"full-{number}")
    assert again.status_code == 201 and "Idempotency-Replayed" not in again.headers
    event.remove(engine, "begin", limit)


def test_a_read_that_cannot_be_logged_is_not_answered(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    manager = client(ground, "manager")
    child = manager.made("/participants", CHILD | {"subject_number": f"LOG-{ground.engine}"})["code"]
    monkeypatch.setattr(Settings, "access_log", Path("/dev/full"))
    refused = manager.get(f"/participants/{child}")
    assert refused.status_code == 503 and refused.get_json()["type"] == "/problems/disk-full"
    assert "2019" not in refused.get_data(as_text=True)
    monkeypatch.undo()
    assert manager.read(f"/participants/{child}")


@pytest.mark.sqlite
@pytest.mark.parametrize("laid", ["sqlite"], indirect=True)
def test_a_database_folder_that_is_gone_is_told_and_found_again(ground: Ground, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    manager = client(ground, "manager")
    monkeypatch.setattr(ground.units.sessions, "_gate", str(tmp_path / "gone" / "gate"))
    refused = manager.post("/containers", BOX)
    assert refused.status_code == 503 and refused.get_json()["type"] == "/problems/database-away"
    monkeypatch.undo()
    assert manager.post("/containers", BOX).status_code == 201


def lose_the_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    real, gone = Session.commit, OperationalError("COMMIT", None, psycopg.OperationalError("server closed the connection unexpectedly"))

    def commit(self: Session) -> None:
        monkeypatch.undo()
        real(self)
        raise gone

    monkeypatch.setattr(Session, "commit", commit)


def test_a_commit_whose_answer_is_lost_is_told_as_not_known_and_never_applied_twice(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    manager = client(ground, "manager")
    before = counts(ground)
    lose_the_answer(monkeypatch)
    unknown = manager.post("/containers", BOX, key="lost")
    assert unknown.status_code == 503 and unknown.get_json()["type"] == "/problems/outcome-unknown"
    assert "may be recorded or not" in unknown.get_json()["detail"] and unknown.headers["Retry-After"] == "10"
    again = manager.post("/containers", BOX, key="lost")
    assert again.status_code == 201 and again.headers["Idempotency-Replayed"] == "true"
    assert [after - was for was, after in zip(before, counts(ground), strict=True)] == [1, 1, 1, 1]


@pytest.mark.parametrize("language", ["en", "nl"])
def test_a_page_says_so_too(ground: Ground, monkeypatch: pytest.MonkeyPatch, language: str) -> None:
    app = create_app(ground.settings, ground.units)

    def away(*_: object) -> None:
        raise OperationalError("", None, psycopg.OperationalError("connection refused"))

    monkeypatch.setattr(ground.units.sessions, "reading", away)
    page = app.test_client().get("/sign-in", headers={"Accept-Language": language})
    assert page.status_code == 503 and page.headers["Retry-After"] == "10" and page.mimetype == "text/html"
    assert "Database" in page.get_data(as_text=True)


def test_a_fault_of_ours_stays_a_fault(app: Service, api: Callable[[str], Client], monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise DBAPIError("SELECT", None, ValueError("x"))

    monkeypatch.setattr("biobank.studies.queries.studies", broken)
    app.config["PROPAGATE_EXCEPTIONS"] = False
    answer = api("manager").get("/studies")
    assert answer.status_code == 500 and answer.get_json()["type"] == "/problems/fault"
