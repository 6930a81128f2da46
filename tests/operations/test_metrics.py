"""Figures for Prometheus: right numbers, names from our own tables alone, and only for who may read them."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from prometheus_client.parser import text_string_to_metric_families

from biobank.app import create_app
from biobank.core import heartbeat, outbox
from biobank.core.times import stamp
from biobank.web.dispatch import Service
from tests.client import Client
from tests.operations.conftest import Ground
from tests.path.test_whole_path import CHILD

TOKEN = "a token of the monitoring"


def figures(text: str) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    return {(s.name, tuple(sorted(s.labels.items()))): s.value for family in text_string_to_metric_families(text) for s in family.samples}


def test_requests_refusals_and_lost_races_are_counted(app: Service, api: Callable[[str], Client]) -> None:
    manager = api("manager")
    child = manager.made("/participants", CHILD)["code"]
    manager.read(f"/participants/{child}")
    assert manager.get("/specimens/SB4DR120").status_code == 404
    assert manager.get("/nowhere/Anna").status_code == 404
    text = app.test_client().get("/metrics").get_data(as_text=True)
    found = figures(text)
    where = "/api/v1/participants/<participant>"
    assert found["biobank_requests_total", (("endpoint", where), ("method", "GET"), ("status", "200"))] == 1
    assert found["biobank_request_seconds_count", (("endpoint", where),)] == 1
    assert found["biobank_requests_total", (("endpoint", "-"), ("method", "GET"), ("status", "404"))] == 1
    assert any(name == "biobank_refusals_total" for name, _ in found)
    assert found["biobank_entries", ()] == found["biobank_unsealed_entries", ()] > 0
    assert child not in text and "SB4DR120" not in text and "Anna" not in text
    assert not re.search(r"birth|NL-0001|2019", text)


def test_what_the_database_and_the_keeper_say(ground: Ground) -> None:
    with ground.units.write() as work:
        outbox.put(work.session, "mail", {}, work.now)
    beat = heartbeat.Heartbeat(at=stamp(ground.clock.now()), sealed_at="2026-11-20T08:00:00.000000Z", faults={"seal": 2, "send": 1})
    heartbeat.write(ground.settings.keeper_file, beat)
    found = figures(create_app(ground.settings, ground.units).test_client().get("/metrics").get_data(as_text=True))
    assert found["biobank_outbox_messages", (("state", "waiting"),)] == 1 and found["biobank_outbox_messages", (("state", "failed"),)] == 0
    assert found["biobank_checkpoint_age_seconds", ()] == 3600 and found["biobank_keeper_seen", ()] == 1
    assert found["biobank_keeper_faults_total", (("task", "seal"),)] == 2
    assert found["biobank_pool_connections", ()] >= 0


@pytest.mark.parametrize(
    "address, headers, status",
    [
        ("127.0.0.1", {}, 200),
        ("::1", {}, 200),
        ("10.0.0.7", {}, 404),
        ("127.0.0.1", {"X-Forwarded-For": "10.0.0.7"}, 404),
        ("127.0.0.1", {"Forwarded": "for=10.0.0.7"}, 404),
        ("nonsense", {}, 404),
    ],
)
def test_without_a_token_the_machine_itself_alone_may_read(ground: Ground, address: str, headers: dict[str, str], status: int) -> None:
    client = create_app(ground.settings, ground.units).test_client()
    assert client.get("/metrics", headers=headers, environ_base={"REMOTE_ADDR": address}).status_code == status


@pytest.mark.parametrize(
    "sent, status", [(f"Bearer {TOKEN}", 200), (f"bearer {TOKEN}", 200), (f"Bearer {TOKEN}x", 404), ("Bearer", 404), ("Basic abc", 404), ("", 404)]
)
def test_with_a_token_only_who_has_it_may_read(ground: Ground, sent: str, status: int) -> None:
    client = create_app(ground.with_settings(metrics_token=TOKEN), ground.units).test_client()
    for address in ("127.0.0.1", "10.0.0.7"):
        headers = {"Authorization": sent} if sent else {}
        assert client.get("/metrics", headers=headers, environ_base={"REMOTE_ADDR": address}).status_code == status
