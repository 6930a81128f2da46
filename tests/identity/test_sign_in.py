"""Signing in: passwords, lock-out, sessions, CSRF, and where one lands afterwards."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from flask.testing import FlaskClient

from biobank.core.clock import SetClock
from biobank.core.work import Units
from biobank.identity import service as identity
from biobank.web.dispatch import Service
from tests.cast import PASSWORD


def token_of(client: FlaskClient) -> str:
    page = client.get("/sign-in").get_data(as_text=True)
    found = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', page)
    assert found, page
    return found[1]


def sign_in(client: FlaskClient, login: str, password: str, to: str = "/") -> int:
    form = {"login": login, "password": password, "next": to, "csrf_token": token_of(client)}
    return client.post("/sign-in", data=form).status_code


def test_right_password_opens_a_session(app: Service) -> None:
    client = app.test_client()
    assert client.get("/").status_code == 302
    assert sign_in(client, "technician", PASSWORD) == 302
    assert client.get("/api/v1/me").get_json()["login"] == "technician"


@pytest.mark.parametrize("login, password", [("technician", "wrong"), ("nobody", PASSWORD)])
def test_wrong_answers_never_say_which_part_is_wrong(app: Service, login: str, password: str) -> None:
    client = app.test_client()
    assert sign_in(client, login, password) == 401
    assert client.get("/api/v1/me").status_code == 401


def test_account_waits_after_too_many_wrong_passwords(app: Service, clock: SetClock) -> None:
    client = app.test_client()
    for _ in range(8):
        assert sign_in(client, "technician", "wrong") == 401
    assert sign_in(client, "technician", PASSWORD) == 429
    clock.forward(timedelta(minutes=16))
    assert sign_in(client, "technician", PASSWORD) == 302


def test_a_form_without_its_token_is_refused(app: Service) -> None:
    client = app.test_client()
    assert client.post("/sign-in", data={"login": "technician", "password": PASSWORD}).status_code == 400


def test_a_session_may_not_write_to_the_api_without_the_csrf_token(app: Service) -> None:
    client = app.test_client()
    sign_in(client, "technician", PASSWORD)
    refused = client.post("/api/v1/scans", json={"code": "SB4DR120", "act": "find"})
    assert refused.status_code == 400 and refused.get_json()["type"] == "/problems/form-expired"


@pytest.mark.parametrize("to", ["https://elsewhere.example/", "//elsewhere.example", "/\\elsewhere.example"])
def test_sign_in_never_leads_away(app: Service, to: str) -> None:
    client = app.test_client()
    form = {"login": "technician", "password": PASSWORD, "next": to, "csrf_token": token_of(client)}
    assert client.post("/sign-in", data=form).headers["Location"] == "/"


def test_a_disabled_account_loses_its_sessions_and_tokens(app: Service, units: Units) -> None:
    client = app.test_client()
    sign_in(client, "second", PASSWORD)
    with units.write() as work:
        secret = identity.make_token(work, "second")
    assert client.get("/api/v1/me").status_code == 200
    with units.write() as work:
        identity.disable(work, "second")
    assert client.get("/api/v1/me").status_code == 401
    assert app.test_client().get("/api/v1/me", headers={"Authorization": f"Bearer {secret}"}).status_code == 401


def test_passwords_are_argon2id_and_tokens_are_kept_as_hashes(units: Units) -> None:
    from sqlalchemy import text

    with units.write() as work:
        secret = identity.make_token(work, "technician")
        hashes = work.session.execute(text("SELECT password_hash FROM person")).scalars().all()
        kept = work.session.execute(text("SELECT sha256 FROM token")).scalars().all()
    assert all(hash_.startswith("$argon2id$") for hash_ in hashes)
    assert secret not in kept and identity.token_hash(secret) in kept
