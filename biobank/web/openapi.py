"""The API's description: OpenAPI 3.1 at /api/v1/openapi.json, browsable at /api/docs with assets of our own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import flask
import flask_smorest
import flask_swagger_ui
from flask_smorest.spec import MarshmallowPlugin

from biobank.web.blueprint import public
from biobank.web.shapes import Problem

INTRODUCTION = """Every tube, every microlitre and every permission, accounted for.

Send `Authorization: Bearer …`, and an `Idempotency-Key` with every write: a repeated request is answered like the first and applied once.
Every refusal is a problem (RFC 9457) that names what was met and what would be right; nothing was changed.
"""


class Api(flask_smorest.Api):  # type: ignore[misc]
    """flask-smorest's Api with problem+json as its only kind of error."""

    ERROR_SCHEMA = Problem

    def _register_error_handlers(self) -> None:
        """Refusals are answered by `web.dispatch`."""

    def description(self) -> dict[str, Any]:
        """The whole OpenAPI document."""
        spec: dict[str, Any] = self.spec.to_dict()
        shape = {"schema": {"$ref": "#/components/schemas/Problem"}}
        problem = {"description": "A refusal: what was met and what would be right", "content": {"application/problem+json": shape}}
        spec["components"].setdefault("responses", {}).clear()
        for operations in spec["paths"].values():
            for method, operation in operations.items():
                if method in {"get", "post", "put", "patch", "delete"}:
                    kept = {status: shape for status, shape in operation["responses"].items() if status.isdigit() and int(status) < 400}
                    operation["responses"] = kept | {"default": problem}
                    if method != "get":
                        operation.setdefault("parameters", []).append({"$ref": "#/components/parameters/IdempotencyKey"})
        spec["components"].setdefault("parameters", {})["IdempotencyKey"] = {
            "in": "header", "name": "Idempotency-Key", "required": False,
            "schema": {"type": "string", "minLength": 1, "maxLength": 200, "pattern": "^[!-~]+$"},
            "description": "the same key and request are answered alike and applied once",
        }
        _allow_null(spec["components"].get("schemas", {}))
        return spec


def _allow_null(shape: Any) -> None:
    """A field that may be null and names its words names null among them."""
    if isinstance(shape, dict):
        words = shape.get("enum")
        if isinstance(words, list) and isinstance(shape.get("type"), list) and "null" in shape["type"] and None not in words:
            shape["enum"] = [*words, None]
    for inner in shape.values() if isinstance(shape, dict) else shape if isinstance(shape, list) else ():
        _allow_null(inner)


def _component_name(schema: Any) -> str:
    """Capability and class: two capabilities may have a shape of the same name."""
    kind = schema if isinstance(schema, type) else type(schema)
    capability = kind.__module__.split(".")[1] if kind.__module__.startswith("biobank.") else ""
    return kind.__name__ if capability in {"", "web"} else f"{capability}.{kind.__name__}"


def make_api(app: flask.Flask) -> Api:
    """An Api whose description says how to sign in."""
    app.config.update(API_TITLE="biobank", API_VERSION="v1", OPENAPI_VERSION="3.1.0")
    bearer = {"type": "http", "scheme": "bearer"}
    api = Api(
        app,
        spec_kwargs={
            "marshmallow_plugin": MarshmallowPlugin(schema_name_resolver=_component_name),
            "info": {"description": INTRODUCTION},
            "components": {"securitySchemes": {"token": bearer}},
            "security": [{"token": []}],
        },
    )
    _serve(app, api)
    return api


def _serve(app: flask.Flask, api: Api) -> None:
    assets = Path(flask_swagger_ui.__file__).parent / "dist"
    kept: dict[str, bytes] = {}

    @app.get("/api/v1/openapi.json")
    @public
    def openapi_json() -> flask.Response:
        if "json" not in kept:
            kept["json"] = json.dumps(api.description(), ensure_ascii=False).encode()
        return flask.Response(kept["json"], content_type="application/json")

    @app.get("/api/docs")
    @public
    def api_docs() -> str:
        return flask.render_template("api-docs.html")

    @app.get("/api/docs/assets/<path:name>")
    @public
    def api_docs_asset(name: str) -> flask.Response:
        return flask.send_from_directory(assets, name)
