"""Refusals as RFC 9457 problem+json, or as a page for people."""

from __future__ import annotations

import json
from typing import Any

import flask
from flask_babel import gettext
from werkzeug.exceptions import HTTPException

from biobank.core.errors import N_, Fault, Refusal
from biobank.core.trouble import TryAgain

MEDIA_TYPE = "application/problem+json"

# What the framework refuses before a use case is asked: status -> (name, title, what to do).
PLAIN: dict[int, tuple[str, str, str]] = {
    400: ("malformed", N_("Cannot be read"), N_("The request cannot be read. Check its address, headers and body.")),
    404: ("not-found", N_("Not found"), N_("There is nothing at this address, or nothing that you may see.")),
    405: ("method-not-allowed", N_("Method not allowed"), N_("This address does not take that method; the header Allow names those it takes.")),
    413: ("too-large", N_("Too large"), N_("The body is larger than this installation takes. Send less at a time.")),
    415: ("wrong-media-type", N_("Wrong media type"), N_("Send the body as application/json.")),
    500: ("fault", N_("A fault here"), N_("Something went wrong here; nothing was changed. Tell an administrator when it happened.")),
}


def problem_of(error: Refusal | HTTPException | int) -> dict[str, Any]:
    """The problem's members, translated to the reader's language."""
    if isinstance(error, Refusal):
        detail = gettext(error.template)
        members: dict[str, Any] = {name: _plain(value) for name, value in error.facts.items()}
        members |= {
            "type": f"/problems/{error.slug()}",
            "title": gettext(error.title),
            "status": error.status,
            "detail": detail % error.facts if error.facts else detail,
        }
        if error.faults:
            members["faults"] = [_fault(item) for item in error.faults]
        return members | {"instance": flask.request.path}
    status = error if isinstance(error, int) else error.code or 500
    name, title, detail = PLAIN.get(status, PLAIN[400] if status < 500 else PLAIN[500])
    return {"type": f"/problems/{name}", "title": gettext(title), "status": status, "detail": gettext(detail), "instance": flask.request.path}


def as_response(error: Refusal | HTTPException | int, *, page: bool, extra: dict[str, Any] | None = None) -> flask.Response:
    """The refusal as a page or as problem+json."""
    problem = problem_of(error) | (extra or {})
    flask.g.problem = problem["type"].removeprefix("/problems/")
    if page:
        response = flask.make_response(flask.render_template("problem.html", problem=problem), problem["status"])
    else:
        response = flask.Response(json.dumps(problem, ensure_ascii=False), status=problem["status"], content_type=MEDIA_TYPE)
    if isinstance(error, TryAgain):
        response.headers["Retry-After"] = str(error.retry_after)
    if isinstance(error, HTTPException):
        for name, value in error.get_headers():
            if name in {"Allow", "Retry-After"}:
                response.headers[name] = value
    if problem["status"] == 401 and not page:
        response.headers["WWW-Authenticate"] = "Bearer"
    return response


def _fault(item: Fault) -> dict[str, Any]:
    return {"pointer": item.pointer, "message": gettext(item.message), "met": _plain(item.met)}


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, str | int | float | bool):
        return value
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(item) for item in value]
    return str(value)
