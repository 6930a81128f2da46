"""`/readyz` says clearly what is wrong and what to do, for each thing that can be wrong; `/healthz` only that the process lives."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from biobank.app import create_app
from biobank.core import heartbeat
from biobank.core.times import stamp
from biobank.settings import Settings
from tests.operations.conftest import Ground


def beat(ground: Ground, **more: Any) -> None:
    heartbeat.write(ground.settings.keeper_file, heartbeat.Heartbeat(at=stamp(ground.clock.now()), **more))


def ask(ground: Ground, settings: Settings | None = None) -> tuple[int, dict[str, Any]]:
    client = create_app(settings or ground.settings, ground.units).test_client()
    answer = client.get("/readyz")
    assert client.get("/healthz").get_json() == {"status": "ok"}
    told: dict[str, Any] = answer.get_json()
    assert (answer.status_code == 200) == (told["wrong"] == []) == (told["status"] == "ready")
    assert answer.status_code == 200 or answer.headers["Retry-After"] == "10"
    return answer.status_code, told


def only_wrong(told: dict[str, Any]) -> str:
    wrong = {name: check for name, check in told["checks"].items() if check != "ok"}
    assert len(wrong) == 1, wrong
    return next(iter(wrong))


def test_all_is_well(ground: Ground) -> None:
    beat(ground)
    assert ask(ground) == (200, {"status": "ready", "checks": dict.fromkeys(("database", "schema", "clock", "disk", "keeper"), "ok"),
                                 "wrong": [], "warnings": []})


def test_a_database_that_does_not_answer(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    beat(ground)

    def away(*_: object) -> None:
        raise OperationalError("", None, psycopg.OperationalError("connection to 10.0.0.1 refused"))

    monkeypatch.setattr(ground.units.sessions, "reading", away)
    status, told = ask(ground)
    assert status == 503 and told["checks"]["database"].startswith("the database does not answer (OperationalError); start it")
    assert "10.0.0.1" not in str(told)


def test_a_database_of_another_version(ground: Ground) -> None:
    beat(ground)
    with ground.units.read() as work:
        head = work.session.execute(text("SELECT version_num FROM alembic_version")).scalar_one()
    for met, says in (("0001", "run “biobank db upgrade”"), ("9999", "start the version that fits")):
        with ground.units.write() as work:
            work.session.execute(text("UPDATE alembic_version SET version_num = :met"), {"met": met})
        try:
            status, told = ask(ground)
        finally:
            with ground.units.write() as work:
                work.session.execute(text("UPDATE alembic_version SET version_num = :head"), {"head": head})
        assert status == 503 and only_wrong(told) == "schema"
        assert f"at migration {met}" in told["checks"]["schema"] and says in told["checks"]["schema"]


def test_a_database_without_tables(ground: Ground) -> None:
    beat(ground)
    with ground.units.write() as work:
        work.session.execute(text("ALTER TABLE alembic_version RENAME TO set_aside"))
    try:
        _, told = ask(ground)
    finally:
        with ground.units.write() as work:
            work.session.execute(text("ALTER TABLE set_aside RENAME TO alembic_version"))
    assert only_wrong(told) == "schema" and "run “biobank init”" in told["checks"]["schema"]


def test_a_disk_without_room(ground: Ground) -> None:
    beat(ground)
    status, told = ask(ground, ground.with_settings(min_free_mb=10**9))
    assert status == 503 and only_wrong(told) == "disk"
    assert "MB are free" in told["checks"]["disk"] and "make room" in told["checks"]["disk"]


def test_a_clock_that_lies_behind_the_newest_entry(ground: Ground) -> None:
    from biobank.ledger import service as ledger
    from biobank.ledger.rules import Line

    with ground.units.write() as work:
        ledger.append(work, [Line(ledger.open_chain(work, "clock", stamp(work.now) + ground.settings.instance.name), "find")])
    ground.clock.at -= timedelta(minutes=6)
    beat(ground)
    status, told = ask(ground)
    assert status == 503 and only_wrong(told) == "clock" and "set the clock right" in told["checks"]["clock"]
    assert ask(ground, ground.with_settings(clock_behind_minutes=7))[0] == 200


def test_a_keeper_that_was_never_seen_or_not_lately(ground: Ground) -> None:
    status, told = ask(ground)
    assert status == 503 and only_wrong(told) == "keeper" and "has never been seen" in told["checks"]["keeper"]
    beat(ground)
    ground.clock.forward(timedelta(minutes=2, seconds=1))
    _, told = ask(ground)
    assert only_wrong(told) == "keeper" and "was last seen at 2026-11-20T09:00:00" in told["checks"]["keeper"]
    assert "biobank keep" in told["checks"]["keeper"]


def test_a_keeper_that_cannot_do_one_thing_is_a_warning(ground: Ground) -> None:
    beat(ground, ailing={"seal": "disk-full"})
    status, told = ask(ground)
    assert status == 200 and told["warnings"] == ["the keeper cannot seal (disk-full); it goes on trying"]
