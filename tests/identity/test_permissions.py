"""One table says who may do what; every endpoint and page names its permission."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from biobank.core.actor import Grant
from biobank.core.clock import SetClock
from biobank.core.work import Units
from biobank.identity import service as identity
from biobank.identity.rules import PERMISSIONS, Role, holds
from biobank.web.dispatch import Service
from tests.client import Client


def test_every_endpoint_and_page_names_its_permission(app: Service) -> None:
    unnamed = []
    for rule in app.url_map.iter_rules():
        view = app.view_functions[rule.endpoint]
        permission = getattr(view, "permission", None)
        if permission is None and not getattr(view, "public", False) and not rule.endpoint.endswith("static"):
            unnamed.append(rule.endpoint)
        assert permission in {None, "anyone", "signed-in", *PERMISSIONS}, f"{rule.endpoint} names an unknown permission"
    assert unnamed == []


def test_the_auditor_reads_everything_and_changes_nothing() -> None:
    mine = {name for name, roles in PERMISSIONS.items() if Role.AUDITOR in roles}
    assert mine == {name for name in PERMISSIONS if name.startswith("read-")} | {"verify"}


def test_the_administrator_touches_no_sample() -> None:
    assert {name for name, roles in PERMISSIONS.items() if Role.ADMINISTRATOR in roles} == {"read-studies", "verify", "administer"}


@pytest.mark.parametrize("grant, study, organisation, expected", [
    (Grant("technician"), "alltogether1", "maxima", True),
    (Grant("technician", "interfant21"), "alltogether1", "maxima", False),
    (Grant("technician", "interfant21"), "interfant21", "umc", True),
    (Grant("technician", None, "umc"), "alltogether1", "maxima", False),
    (Grant("technician", None, "umc"), None, "umc", True),
    (Grant("researcher"), "alltogether1", "maxima", False),
])
def test_roles_are_held_per_study_and_organisation(grant: Grant, study: str | None, organisation: str | None, expected: bool) -> None:
    assert holds([grant], "handle", study, organisation) is expected


@pytest.mark.parametrize(
    "login, path", [("researcher", "/specimens"), ("admin", "/specimens"), ("reviewer", "/participants"), ("laboratory", "/participants")]
)
def test_without_the_role_nothing_is_read(api: Callable[[str], Client], login: str, path: str) -> None:
    refused = api(login).get(path)
    assert refused.status_code == 403
    assert "permission" in refused.get_json()["detail"]


def test_a_token_can_be_narrowed_and_ends(app: Service, units: Units, clock: SetClock) -> None:
    with units.write() as work:
        secret = identity.make_token(work, "manager", role="manager", expires_at=work.now + timedelta(days=1))
    headers = {"Authorization": f"Bearer {secret}"}
    assert app.test_client().get("/api/v1/me", headers=headers).status_code == 200
    clock.forward(timedelta(days=2))
    assert app.test_client().get("/api/v1/me", headers=headers).status_code == 401


@pytest.mark.parametrize("header", ["Bearer", "Bearer wrong", "Basic dXNlcjpwYXNz", "nonsense"])
def test_an_unusable_token_is_refused_even_beside_a_session(app: Service, header: str) -> None:
    refused = app.test_client().get("/api/v1/me", headers={"Authorization": header})
    assert refused.status_code == 401
    assert refused.headers["WWW-Authenticate"] == "Bearer"
