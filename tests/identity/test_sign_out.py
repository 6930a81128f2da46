"""Signing out ends the session on the server: a copy of the cookie opens nothing afterwards."""

from __future__ import annotations

from flask.testing import FlaskClient

from biobank.core.work import Units
from biobank.identity import service as identity
from biobank.web.dispatch import Service
from tests.cast import PASSWORD
from tests.identity.test_sign_in import sign_in


def copied(app: Service, client: FlaskClient) -> FlaskClient:
    """A browser with the same cookie."""
    thief, cookie = app.test_client(), client.get_cookie("biobank")
    assert cookie is not None
    thief.set_cookie("biobank", cookie.decoded_value)
    return thief


def form_of(client: FlaskClient) -> dict[str, str]:
    page = client.get("/").get_data(as_text=True)
    return {"csrf_token": page.split('name="csrf_token" value="')[1].split('"')[0]}


def test_a_copy_of_the_cookie_opens_nothing_afterwards(app: Service) -> None:
    client = app.test_client()
    sign_in(client, "technician", PASSWORD)
    thief = copied(app, client)
    assert thief.get("/api/v1/me").status_code == 200
    assert client.post("/sign-out", data=form_of(client)).status_code == 302
    assert thief.get("/api/v1/me").status_code == 401
    assert client.get("/api/v1/me").status_code == 401


def test_signing_out_ends_the_persons_other_sessions_and_no_one_elses(app: Service, units: Units) -> None:
    here, there, other = app.test_client(), app.test_client(), app.test_client()
    sign_in(here, "technician", PASSWORD)
    sign_in(there, "technician", PASSWORD)
    sign_in(other, "second", PASSWORD)
    with units.write() as work:
        secret = identity.make_token(work, "technician")
    here.post("/sign-out", data=form_of(here))
    assert there.get("/api/v1/me").status_code == 401
    assert other.get("/api/v1/me").status_code == 200
    assert app.test_client().get("/api/v1/me", headers={"Authorization": f"Bearer {secret}"}).status_code == 200
    assert sign_in(there, "technician", PASSWORD) == 302
    assert there.get("/api/v1/me").status_code == 200


def test_nobody_else_can_sign_a_person_out(app: Service) -> None:
    client = app.test_client()
    sign_in(client, "technician", PASSWORD)
    assert copied(app, client).post("/sign-out", data={}).status_code == 400
    assert client.get("/api/v1/me").status_code == 200


def test_signing_out_twice_is_no_fault(app: Service) -> None:
    client = app.test_client()
    sign_in(client, "technician", PASSWORD)
    form = form_of(client)
    thief = copied(app, client)
    client.post("/sign-out", data=form)
    assert thief.post("/sign-out", data=form).status_code == 302
