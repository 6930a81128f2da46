"""A swap that is confirmed while others work on the same tubes: one story, whole trees, and no consent that is passed by."""

from __future__ import annotations

from collections import Counter
from functools import partial
from typing import Any

import pytest
from sqlalchemy import text

from biobank.app import CHECKS
from biobank.core.work import Grant, Work
from biobank.identity import service as identity
from biobank.ledger import service as ledger
from tests.availability.stock import STUDY, aliquots, child, draw
from tests.drills.server import FULL, Answer, Server, race

pytestmark = [pytest.mark.drill, pytest.mark.xdist_group("drills")]

RACES = 200 if FULL else 14
# Children are numbered by drill, so that no two drills share one.
CONFIRMED, TAKEN, SCANNED, RESERVED, WITHDRAWN, PROPOSED = range(500_000, 560_000, 10_000)
SECONDS = ("deputy", "deputy-too")
# child, the drawn tube, its two aliquots
Tree = tuple[str, str, list[str]]


@pytest.fixture
def seated(server: Server) -> Server:
    """Two more people who may confirm."""

    def seat(work: Work) -> None:
        for login in SECONDS:
            identity.add_person(work, login, login, "a long enough password", "maxima", [Grant("manager")])
            server.tokens[login] = identity.make_token(work, login)

    if SECONDS[0] not in server.tokens:
        server.as_("manager", seat)
    return server


def trees(server: Server, first: int, count: int) -> list[tuple[Tree, Tree]]:
    """Pairs of trees of two children each."""

    def lay(work: Work) -> list[tuple[Tree, Tree]]:
        made: list[Tree] = []
        for number in range(first, first + 2 * count):
            code = child(work, number)
            marrow = draw(work, code, volume=2_000_000)
            made.append((code, marrow, aliquots(work, marrow, 2)))
        return list(zip(made[::2], made[1::2], strict=True))

    return server.as_("manager", lay)


def swap(server: Server, one: Tree, other: Tree) -> str:
    """A swap that waits: where it is confirmed."""
    proposed = server.caller("manager").post(f"/specimens/{one[1]}/reassign", {"with": other[1], "reason": "drilled"})
    assert proposed.status == 202, proposed.raw
    return f"/corrections/{proposed.body['id']}/confirmation"


def none_broken(answers: list[Answer]) -> None:
    """No fault, and a reason where something was refused."""
    for answer in answers:
        assert answer.status < 500, answer.raw
        assert answer.problem not in {"changed-in-between", "chain-moved", "overtaken"}, answer.raw


def rows(server: Server, query: str, **values: Any) -> list[Any]:
    """What a query finds underneath."""
    with server.units.read() as work:
        return list(work.session.execute(text(query), values).all())


def whose(server: Server, primary: str) -> set[str]:
    """The children that a drawn tube and its aliquots belong to, by standing and by draw: one, or the tree is torn."""
    query = (
        "SELECT p.code AS here, o.code AS drawn FROM specimen s JOIN standing st ON st.specimen_id = s.id"
        " JOIN participant p ON p.id = st.participant_id JOIN collection c ON c.id = s.collection_id JOIN enrolment e ON e.id = c.enrolment_id"
        " JOIN participant o ON o.id = e.participant_id WHERE s.code = :code OR s.id IN"
        " (SELECT k.child_id FROM parent k JOIN specimen m ON m.id = k.parent_id WHERE m.code = :code)"
    )
    return {code for row in rows(server, query, code=primary) for code in (row.here, row.drawn)}


def clean(server: Server) -> None:
    """The ledger verifies."""
    with server.units.read() as work:
        assert list(ledger.verify(work, CHECKS)) == []


def test_two_people_confirm_at_once(seated: Server) -> None:
    callers = [seated.caller(login).connect() for login in SECONDS]
    for one, other in trees(seated, CONFIRMED, RACES):
        at = swap(seated, one, other)
        answers = race(*(partial(caller.post, at) for caller in callers))
        none_broken(answers)
        won, lost = sorted(answers, key=lambda answer: answer.status)
        assert (won.status, lost.status, lost.problem) == (201, 409, "correction-answered"), lost.raw
        assert whose(seated, one[1]) == {other[0]} and whose(seated, other[1]) == {one[0]}
        query = "SELECT count(*) AS n FROM entry e JOIN chain c ON c.id = e.chain_id WHERE c.ref = :code AND e.act = 'reassign'"
        assert [rows(seated, query, code=code)[0].n for code in (one[1], *one[2], other[1], *other[2])] == [1] * 6
    clean(seated)


def test_an_aliquot_is_taken_during_the_confirmation(seated: Server) -> None:
    """Either the new tube is part of what was confirmed too late, and named; or it is born as the right child's."""
    deputy, bench = seated.caller(SECONDS[0]).connect(), seated.caller("technician").connect()
    ended: Counter[str] = Counter()
    for number, (one, other) in enumerate(trees(seated, TAKEN, RACES)):
        at = swap(seated, one, other)
        confirmed, taken = race(
            partial(deputy.post, at), partial(bench.post, f"/specimens/{one[1]}/aliquots", {"count": 2, "volume": {"value": 1, "unit": "uL"}}),
            head_start=(number % 14 - 7) * 0.006,
        )
        none_broken([confirmed, taken])
        assert taken.status == 201, taken.raw
        ended[confirmed.problem or "confirmed first"] += 1
        assert whose(seated, one[1]) == {other[0] if confirmed.status == 201 else one[0]}
        if confirmed.status == 201:
            assert {tube["participant"] for tube in taken.body["specimens"]} == {other[0]}
    print(f"\n{seated.engine}: {dict(ended)}")
    assert set(ended) <= {"confirmed first", "correction-overtaken"}
    clean(seated)


