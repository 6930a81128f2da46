"""One log line and one count per request: who asked for what kind of thing and how it ended; never which tube, which child, or what was typed."""

from __future__ import annotations

import re
import secrets
from time import perf_counter
from typing import Any

import flask

from biobank.core.logs import log
from biobank.core.work import Work
from biobank.web.dispatch import Service
from biobank.web.metrics import METHODS, Metrics

REQUEST_ID = "X-Request-Id"
# What proxies draw: 32 hexadecimal digits, or a UUID. Nothing shorter, so that no number of a person passes for one.
DRAWN = re.compile(r"[0-9a-fA-F]{32}|[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
NOWHERE = "-"


def observe(app: Service, metrics: Metrics) -> None:
    """Count and log every request, and give each an id that its answer carries."""

    @app.before_request
    def begin() -> None:
        flask.g.begun = perf_counter()

    @app.after_request
    def end(response: flask.Response) -> flask.Response:
        # The things themselves: each step through their stand-ins costs, and this is done for every request.
        about, request = _here()
        seconds = perf_counter() - about.get("begun", perf_counter())
        rule, work, problem, races = request.url_rule, about.get("work"), about.get("problem"), about.get("lost_races", 0)
        method = request.method if request.method in METHODS else "other"
        route, id_ = NOWHERE if rule is None else rule.rule, _id_of(about, request)
        told: dict[str, Any] = {
            "id": id_, "method": method, "endpoint": route, "status": response.status_code, "ms": round(seconds * 1000, 1),
            "actor": work.actor.id if isinstance(work, Work) and work.actor is not None else None,
        }
        if problem:
            told["problem"] = problem
        if races:
            told["lost_races"] = races
        metrics.answered(method, route, response.status_code, seconds, problem, races, in_use(app))
        log.info("request", **told)
        response.headers[REQUEST_ID] = id_
        return response


def _here() -> tuple[Any, flask.Request]:
    return flask.g._get_current_object(), flask.request._get_current_object()  # type: ignore[attr-defined]


def request_id() -> str:
    """The id of this request: the one that came, when it looks drawn by a machine, else one of ours."""
    return _id_of(*_here())


def _id_of(about: Any, request: flask.Request) -> str:
    found: str | None = about.get("request_id")
    if found is None:
        given = request.headers.get(REQUEST_ID, "")
        found = about.request_id = given.lower() if DRAWN.fullmatch(given) else secrets.token_hex(16)
    return found


def endpoint() -> str:
    """The template of the route, so that no code is in it."""
    rule = flask.request.url_rule
    return rule.rule if rule is not None else NOWHERE


def in_use(app: Service) -> int | None:
    """Database connections in use in this process."""
    pool = getattr(getattr(app.units.sessions, "engine", None), "pool", None)
    count = getattr(pool, "checkedout", None)
    return int(count()) if count is not None else None
