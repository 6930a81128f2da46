"""No page asks the database more often because there is more to show: at most thirty statements, with little and with a lot."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import event

from biobank.core.units import Quantity
from biobank.core.work import Units, Work
from biobank.corrections.service import propose_swap
from biobank.identity import queries as people
from biobank.places.service import NewContainer, add_container
from biobank.requests import service as requests
from biobank.specimens import queries as specimens
from biobank.specimens import service as bench
from biobank.storage import service as storage
from biobank.web.dispatch import Service
from tests.availability.stock import STUDY, aliquots, child, draw

AT_MOST = 30


@pytest.fixture
def window(app: Service, units: Units) -> FlaskClient:
    """A browser in which the manager is signed in."""
    client = app.test_client()
    with units.read() as work:
        manager = people.person_by_login(work, "manager")
        assert manager is not None
        with client.session_transaction() as session:
            session["person"], session["epoch"] = manager.id, manager.epoch
    return client


@contextmanager
def counted(units: Units) -> Iterator[list[str]]:
    """The statements that are sent meanwhile."""
    sent: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if not statement.startswith(("SAVEPOINT", "RELEASE", "ROLLBACK")):
            sent.append(statement)

    connection = units.sessions.connection  # type: ignore[attr-defined]
    event.listen(connection, "before_cursor_execute", note)
    try:
        yield sent
    finally:
        event.remove(connection, "before_cursor_execute", note)


def fill(work: Work, as_: Callable[[str], Work], children: int, each: int, first: int) -> list[str]:
    """Children with draws, aliquots of aliquots, a box, holds, earmarks, requests in several states; the pages to look at."""
    freezer = add_container(work, NewContainer("freezer", f"Freezer {first}", 0, 0)).code
    tubes, request_codes = [], []
    for number in range(first, first + children):
        box = add_container(work, NewContainer("box", f"Box {number}", 9, 9, parent=freezer)).code
        participant = child(work, number)
        for name in ("DX", "D15"):
            primary = draw(work, participant, event=name, volume=20_000_000)
            made = aliquots(work, primary, each)
            bench.aliquot(work, made[0], bench.NewAliquots(2, Quantity(10_000, "nL")))
            for tube in made:
                storage.put(work, specimens.specimen_id(work, tube), "store", None, box, {}, None)
            bench.earmark(work, made[0], "asparaginase")
            bench.do(work, specimens.specimen_id(work, made[-1]), "hold", {"kind": "discrepancy", "reason": "looked wrong"})
            tubes += made
        planned = bench.plan_collection(work, bench.NewCollection(participant, STUDY, "DX", work.today))
        asked = requests.create(work, requests.NewRequest(STUDY, "supply", [requests.NewItem("BM", 2, "DX", None, None)], (), "some", None))
        requests.transition(work, asked.code, "submitted", None)
        requests.transition(as_("reviewer"), asked.code, "approved", None)
        requests.allocate(as_("manager"), asked.code, 1, None, "agreed")
        request_codes.append(asked.code)
    mixed_up = propose_swap(work, primary, draw(work, child(work, 900 + first)), "the other way round").id
    return [
        "/corrections", f"/corrections/{mixed_up}",
        "/", "/scan", "/held", "/participants", "/participants/new", f"/participants/{participant}", "/collections",
        f"/collections/{planned.code}", f"/specimens/{tubes[-2]}", f"/specimens/{primary}", "/storage", f"/storage/{freezer}",
        f"/storage/{box}", "/availability", f"/availability?study={STUDY}&item=BM:DX:marrow", "/requests", "/requests/new",
        f"/requests/new?study={STUDY}", f"/requests/{request_codes[-1]}", "/studies", f"/studies/{STUDY}", "/audit",
        f"/scan/what/{tubes[0]}", f"/scan/what/{box}",
    ]


def test_at_most_thirty_statements(window: FlaskClient, units: Units, work: Work, as_: Callable[[str], Work]) -> None:
    seen: dict[str, list[int]] = {}
    for children, each, first in ((1, 2, 1), (4, 10, 10)):
        for path in fill(work, as_, children, each, first):
            with counted(units) as sent:
                answer = window.get(path)
            assert answer.status_code == 200, (path, answer.get_data(as_text=True)[:400])
            seen.setdefault(path.rstrip("0123456789BCDFGHJKNPRSTVX"), []).append(len(sent))
    print("\n" + "\n".join(f"{path}: {counts}" for path, counts in seen.items()))
    assert {path: counts for path, counts in seen.items() if max(counts) > AT_MOST} == {}
