"""The API's description is valid OpenAPI 3.1, and every endpoint says what it does and which permission it needs."""

from __future__ import annotations

from typing import Any

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from biobank.identity.rules import PERMISSIONS
from biobank.web.dispatch import Service

# Held by whoever is signed in, and by everybody.
OPEN = {"signed-in", "anyone"}
METHODS = {"get", "post", "put", "patch", "delete"}


@pytest.fixture
def described(app: Service) -> dict[str, Any]:
    """The document as it is served."""
    answer = app.test_client().get("/api/v1/openapi.json")
    assert answer.status_code == 200
    document: dict[str, Any] = answer.get_json()
    return document


def operations(document: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """Every operation with its name."""
    return [
        (f"{method.upper()} {path}", operation)
        for path, item in document["paths"].items()
        for method, operation in item.items()
        if method in METHODS
    ]


def test_it_is_valid_openapi_3_1(described: dict[str, Any]) -> None:
    assert described["openapi"].startswith("3.1")
    assert [str(error) for error in OpenAPIV31SpecValidator(described).iter_errors()] == []  # type: ignore[arg-type]


def test_every_endpoint_names_its_permission_and_says_what_it_does(described: dict[str, Any]) -> None:
    for name, operation in operations(described):
        assert operation["summary"], name
        assert operation["x-permission"] in PERMISSIONS | dict.fromkeys(OPEN), name
        assert operation["tags"], name
        assert operation["responses"].get("default"), name
        assert any(status.startswith("2") for status in operation["responses"]), name


def test_every_rule_of_the_api_is_described(app: Service, described: dict[str, Any]) -> None:
    names = {name for name, _ in operations(described)}
    for rule in app.url_map.iter_rules():
        view = app.view_functions[rule.endpoint]
        assert getattr(view, "permission", None) or getattr(view, "public", False) or rule.endpoint.endswith("static"), rule
        if rule.rule.startswith("/api/v1/") and getattr(view, "permission", None):
            path = rule.rule.replace("<", "{").replace(">", "}")
            for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}:
                assert f"{method} {path}" in names


def test_every_field_of_every_body_is_closed(described: dict[str, Any]) -> None:
    """An unknown field is refused, and the description says so."""
    for name, schema in described["components"]["schemas"].items():
        if schema.get("type") == "object" and name != "Problem":
            assert schema.get("additionalProperties") is False, name


def test_an_unknown_filter_is_refused_by_every_endpoint_that_reads(described: dict[str, Any], api: Any) -> None:
    for name, _ in operations(described):
        method, path = name.split(" ")
        if method == "GET":
            answer = api("manager").get(path.removeprefix("/api/v1").replace("{", "").replace("}", ""), nonsense="1")
            assert answer.status_code == 422, (name, answer.get_data(as_text=True))
            assert "/nonsense" in [fault["pointer"] for fault in answer.get_json()["faults"]], name