def test_scans_go_on_during_the_confirmation(seated: Server) -> None:
    """Reports are never refused for it, and both are in the chain."""
    deputy, bench = seated.caller(SECONDS[0]).connect(), seated.caller("technician").connect()
    for number, (one, other) in enumerate(trees(seated, SCANNED, RACES)):
        at = swap(seated, one, other)
        scan = {"code": one[2][0], "act": ("check-out", "thaw", "return")[number % 3]}
        answers = race(partial(deputy.post, at), partial(bench.post, "/scans", scan), head_start=(number % 14 - 7) * 0.004)
        none_broken(answers)
        assert [answer.status for answer in answers] == [201, 200], [answer.raw for answer in answers]
        assert whose(seated, one[1]) == {other[0]} and whose(seated, other[1]) == {one[0]}
    clean(seated)


def test_a_reservation_during_the_confirmation_ends_or_is_of_the_right_child(seated: Server) -> None:
    deputy, manager, reviewer = (seated.caller(login).connect() for login in (SECONDS[0], "manager", "reviewer"))
    request = manager.made("/requests", {"study": STUDY, "purpose": "supply", "items": [{"material": "BM", "n": RACES}]})["code"]
    for caller, state in ((manager, "submitted"), (reviewer, "approved")):
        caller.made(f"/requests/{request}/transitions", {"to": state})
    ended: Counter[str] = Counter()
    for number, (one, other) in enumerate(trees(seated, RESERVED, RACES)):
        # Supply is refused for the child that the tube turns out to be of: whoever reserves afterwards must meet that.
        no = {"study": STUDY, "components": [{"component": "extra_use", "effect": "no-further-use"}]}
        manager.made(f"/participants/{other[0]}/withdrawals", no)
        at = swap(seated, one, other)
        tube = one[2][0]
        confirmed, reserved = race(
            partial(deputy.post, at),
            partial(manager.post, f"/requests/{request}/allocation", {"item": 1, "specimens": [tube], "reason": "agreed"}),
            head_start=(number % 14 - 7) * 0.006,
        )
        none_broken([confirmed, reserved])
        assert confirmed.status == 201, confirmed.raw
        ended[reserved.problem or "reserved first"] += 1
        open_ = rows(
            seated, "SELECT r.id FROM reservation r JOIN specimen s ON s.id = r.specimen_id WHERE s.code = :code AND r.closed_seq IS NULL", code=tube
        )
        assert open_ == [], f"{tube} is promised although its child's consent refuses it"
    print(f"\n{seated.engine}: {dict(ended)}")
    assert set(ended) <= {"reserved first", "consent-refused", "tube-not-available"}
    clean(seated)


def test_a_withdrawal_during_the_confirmation_bites_the_right_tubes(seated: Server) -> None:
    deputy, officer = seated.caller(SECONDS[0]).connect(), seated.caller("consent").connect()
    choice = {"study": STUDY, "components": [{"component": "residual_storage", "effect": "no-further-use"}]}
    for number, (one, other) in enumerate(trees(seated, WITHDRAWN, RACES)):
        at = swap(seated, one, other)
        answers = race(
            partial(deputy.post, at), partial(officer.post, f"/participants/{one[0]}/withdrawals", choice), head_start=(number % 14 - 7) * 0.004
        )
        none_broken(answers)
        # A plan that the withdrawal cancelled first is none of these tubes: both always succeed.
        assert [answer.status for answer in answers] == [201, 201], [answer.raw for answer in answers]
        query = (
            "SELECT s.code FROM hold h JOIN specimen s ON s.id = h.specimen_id"
            " WHERE h.closed_seq IS NULL AND h.kind = 'withdrawn' AND s.code IN (:a, :b, :c, :d, :e, :f)"
        )
        codes = dict(zip("abcdef", (one[1], *one[2], other[1], *other[2]), strict=True))
        assert {row.code for row in rows(seated, query, **codes)} == {other[1], *other[2]}
    clean(seated)


def test_two_proposals_about_one_tree_one_waits(seated: Server) -> None:
    callers = [seated.caller(login).connect() for login in ("manager", SECONDS[0])]
    for (one, other), (third, _) in zip(*[iter(trees(seated, PROPOSED, RACES))] * 2, strict=True):
        answers = race(*(
            partial(caller.post, f"/specimens/{mine[1]}/reassign", {"with": other[1], "reason": "drilled"})
            for caller, mine in zip(callers, (one, third), strict=True)
        ))
        none_broken(answers)
        won, lost = sorted(answers, key=lambda answer: answer.status)
        assert (won.status, lost.status, lost.problem) == (202, 409, "correction-waits"), lost.raw
    clean(seated)
