"""Two at once for one thing: exactly one wins, the other learns why, and nothing is left half done."""

from __future__ import annotations

import threading
from collections import Counter
from functools import partial
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from biobank.app import CHECKS
from biobank.core.codes import spaced
from biobank.ledger import service as ledger
from biobank.ledger.rules import Head, Line
from tests.availability.stock import STUDY, aliquots, child, draw
from tests.drills.server import FULL, Answer, Caller, Server, race, sweep, timed, together
from tests.drills.stock import box, lay_in, primaries

pytestmark = [pytest.mark.drill, pytest.mark.xdist_group("drills")]

RACES = 400 if FULL else 40
# Children are numbered by drill, so that no two drills share one.
LAST, FOREIGN, PLACES, TWICE, WITHDRAWN, RESERVED, BOXED, SWAPPED, PLANNED, PROMISED = range(10_000, 110_000, 10_000)
SIGNED = {"form_version": "v1", "signed_on": "2026-11-19", "authority": "joint",
          "signatories": [{"role": "parent", "signed_on": "2026-11-19"}, {"role": "second-parent", "signed_on": "2026-11-19"}]}


def two(server: Server, *logins: str) -> list[Caller]:
    """Two clients with open connections."""
    return [server.caller(login).connect() for login in (logins or ("technician", "second"))]


def none_broken(answers: list[Answer]) -> None:
    """No fault, and no “somebody changed it” where a reason can be told."""
    for answer in answers:
        assert answer.status < 500, answer.raw
        assert answer.problem not in {"changed-in-between", "chain-moved"}, answer.raw


def clean(server: Server) -> None:
    """The ledger verifies."""
    with server.units.read() as work:
        assert list(ledger.verify(work, CHECKS)) == []


def rows(server: Server, query: str, **values: Any) -> list[Any]:
    """What a query finds underneath."""
    with server.units.read() as work:
        return list(work.session.execute(text(query), values).all())


def test_two_aliquotings_of_the_last_amount_one_wins(server: Server) -> None:
    one, other = two(server)
    body = {"count": 1, "volume": {"value": 1, "unit": "mL"}}
    for participant, tube in primaries(server, LAST, RACES):
        path = f"/specimens/{tube}/aliquots"
        answers = race(partial(one.post, path, body), partial(other.post, path, body))
        none_broken(answers)
        won, lost = sorted(answers, key=lambda answer: answer.status)
        assert (won.status, lost.status, lost.problem) == (201, 409, "over-draw"), (participant, lost.raw)
        assert won.body["parent"]["remaining"]["base"] == lost.body["left_base"] == 0
        made = rows(server, "SELECT p.child_id FROM parent p JOIN specimen s ON s.id = p.parent_id WHERE s.code = :code", code=tube)
        assert len(made) == 1
    clean(server)


def test_one_new_external_code_is_registered_once(server: Server) -> None:
    one, other = two(server)
    codes = [participant for participant, _ in primaries(server, FOREIGN, 2)]
    for number in range(RACES):
        foreign = {"issuer": "other biobank", "code": f"X-{number}"}
        bodies = [
            {"participant": codes[which], "study": STUDY, "material": "BM", "container_type": "CRYOVIAL", "purpose": "residual",
             "collected_at": "2026-11-20T08:00:00Z", "volume": {"value": 1, "unit": "mL"}, "external_code": foreign}
            for which in (0, number % 2)
        ]
        answers = race(
            partial(one.post, "/specimens", bodies[0], f"foreign-a-{number}"), partial(other.post, "/specimens", bodies[1], f"foreign-b-{number}")
        )
        none_broken(answers)
        won, lost = sorted(answers, key=lambda answer: answer.status)
        assert (won.status, lost.status, lost.problem) == (201, 409, "external-code-taken"), lost.raw
        assert lost.body["holder"] == spaced(won.body["specimen"]["code"])
    found = rows(server, "SELECT code, count(*) AS n FROM external_code WHERE issuer = 'other biobank' GROUP BY code")
    assert sorted((row.code, row.n) for row in found) == sorted((f"X-{number}", 1) for number in range(RACES))
    clean(server)


