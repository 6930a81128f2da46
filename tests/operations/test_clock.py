"""A clock that steps: by a little nobody notices, by much nothing is recorded until it is right; what has ended does not begin again."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from biobank.core.clock import SetClock
from biobank.core.work import Units
from biobank.custody.rules import UndoNotPossible
from biobank.identity import service as identity
from biobank.ledger import service as ledger
from biobank.web.dispatch import Service
from tests.cast import PASSWORD
from tests.client import Client
from tests.identity.test_sign_in import sign_in
from tests.ward import Ward, act, entries, open_ward

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
BOX = {"kind": "box", "title": "A box", "rows": 2, "columns": 2}


@pytest.fixture
def ward(units: Units, api: Callable[[str], Client]) -> Ward:
    return open_ward(units, api("technician"), api("manager"))


def test_a_small_step_back_is_borne_and_nothing_recorded_goes_back(ward: Ward, clock: SetClock) -> None:
    ward.scan("store", ward.marrow, position=f"{ward.box}:A1")
    before = entries(ward.units, ward.marrow)[-1]["recorded_at"]
    clock.at -= 3 * MINUTE
    assert ward.scan("find", ward.marrow).status_code == 200
    assert entries(ward.units, ward.marrow)[-1]["recorded_at"] == before
    with ward.units.read() as work:
        assert list(ledger.verify(work, ())) == []


def test_a_large_step_back_refuses_what_would_be_recorded_and_goes_on_when_the_clock_is_right(
    ward: Ward, clock: SetClock, app: Service, api: Callable[[str], Client]
) -> None:
    right, manager = clock.at, api("manager")
    number = len(entries(ward.units, ward.marrow))
    clock.at = right - 10 * MINUTE
    refused = manager.post("/scans", {"code": ward.marrow, "act": "find"}, key="stepped")
    told = refused.get_json()
    assert refused.status_code == 503 and told["type"] == "/problems/clock-behind" and refused.headers["Retry-After"] == "60"
    assert told["now"] < told["newest"] and "Keep the tube and scan it again when the clock is right" in told["detail"]
    # Looking is not refused, and the readiness names the clock.
    assert manager.get(f"/specimens/{ward.marrow}").status_code == 200
    readiness = app.test_client().get("/readyz")
    assert readiness.status_code == 503 and "clock_behind_minutes" in readiness.get_json()["checks"]["clock"]
    assert len(entries(ward.units, ward.marrow)) == number
    clock.at = right
    again = manager.post("/scans", {"code": ward.marrow, "act": "find"}, key="stepped")
    assert again.status_code == 200 and "Idempotency-Replayed" not in again.headers
    assert app.test_client().get("/readyz").get_json()["checks"]["clock"] == "ok"


def test_signing_out_is_never_refused_for_the_clock(app: Service, ward: Ward, clock: SetClock) -> None:
    client = app.test_client()
    sign_in(client, "technician", PASSWORD)
    clock.at -= 4 * MINUTE
    assert client.get("/api/v1/me").status_code == 200


def test_a_session_bears_a_small_step_and_not_a_large_one(app: Service, clock: SetClock) -> None:
    client = app.test_client()
    sign_in(client, "technician", PASSWORD)
    right = clock.at
    for step, status in ((-timedelta(seconds=2), 200), (-4 * MINUTE, 200)):
        clock.at = right + step
        assert client.get("/api/v1/me").status_code == status, step
    clock.at = right - 30 * MINUTE
    assert client.get("/api/v1/me").status_code == 401


def test_a_session_that_was_idle_for_too_long_has_ended(app: Service, clock: SetClock) -> None:
    client = app.test_client()
    sign_in(client, "technician", PASSWORD)
    clock.forward(479 * MINUTE)
    assert client.get("/api/v1/me").status_code == 200
    clock.forward(479 * MINUTE)
    assert client.get("/api/v1/me").status_code == 200
    clock.forward(481 * MINUTE)
    assert client.get("/api/v1/me").status_code == 401


def test_a_token_that_has_ended_does_not_begin_again(app: Service, units: Units, ward: Ward, clock: SetClock) -> None:
    with units.write() as work:
        secret = identity.make_token(work, "manager", expires_at=work.now + HOUR)
    client = Client(app.test_client(), secret)
    assert client.get("/me").status_code == 200
    clock.forward(2 * HOUR)
    assert client.get("/me").status_code == 401
    # Something is recorded, and then the clock steps back to before the token's end.
    ward.scan("find", ward.marrow)
    clock.at -= 2 * HOUR
    assert client.get("/me").status_code == 401


def test_an_account_does_not_wait_for_a_clock_that_was_ahead(app: Service, clock: SetClock) -> None:
    right = clock.at
    clock.forward(timedelta(days=365))
    client = app.test_client()
    for _ in range(8):
        assert sign_in(client, "second", "wrong") == 401
    assert sign_in(client, "second", PASSWORD) == 429
    clock.at = right
    assert sign_in(app.test_client(), "second", PASSWORD) == 302


def test_an_undo_is_refused_when_nobody_knows_how_long_ago_it_was(ward: Ward, clock: SetClock) -> None:
    ward.scan("store", ward.marrow, position=f"{ward.box}:A1", station="bench-1")
    right = clock.at
    clock.at = right - HOUR
    with pytest.raises(UndoNotPossible, match="clock lies before its last entry"):
        act(ward.units, ward.marrow, "undo", "technician", "bench-1")
    clock.at = right + 11 * MINUTE
    with pytest.raises(UndoNotPossible, match="older than 10 minutes"):
        act(ward.units, ward.marrow, "undo", "technician", "bench-1")
    clock.at = right + 9 * MINUTE
    act(ward.units, ward.marrow, "undo", "technician", "bench-1")


def test_the_ledger_is_asked_for_its_newest_entry_now_and_then_only(
    ward: Ward, app: Service, clock: SetClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    ask = app.clock_guard._ask
    monkeypatch.setattr(app.clock_guard, "_ask", lambda work: asked.append(1) or ask(work))
    for _ in range(5):
        ward.scan("find", ward.marrow)
    clock.forward(timedelta(seconds=11))
    ward.scan("find", ward.marrow)
    assert len(asked) <= 2
