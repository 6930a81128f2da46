"""Several people at once, on real connections: no tube is promised twice, and no item gets more than it asks for."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from random import Random

import pytest
from sqlalchemy import func, select

from biobank.app import CHECKS, make_units, upgrade_database
from biobank.cli.instance import lay_ground
from biobank.core.clock import SetClock
from biobank.core.db import Sessions, make_engine
from biobank.core.errors import Conflict, RuleBroken
from biobank.core.work import Units
from biobank.custody.models import Reservation
from biobank.ledger import service as ledger
from biobank.requests import queries
from biobank.requests.rules import NothingFits, NotYet, PlanOvertaken, RequestMoved
from biobank.requests.service import NewItem, NewRequest, allocate, allocating, create, deliver, pick, transition
from biobank.settings import load_settings
from tests import cast as people
from tests.availability.stock import STUDY, aliquots, cast, child, draw, standing
from tests.conftest import ENGINES, NOW


@pytest.fixture(params=ENGINES)
def shared(request, new_database, tmp_path) -> Iterator[Units]:
    """A database of its own, with commits."""
    url = new_database(request.param, f"race_{abs(hash(request.node.name)) % 10**8}")
    upgrade_database(url)
    engine = make_engine(url)
    units = make_units(load_settings(tmp_path, url), clock=SetClock(NOW), random=Random(11), sessions=Sessions(engine))
    with units.write() as work:
        lay_ground(work)
        people.seat(work)
    yield units
    engine.dispose()


def stock(units: Units, count: int) -> list[str]:
    """`count` aliquots of one primary, and that primary."""
    with units.write() as work:
        work.actor = cast(work, "manager")
        primary = draw(work, child(work, 1))
        return [*aliquots(work, primary, count), primary]


def approved(units: Units, n: int) -> str:
    with units.write() as work:
        work.actor = cast(work, "manager")
        code = create(work, NewRequest(STUDY, "supply", (NewItem("BM", n, "DX"),))).code
        transition(work, code, "submitted")
    with units.write() as work:
        work.actor = cast(work, "reviewer")
        transition(work, code, "approved")
    return code


def at_once(units: Units, deeds: list[Callable]) -> list[object]:
    """Do all deeds at the same moment, each in a unit of its own; what came of each."""
    gate = threading.Barrier(len(deeds))

    def one(deed: Callable) -> object:
        gate.wait()
        try:
            with units.write() as work:
                work.actor = cast(work, "manager")
                return deed(work)
        except (Conflict, RuleBroken) as refused:
            return refused

    with ThreadPoolExecutor(len(deeds)) as pool:
        return list(pool.map(one, deeds))


def promised(units: Units) -> list[int]:
    """Every open reservation's tube."""
    with units.read() as work:
        return list(work.session.execute(select(Reservation.specimen_id).where(Reservation.closed_seq.is_(None))).scalars())


def sound(units: Units) -> bool:
    with units.read() as work:
        return list(ledger.verify(work, CHECKS)) == []


def test_many_requests_for_few_tubes(shared):
    stock(shared, 4)
    codes = [approved(shared, 1) for _ in range(8)]
    came = at_once(shared, [lambda work, code=code: allocate(work, code, 1, reason="agreed").plan.taken[0].code for code in codes])
    got = [one for one in came if isinstance(one, str)]
    assert len(got) == len(set(got)) == len(promised(shared)) == len(set(promised(shared)))
    assert all(isinstance(one, str | NothingFits | PlanOvertaken) for one in came)
    # Whoever was overtaken tries again; in the end every tube has found somebody, and nobody has got a tube that was not there.
    for code in codes:
        at_once(shared, [lambda work, code=code: allocate(work, code, 1, reason="agreed")])
    assert len(set(promised(shared))) == len(promised(shared)) == 5
    assert sound(shared)


def test_one_item_filled_by_several_people_at_once(shared):
    stock(shared, 7)
    code = approved(shared, 2)
    came = at_once(shared, [lambda work: allocate(work, code, 1) for _ in range(6)])
    assert sum(not isinstance(one, Exception) for one in came) == 1
    assert len(promised(shared)) == 2
    assert sound(shared)


@pytest.mark.postgresql
@pytest.mark.parametrize("shared", ["postgresql"], indirect=True)
def test_that_race_is_lost_without_its_guard(shared, monkeypatch):
    """Without the guarded version of the request two people fill one item twice. Only where writers really work side by side."""
    tubes = stock(shared, 7)
    code = approved(shared, 2)
    both, turns = threading.Barrier(2), iter([tubes[:2], tubes[2:4]])
    plan, record = allocating._plan, allocating.record

    def each_their_own(work, request, item, room, codes):
        return plan(work, request, item, room, next(turns))

    def side_by_side(work, doings):
        both.wait(timeout=20)
        return record(work, doings)

    monkeypatch.setattr(allocating, "_plan", each_their_own)
    monkeypatch.setattr(allocating, "record", side_by_side)
    came = at_once(shared, [lambda work: allocate(work, code, 1)] * 2)
    assert [type(one) for one in came if isinstance(one, Exception)] == [RequestMoved]
    assert len(promised(shared)) == 2
    again, turns = approved(shared, 2), iter([tubes[4:6], tubes[6:8]])
    with monkeypatch.context() as unguarded:
        unguarded.setattr(allocating, "move", lambda *told: None)
        at_once(shared, [lambda work: allocate(work, again, 1, reason="agreed")] * 2)
    assert len(promised(shared)) == 2 + 4


def test_a_pick_and_a_cancelling_at_once_leave_one_story(shared):
    tube = stock(shared, 3)[0]
    for _ in range(5):
        code = approved(shared, 1)
        with shared.write() as work:
            work.actor = cast(work, "manager")
            allocate(work, code, 1, [tube])
            specimen_id = standing(work, tube).specimen_id
        came = at_once(
            shared, [lambda work, c=code, s=specimen_id: pick(work, c, s, tube), lambda work, c=code: transition(work, c, "cancelled", "no funds")]
        )
        with shared.read() as work:
            work.actor = cast(work, "manager")
            state, out = queries.request(work, code).state, standing(work, tube).is_out
            reserved = work.session.execute(select(func.count()).where(Reservation.closed_seq.is_(None))).scalar_one()
        if isinstance(came[1], Exception):
            assert (state, out, reserved) == ("picking", True, 1)
        else:
            assert (state, reserved) == ("cancelled", 0)
        with shared.write() as work:
            work.actor = cast(work, "manager")
            if state != "cancelled":
                transition(work, code, "cancelled", "tidy up")
            if standing(work, tube).is_out:
                from biobank.specimens.service import do

                do(work, specimen_id, "return", {})
    assert sound(shared)


def test_the_last_two_tubes_handed_over_at_once_end_the_picking(shared):
    first, second = stock(shared, 4)[:2]
    code = approved(shared, 2)
    with shared.write() as work:
        work.actor = cast(work, "manager")
        allocate(work, code, 1, [first, second])
        ids = {tube: standing(work, tube).specimen_id for tube in (first, second)}
        for tube in (first, second):
            pick(work, code, ids[tube], tube)
    came = at_once(shared, [lambda work, tube=tube: deliver(work, code, ids[tube], tube) for tube in (first, second)])
    assert not [one for one in came if isinstance(one, NotYet | Exception)]
    with shared.read() as work:
        work.actor = cast(work, "manager")
        assert queries.request(work, code).state == "delivered"
    assert sound(shared)