def test_two_tubes_into_one_position_one_is_stored(server: Server) -> None:
    one, other = two(server)
    stock = lay_in(server, first=PLACES, children=RACES // 20, each=40, draws=0, boxes=RACES // 40)
    for number in range(RACES):
        first, second = stock.tubes[2 * number : 2 * number + 2]
        position = f"{stock.boxes[number // 40]}:{'ABCDE'[number % 40 // 8]}{number % 8 + 1}"
        answers = race(*(
            partial(caller.post, "/scans", {"code": tube, "act": "store", "position": position}, f"place-{tube}")
            for caller, tube in ((one, first), (other, second))
        ))
        none_broken(answers)
        winner = first if answers[0].status == 200 else second
        won, lost = sorted(answers, key=lambda answer: answer.status)
        assert (won.status, lost.status, lost.problem) == (200, 409, "position-occupied"), lost.raw
        assert won.body["specimen"]["position"] == position
        assert (lost.body["occupant"], lost.body["verdict"]) == (spaced(winner), "refused")
    clean(server)


def test_sixteen_tubes_into_one_box_each_find_a_place(server: Server) -> None:
    """The next free position, asked for by everybody at once: nobody is turned away while there is room, and the 17th learns that it is full."""
    rounds = 5
    stock = lay_in(server, first=BOXED, children=rounds, each=17, draws=0, boxes=0)
    callers = [server.caller("technician").connect() for _ in range(17)]
    for turn in range(rounds):
        small = server.as_("manager", lambda work: box(work, "Small", 4, 4))
        tubes = stock.tubes[turn * 17 : (turn + 1) * 17]
        answers = race(*(
            partial(caller.post, "/scans", {"code": tube, "act": "store", "context": {"container": small}})
            for caller, tube in zip(callers, tubes, strict=True)
        ))
        none_broken(answers)
        assert Counter(answer.problem for answer in answers) == {"": 16, "container-full": 1}
        assert len({answer.body["specimen"]["position"] for answer in answers if answer.status == 200}) == 16
    clean(server)


def test_two_tubes_that_change_places_never_wait_for_each_other(server: Server) -> None:
    """Each wants the other's position: refused or moved, but never a deadlock that anybody sees."""
    one, other = two(server)
    stock = lay_in(server, first=SWAPPED, children=1, each=2, draws=0, boxes=1)
    tubes, here = stock.tubes, stock.boxes[0]
    for tube, position in zip(tubes, ("A1", "A2"), strict=True):
        one.made("/scans", {"code": tube, "act": "store", "position": f"{here}:{position}"})
    for number in range(RACES):
        # There, back, and once both straight into each other's place.
        goals = (("A2", "A3"), ("A1", "A2"), ("A2", "A1"))[number % 3]
        answers = race(*(
            partial(caller.post, "/scans", {"code": tube, "act": "move", "position": f"{here}:{goal}"})
            for caller, tube, goal in zip((one, other), tubes, goals, strict=True)
        ))
        none_broken(answers)
        assert {answer.problem for answer in answers} <= {"", "position-occupied"}
    clean(server)


def test_a_request_sent_twice_at_once_is_applied_once(server: Server) -> None:
    one, other = (server.caller("technician").connect() for _ in range(2))
    stock = lay_in(server, first=TWICE, children=RACES // 40, each=40, draws=0, boxes=0)
    for tube in stock.tubes:
        good = {"code": tube, "act": "thaw"}
        wrong = {"code": tube, "act": "thaw", "facts": {"count": 2}}
        for number, body in enumerate((good, wrong)):
            first, second = race(*(partial(caller.post, "/scans", body, f"twice-{tube}-{number}") for caller in (one, other)))
            none_broken([first, second])
            assert (first.status, first.raw) == (second.status, second.raw)
            assert first.status == (200 if body is good else 422)
            assert sorted([first.replayed, second.replayed]) == [False, True]
    found = rows(server, "SELECT st.code, st.seq, st.thaws FROM standing st")
    twice = set(stock.tubes)
    assert {(row.seq, row.thaws) for row in found if row.code in twice} == {(2, 1)}
    clean(server)


def test_withdrawing_while_aliquoting_leaves_no_usable_child(server: Server) -> None:
    technician, officer = two(server, "technician", "consent")
    choice = {"study": STUDY, "components": [{"component": "residual_storage", "effect": "no-further-use"}]}
    outcomes: Counter[str] = Counter()
    for number, (participant, tube) in enumerate(primaries(server, WITHDRAWN, RACES, volume=4_000_000)):
        made, withdrawn = race(
            partial(technician.post, f"/specimens/{tube}/aliquots", {"count": 4, "volume": {"value": 250, "unit": "uL"}}),
            partial(officer.post, f"/participants/{participant}/withdrawals", choice),
            head_start=(number % 20 - 10) * 0.004,
        )
        none_broken([made, withdrawn])
        assert withdrawn.status == 201, withdrawn.raw
        outcomes["aliquots first" if made.status == 201 else made.problem] += 1
        held = rows(
            server,
            "SELECT st.code, st.status, h.kind FROM standing st JOIN participant p ON p.id = st.participant_id"
            " LEFT JOIN hold h ON h.specimen_id = st.specimen_id AND h.closed_seq IS NULL WHERE p.code = :code",
            code=participant,
        )
        assert all(row.kind == "withdrawn" or row.status == "cancelled" for row in held), held
        here = [row for row in held if row.status == "in_custody"]
        assert len(here) == (5 if made.status == 201 else 1)
    print(f"\n{server.engine}: {dict(outcomes)}")
    assert set(outcomes) <= {"aliquots first", "consent-refused", "held"}
    clean(server)


def test_a_withdrawal_and_a_reservation_at_once_leave_nothing_promised(server: Server) -> None:
    """Whichever comes first: a withdrawal frees what was reserved before it, and nothing is reserved after it.

    Nothing else stands between the two: they write to no row in common, so this is the lock on the participant alone.
    """
    manager, officer = two(server, "manager", "consent")
    (_, sooner), *stock = primaries(server, PROMISED, RACES + 1)
    (request, _) = requests_for(server, RACES + 1)
    ended: Counter[str] = Counter()

    def promise(tube: str) -> Answer:
        return manager.post(f"/requests/{request}/allocation", {"item": 1, "specimens": [tube], "reason": "agreed"})

    took = timed(partial(promise, sooner))
    for number, (participant, tube) in enumerate(stock):
        promised, withdrawn = race(
            partial(promise, tube),
            partial(officer.post, f"/participants/{participant}/withdrawals", {
                "study": STUDY, "components": [{"component": "extra_use", "effect": "no-further-use"}],
            }),
            head_start=sweep(number, took, 0.2),
        )
        none_broken([promised, withdrawn])
        assert withdrawn.status == 201, withdrawn.raw
        ended["reserved first" if promised.status == 200 else promised.problem] += 1
        assert open_reservations(server, [tube]) == {}, f"{tube} is promised although its use was withdrawn"
    print(f"\n{server.engine}: {dict(ended)}")
    assert set(ended) <= {"reserved first", "tube-not-available", "consent-refused"}, ended
    clean(server)


def requests_for(server: Server, count: int) -> list[str]:
    """Two approved requests for many tubes."""
    manager, reviewer = server.caller("manager"), server.caller("reviewer")
    made = []
    for _ in range(2):
        body = {"study": STUDY, "purpose": "supply", "items": [{"material": "BM", "n": count}]}
        code = manager.made("/requests", body)["code"]
        manager.made(f"/requests/{code}/transitions", {"to": "submitted"})
        reviewer.made(f"/requests/{code}/transitions", {"to": "approved"})
        made.append(code)
    return made


def open_reservations(server: Server, codes: list[str]) -> dict[str, int]:
    """How many open reservations each tube has."""
    found = rows(
        server, "SELECT s.code, count(*) AS n FROM reservation r JOIN specimen s ON s.id = r.specimen_id WHERE r.closed_seq IS NULL GROUP BY s.code"
    )
    return {row.code: row.n for row in found if row.code in set(codes)}


def test_two_reservations_of_one_tube_one_wins(server: Server) -> None:
    one, other = two(server, "manager", "manager")
    stock = lay_in(server, first=RESERVED, children=2, each=RACES // 2, draws=0, boxes=0)
    asking = requests_for(server, RACES)
    for tube in stock.tubes:
        answers = race(*(
            partial(caller.post, f"/requests/{request}/allocation", {"item": 1, "specimens": [tube], "reason": "agreed"})
            for caller, request in zip((one, other), asking, strict=True)
        ))
        none_broken(answers)
        won, lost = sorted(answers, key=lambda answer: answer.status)
        assert (won.status, lost.status) == (200, 409), lost.raw
        assert lost.problem in {"reserved", "tube-not-available"}, lost.raw
    assert open_reservations(server, stock.tubes) == dict.fromkeys(stock.tubes, 1)
    clean(server)


def test_two_plans_over_the_same_tubes_share_them_without_a_deadlock(server: Server) -> None:
    one, other = two(server, "manager", "manager")
    rounds, each = (20, 12) if FULL else (5, 12)
    for turn in range(rounds):
        lay_in(server, first=PLANNED + turn, children=1, each=each, draws=0, boxes=0)
        first, second = requests_for(server, each // 2)
        answers = race(*(
            partial(caller.post, f"/requests/{request}/allocation", {"item": 1, "reason": "agreed"})
            for caller, request in zip((one, other), (first, second), strict=True)
        ))
        none_broken(answers)
        assert [answer.status for answer in answers] == [200, 200], [answer.raw for answer in answers]
        reserved = [code for answer in answers for code in answer.body["reserved"]]
        assert len(reserved) == len(set(reserved)) == each
        assert open_reservations(server, reserved) == dict.fromkeys(reserved, 1)
    clean(server)


def test_decisions_and_acts_on_one_child_never_deadlock(server: Server) -> None:
    """Scans, aliquots, plans and decisions on the same child from eight clients: every answer is a result or a reason."""
    participant, tubes = server.as_("manager", lambda work: _child_with_tubes(work))
    callers = [server.caller("manager").connect() for _ in range(8)]
    rounds = RACES // 4

    def decide(caller: Caller, number: int) -> list[Answer]:
        answers = []
        for turn in range(rounds):
            body = {"study": STUDY, "component": "residual_storage", "answer": "yes" if turn % 2 else "no", **SIGNED}
            answers.append(caller.post(f"/participants/{participant}/consent-decisions", body))
        return answers

    def handle(caller: Caller, number: int) -> list[Answer]:
        answers = []
        for turn in range(rounds):
            tube = tubes[(number + turn) % len(tubes)]
            answers.append(caller.post("/scans", {"code": tube, "act": "check-out", "facts": {"for": "work"}}))
            answers.append(caller.post("/scans", {"code": tube, "act": "return"}))
            answers.append(caller.post(f"/specimens/{tube}/aliquots", {"count": 2, "volume": {"value": 1, "unit": "uL"}}))
            answers.append(caller.post("/collections", {"participant": participant, "study": STUDY, "event": "DX", "planned_on": "2026-11-20"}))
        return answers

    jobs = [partial(decide if number < 2 else handle, caller, number) for number, caller in enumerate(callers)]
    answers = [answer for each in together(jobs) for answer in each]
    none_broken(answers)
    print(f"\n{server.engine}: {dict(Counter(answer.problem or str(answer.status) for answer in answers))}")
    clean(server)


def _child_with_tubes(work: Any) -> tuple[str, list[str]]:
    participant = child(work, 9_999)
    return participant, aliquots(work, draw(work, participant, volume=4_000_000), 6, 500_000)


def test_an_entry_cannot_be_written_twice_even_past_the_locks(server: Server) -> None:
    """The net below the locks: two writers that read the chain's head before either wrote. The database itself takes one entry of the two."""
    code = lay_in(server, first=0, children=0, each=0, draws=0, boxes=1).boxes[0]
    ended: Counter[str] = Counter()
    for _ in range(RACES):
        (head,) = rows(server, "SELECT id, kind, ref, last_seq, last_hash, last_at FROM chain WHERE ref = :code", code=code)
        heads = {head.id: Head(f"{head.kind}/{head.ref}", head.last_seq, head.last_hash, None)}
        gate = threading.Barrier(2)

        def write(heads: dict[int, Head] = heads, gate: threading.Barrier = gate) -> str:
            gate.wait(30)
            try:
                server.as_("manager", lambda work: ledger.append(work, [Line(chain, "noted", {}) for chain in heads], heads))
            except IntegrityError:
                return "refused by the database"
            return "written"

        ended.update(together([write, write]))
    assert ended == {"written": RACES, "refused by the database": RACES}
    assert rows(server, "SELECT chain_id, seq FROM entry GROUP BY chain_id, seq HAVING count(*) > 1") == []
    clean(server)
