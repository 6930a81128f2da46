"""Figures for Prometheus: what was asked, how long it took, what was refused and how often a race was lost; of all worker processes together.

Labels are names from our own tables: route templates, methods, statuses, problem types. Never a code, a query or a person.
"""

from __future__ import annotations

import hmac
import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any

import flask

from biobank.core.work import Work
from biobank.web.blueprint import public
from biobank.web.dispatch import Service

# Where the worker processes keep their figures; set by whoever starts them, before the library is imported.
FOLDER = "PROMETHEUS_MULTIPROC_DIR"
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
BUCKETS = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
# What a proxy adds: the request then comes from elsewhere, whatever the socket says.
FORWARDED = ("Forwarded", "X-Forwarded-For", "X-Real-IP", "Via")


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure that is read from the database when asked: name, meaning, value, and whether it only ever grows."""

    name: str
    meaning: str
    value: float
    counts: bool = False
    label: tuple[str, str] | None = None


Figures = Callable[[Work], Iterator[Figure]]


class Metrics:
    """The figures of one process; `text` gives those of all."""

    def __init__(self) -> None:
        # Late: the library decides at its import whether processes share their figures.
        from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

        own = self.registry = CollectorRegistry()
        self.requests = Counter("biobank_requests", "Requests answered", ["method", "endpoint", "status"], registry=own)
        self.seconds = Histogram("biobank_request_seconds", "Time to answer", ["endpoint"], buckets=BUCKETS, registry=own)
        self.refusals = Counter("biobank_refusals", "Refusals by problem type", ["type"], registry=own)
        self.lost_races = Counter("biobank_lost_races", "Requests done again because another changed the same thing at that moment", registry=own)
        self.pool = Gauge("biobank_pool_connections", "Database connections in use", multiprocess_mode="livesum", registry=own)
        self._asked: dict[tuple[str, str, int], Any] = {}

    def answered(self, method: str, endpoint: str, status: int, seconds: float, problem: str | None, races: int, in_use: int | None) -> None:
        """Count one request. Figures that cannot be kept never stop an answer."""
        with suppress(OSError, ValueError):
            key = (method if method in METHODS else "other", endpoint, status)
            if key not in self._asked:
                self._asked[key] = self.requests.labels(key[0], endpoint, status), self.seconds.labels(endpoint)
            number, took = self._asked[key]
            number.inc()
            took.observe(seconds)
            if problem:
                self.refusals.labels(problem).inc()
            if races:
                self.lost_races.inc(races)
            if in_use is not None:
                self.pool.set(in_use)

    def text(self, figures: list[Figure]) -> bytes:
        """All figures in Prometheus' text form."""
        from prometheus_client import CollectorRegistry, generate_latest
        from prometheus_client.multiprocess import MultiProcessCollector

        told: CollectorRegistry = self.registry
        if folder := os.environ.get(FOLDER):
            told = CollectorRegistry()
            MultiProcessCollector(told, path=folder)  # type: ignore[no-untyped-call]
        asked = CollectorRegistry()
        asked.register(_Asked(figures))
        return generate_latest(told) + generate_latest(asked)


class _Asked:
    """Figures in the library's own form."""

    def __init__(self, figures: list[Figure]) -> None:
        self.figures = figures

    def collect(self) -> Iterator[Any]:
        """One family per name."""
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

        families: dict[str, Any] = {}
        for figure in self.figures:
            if figure.name not in families:
                kind = CounterMetricFamily if figure.counts else GaugeMetricFamily
                families[figure.name] = kind(figure.name, figure.meaning, labels=[figure.label[0]] if figure.label else [])
            families[figure.name].add_metric([figure.label[1]] if figure.label else [], figure.value)
        yield from families.values()


def serve_metrics(app: Service, metrics: Metrics, token: str, figures: Figures) -> None:
    """`GET /metrics`: for the machine itself, or with the token once one is set."""

    @app.get("/metrics")
    @public
    def metrics_() -> flask.typing.ResponseReturnValue:
        if not may_read(token):
            flask.abort(404)
        with app.units.read() as work:
            asked = list(figures(work))
        return flask.Response(metrics.text(asked), content_type="text/plain; version=0.0.4; charset=utf-8")


def may_read(token: str) -> bool:
    """Whether this request may see the figures."""
    if token:
        given = flask.request.authorization
        sent = given.token if given is not None and given.type == "bearer" and given.token else ""
        return hmac.compare_digest(sent.encode(), token.encode())
    if any(name in flask.request.headers for name in FORWARDED):
        return False
    try:
        return ip_address(flask.request.remote_addr or "").is_loopback
    except ValueError:
        return False
