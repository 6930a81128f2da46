"""What tests over the API share: a ward with a child and a released marrow, and the proof that a refusal changed nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import text
from werkzeug.test import TestResponse

from biobank.core.work import Units, Work
from biobank.ledger import queries as ledger
from biobank.specimens import queries as specimens
from biobank.specimens.service import do
from tests.availability import stock
from tests.client import Client

# Everything but the replies that are kept by their key.
TABLES = (
    "entry", "chain", "note", "code", "standing", "specimen", "collection", "parent", "lot", "posting", "hold", "reservation", "earmark",
    "external_code", "verdict", "decision", "signatory", "consent_state", "participant", "enrolment", "container",
)


def state(units: Units) -> dict[str, Any]:
    """Row counts of every table, every chain's head and every standing."""
    with units.read() as work:
        found: dict[str, Any] = {table: work.session.execute(text(f"SELECT count(*) FROM {table}")).scalar_one() for table in TABLES}
        found["heads"] = work.session.execute(text("SELECT id, last_seq, last_hash FROM chain ORDER BY id")).all()
        found["standings"] = work.session.execute(text("SELECT * FROM standing ORDER BY specimen_id")).all()
    return found


@contextmanager
def nothing_changes(units: Units) -> Iterator[None]:
    """What happens inside leaves every row as it was."""
    before = state(units)
    yield
    assert state(units) == before


def refused(answer: TestResponse, status: int, type_: str, *words: str) -> dict[str, Any]:
    """A problem of this type that says all of these words, in its detail or in one of its faults; the problem."""
    body: dict[str, Any] = answer.get_json(force=True)
    assert (answer.status_code, body.get("type")) == (status, f"/problems/{type_}"), body
    assert answer.content_type == "application/problem+json"
    told = " | ".join([body["detail"], *(f"{fault['pointer']}: {fault['message']} met {fault['met']}" for fault in body.get("faults", []))])
    for word in words:
        assert word in told, f"{word!r} is not in {told!r}"
    return body


@dataclass
class Ward:
    """A child of seven with every consent, its marrow of 2 mL (received, released), and a box of 2 × 2."""

    units: Units
    bench: Client
    manager: Client
    child: str
    marrow: str
    box: str

    def scan(self, act: str, code: str, key: str | None = None, **more: Any) -> TestResponse:
        """A scan at the bench."""
        return self.bench.post("/scans", {"code": code, "act": act, **more}, key)

    def aliquots(self, **body: Any) -> TestResponse:
        """Aliquots of the marrow."""
        return self.bench.post(f"/specimens/{self.marrow}/aliquots", body)


def open_ward(units: Units, bench: Client, manager: Client) -> Ward:
    """Made through the use cases and the API."""
    with units.write() as work:
        work.actor = stock.cast(work, "manager")
        child = stock.child(work, 1)
        marrow = stock.draw(work, child)
    box = manager.made("/containers", {"kind": "box", "title": "Box", "rows": 2, "columns": 2})["code"]
    return Ward(units, bench, manager, child, marrow, box)


@contextmanager
def by(units: Units, login: str = "manager", station: str | None = None) -> Iterator[Work]:
    """A unit of work of somebody of the cast, committed at its end with everything that follows."""
    with units.write() as work:
        work.actor, work.station = stock.cast(work, login), station
        yield work


def told(units: Units, code: str) -> dict[str, Any]:
    """A tube as the API shows it, with its holds as a set of kinds."""
    with by(units) as work:
        shown = specimens.shown(work, [specimens.specimen(work, code).id])[0]
    return shown | {"holds": {hold["kind"] for hold in shown["holds"]}, "left": shown["remaining"]["base"]}


def act(units: Units, code: str, name: str, login: str = "manager", station: str | None = None, **facts: Any) -> str:
    """An act of the bench on a tube; done or held. `at` is when it happened."""
    at = facts.pop("at", None)
    with by(units, login, station) as work:
        return do(work, specimens.specimen(work, code).id, name, facts, at).outcome


def entries(units: Units, code: str) -> list[dict[str, Any]]:
    """The bodies of a tube's entries."""
    with by(units) as work:
        return [json.loads(entry.body) for entry in ledger.entries(work, specimens.standing(work, specimens.specimen(work, code).id).chain_id)]


def mL(value: float) -> dict[str, Any]:
    """A volume in millilitres."""
    return {"value": value, "unit": "mL"}
