"""Where another system of this kind loses holds, tubes or amounts, measured there: the same done to ours, the same number of rounds.

Every drill counts what it met (`counts` in the report). Two acts at once are entries of one chain in some order, and each order has one right end.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from biobank.core.clock import SystemClock
from tests.availability.stock import STUDY, aliquots, child, draw
from tests.drills.conftest import Count
from tests.drills.server import Answer, Caller, Server, race, sweep
from tests.drills.stock import lay_in, primaries
from tests.drills.test_races import clean, none_broken, requests_for, rows, two

pytestmark = [pytest.mark.drill, pytest.mark.xdist_group("drills")]

# As often as there.
HELD, STORED, DRAWN, HANDED = 200, 96, 30, 40
# Children are numbered by drill, so that no two drills share one.
TAKEN, WITHDRAWN, AWAY, FIVE, GIVEN, OUT, EXACT = range(200_000, 270_000, 10_000)
# Seconds that one of these acts takes, about: head starts go through all of it.
TAKES = 0.03
PARENTS = ("parent", "second-parent")


def scan(code: str, act: str, facts: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    """The body of a scan."""
    return {"code": code, "act": act, **({"facts": facts} if facts else {}), **more}


def withdrawal(component: str = "residual_storage") -> dict[str, Any]:
    """The body of a withdrawal."""
    return {"study": STUDY, "components": [{"component": component, "effect": "no-further-use"}]}


def consent_again(caller: Caller, participant: str, component: str = "residual_storage") -> None:
    """The family says yes again, so that the same child serves another round."""
    today = SystemClock().now().astimezone(ZoneInfo("Europe/Amsterdam")).date().isoformat()
    signed = {"signed_on": today, "authority": "joint", "signatories": [{"role": role, "signed_on": today} for role in PARENTS]}
    body = {"study": STUDY, "component": component, "answer": "yes", "form_version": "v1", **signed}
    caller.made(f"/participants/{participant}/consent-decisions", body)


def tubes_of(server: Server, participant: str) -> dict[str, tuple[str, set[str]]]:
    """Status and open holds of every tube of a child, as the acts see them: a hold that the standing does not count holds nothing."""
    found: dict[str, tuple[str, set[str]]] = {}
    query = (
        "SELECT st.code, st.status, h.kind FROM standing st JOIN participant p ON p.id = st.participant_id"
        " LEFT JOIN hold h ON h.specimen_id = st.specimen_id AND h.closed_seq IS NULL AND st.open_holds > 0 WHERE p.code = :code"
    )
    for row in rows(server, query, code=participant):
        found.setdefault(row.code, (row.status, set()))[1].update({row.kind} - {None})
    return found


def holds(server: Server, codes: Iterable[str]) -> dict[str, set[str]]:
    """Open holds of tubes."""
    wanted = list(codes)
    query = "SELECT st.code, h.kind FROM hold h JOIN standing st USING (specimen_id) WHERE h.closed_seq IS NULL AND st.open_holds > 0"
    found = rows(server, query)
    return {code: {row.kind for row in found if row.code == code} for code in wanted}


# ---- holds -----------------------------------------------------------------------------------------------------------


def test_a_hold_while_aliquoting_is_never_lost(server: Server, count: Count) -> None:
    """There 62 of 200 holds were lost, and 130 were answered with a 500."""
    manager, technician = two(server, "manager", "technician")
    tubes = lay_in(server, first=TAKEN, children=5, each=HELD // 5, draws=0, boxes=0).tubes
    ended: Counter[str] = Counter()
    for number, tube in enumerate(tubes):
        held, taken = race(
            partial(manager.post, "/scans", scan(tube, "hold", {"kind": "quarantine", "reason": "doubt"})),
            partial(technician.post, f"/specimens/{tube}/aliquots", {"count": 2, "volume": {"value": 10, "unit": "uL"}}),
            head_start=sweep(number, TAKES),
        )
        none_broken([held, taken])
        assert (held.status, taken.status) == (200, 201), (held.raw, taken.raw)
        made = [one["code"] for one in taken.body["specimens"]]
        held_first = held.body["entry"]["seq"] < taken.body["entry"]["seq"]
        met = holds(server, [tube, *made])
        ended["lost holds"] += met.pop(tube) != {"quarantine"}
        # Taken from a held tube is held; taken before it is not.
        ended["usable children of a held tube"] += sum(held_first and one != {"quarantine"} for one in met.values())
        ended["held first" if held_first else "taken first"] += 1
    count(f"hold while aliquoting, {len(tubes)} times", dict(ended))
    assert ended["lost holds"] == ended["usable children of a held tube"] == 0
    clean(server)


def test_a_withdrawal_while_aliquoting_is_never_lost(server: Server, count: Count) -> None:
    """The same with the hold that follows from consent, which reaches every descendant."""
    officer, technician = two(server, "consent", "technician")
    ended: Counter[str] = Counter()
    for turn, (participant, tube) in enumerate(primaries(server, WITHDRAWN, 20, volume=4_000_000)):
        for number in range(HELD // 20):
            withdrawn, taken = race(
                partial(officer.post, f"/participants/{participant}/withdrawals", withdrawal()),
                partial(technician.post, f"/specimens/{tube}/aliquots", {"count": 2, "volume": {"value": 10, "unit": "uL"}}),
                head_start=sweep(turn + 2 * number, TAKES),
            )
            none_broken([withdrawn, taken])
            assert withdrawn.status == 201, withdrawn.raw
            assert taken.status == 201 or taken.problem in {"consent-refused", "held"}, taken.raw
            here = [held for status, held in tubes_of(server, participant).values() if status == "in_custody"]
            ended["not held"] += sum("withdrawn" not in held for held in here)
            ended["taken first" if taken.status == 201 else "withdrawn first"] += 1
            consent_again(officer, participant)
    count(f"withdrawal while aliquoting, {HELD} times", dict(ended))
    assert ended["not held"] == 0
    clean(server)


def test_a_withdrawal_while_storing_holds_every_tube(server: Server, count: Count) -> None:
    """There 45 tubes were not held after 96 holds on their child."""
    officer, first, second = (server.caller(login).connect() for login in ("consent", "technician", "second"))
    children = server.as_("manager", lambda work: [
        (code, aliquots(work, draw(work, code), 2)) for code in (child(work, AWAY + number) for number in range(8))
    ])
    boxes = lay_in(server, first=AWAY + 100, children=0, each=0, draws=0, boxes=8).boxes
    ended: Counter[str] = Counter()
    for turn, (participant, tubes) in enumerate(children):
        for number in range(STORED // 8):
            answers = race(
                partial(officer.post, f"/participants/{participant}/withdrawals", withdrawal()),
                *(partial(caller.post, "/scans", scan(tube, "store", position=f"{boxes[turn]}:{'ABCDEFGH'[number % 8]}{place + number // 8 * 2}"))
                  for place, (caller, tube) in enumerate(zip((first, second), tubes, strict=True), start=1)),
                head_start=sweep(turn + 2 * number, TAKES),
            )
            none_broken(answers)
            assert [answer.status for answer in answers] == [201, 200, 200], [answer.raw for answer in answers]
            met = tubes_of(server, participant)
            ended["not held"] += sum("withdrawn" not in held for status, held in met.values() if status == "in_custody")
            ended["stored first"] += sum(not answer.body["specimen"]["holds"] for answer in answers[1:])
            ended["held first"] += sum(bool(answer.body["specimen"]["holds"]) for answer in answers[1:])
            consent_again(officer, participant)
    count(f"withdrawal while storing, {STORED} times, two tubes each", dict(ended))
    assert ended["not held"] == 0
    clean(server)


# ---- amounts ---------------------------------------------------------------------------------------------------------


def test_ten_aliquotings_of_five_millilitres_share_them(server: Server, count: Count) -> None:
    """There the amounts no longer added up in 10 of 30, and most were answered with a 500."""
    callers = [server.caller("technician").connect() for _ in range(10)]
    ended: Counter[str] = Counter()
    for _, tube in primaries(server, FIVE, DRAWN, volume=5_000_000):
        body = {"count": 1, "volume": {"value": 1, "unit": "mL"}}
        answers = race(*(partial(caller.post, f"/specimens/{tube}/aliquots", body) for caller in callers))
        none_broken(answers)
        met = Counter(answer.problem or str(answer.status) for answer in answers)
        assert met == {"201": 5, "over-draw": 5}, met
        found = rows(server, "SELECT st.remaining, st.code FROM standing st JOIN lot ON lot.id = st.lot_id WHERE lot.code = :code", code=tube)
        assert sorted((row.code == tube, row.remaining) for row in found) == [(False, 1_000_000)] * 5 + [(True, 0)]
        ended["conserved"] += 1
    count(f"ten aliquotings at once on 5 mL, {DRAWN} times", dict(ended))
    clean(server)


@pytest.mark.parametrize(("volume", "times"), [(300_000, 3), (1_000_000, 10)])
def test_tenths_of_a_millilitre_add_up(server: Server, count: Count, volume: int, times: int) -> None:
    """There 3 × 0.1 out of 0.3 was refused, and 10 × 0.1 left 1.4e-17 of 1."""
    technician = server.caller("technician")
    ((_, tube),) = primaries(server, EXACT + times, 1, volume=volume)
    body = {"count": 1, "volume": {"value": 0.1, "unit": "mL"}}
    left = [technician.made(f"/specimens/{tube}/aliquots", body)["parent"]["remaining"]["base"] for _ in range(times)]
    assert left == [volume - 100_000 * number for number in range(1, times + 1)]
    refused = technician.post(f"/specimens/{tube}/aliquots", body)
    assert (refused.status, refused.problem, refused.body["left_base"]) == (409, "over-draw", 0)
    count(f"{times} × 0.1 mL out of {volume / 1e6} mL leave", left[-1])
    ((_, whole),) = primaries(server, EXACT + 20 + times, 1, volume=volume)
    made = technician.made(f"/specimens/{whole}/aliquots", {"count": times, "volume": {"value": 0.1, "unit": "mL"}})
    assert (made["parent"]["remaining"]["base"], len(made["specimens"])) == (0, times)


# ---- on the way to somebody ------------------------------------------------------------------------------------------


def picked(server: Server, first: int, tubes: int) -> tuple[str, list[tuple[str, str]]]:
    """A request with picked tubes, each of another child: the request's code, and pairs of child and tube."""
    stock = primaries(server, first, tubes + 1)
    manager = server.caller("manager")
    (request, _) = requests_for(server, tubes)
    wanted = [tube for _, tube in stock[:tubes]]
    manager.made(f"/requests/{request}/allocation", {"item": 1, "specimens": wanted, "reason": "agreed"})
    for tube in wanted:
        manager.made("/scans", scan(tube, "pick", context={"pick_list": request}))
    return request, stock[:tubes]


def test_a_picked_tube_that_is_held_is_not_handed_over(server: Server, count: Count) -> None:
    """There it ships in spite of the hold."""
    request, stock = picked(server, GIVEN, HANDED)
    manager, technician = two(server, "manager", "technician")
    given = {"context": {"pick_list": request}}
    ended: Counter[str] = Counter()
    for number, (_, tube) in enumerate(stock):
        hold = partial(manager.post, "/scans", scan(tube, "hold", {"kind": "identity", "reason": "doubt"}))
        deliver = partial(technician.post, "/scans", scan(tube, "deliver", **given))
        if number < HANDED // 2:
            held, handed = hold(), deliver()
            assert (handed.status, handed.problem) == (409, "held"), handed.raw
        else:
            held, handed = race(hold, deliver, head_start=sweep(number, TAKES))
        none_broken([held, handed])
        assert held.status == 200, held.raw
        now = technician.get(f"/specimens/{tube}").body
        ended["lost holds"] += [one["kind"] for one in now["holds"]] != ["identity"]
        if handed.status == 200:
            assert handed.body["entry"]["seq"] < held.body["entry"]["seq"]
            ended["handed over, then held"] += 1
        else:
            assert (handed.problem, now["status"]) == ("held", "in_custody")
            ended["held, not handed over"] += 1
    count(f"pick, hold, hand over, {HANDED} times", dict(ended))
    assert ended["lost holds"] == 0
    clean(server)


def test_a_tube_that_is_gone_stays_gone_on_every_path(server: Server, count: Count) -> None:
    """There a destroyed tube comes back as registered when its shipment arrives."""
    request, stock = picked(server, GIVEN + 1_000, HANDED // 2)
    manager, technician = two(server, "manager", "technician")
    box = lay_in(server, first=GIVEN + 2_000, children=0, each=0, draws=0, boxes=1).boxes[0]
    listed = {"context": {"pick_list": request}}
    ended: Counter[str] = Counter()
    for number, (_, tube) in enumerate(stock):
        dispose = partial(technician.post, "/scans", scan(tube, "dispose", {"reason": "shelf life", "witness": "second"}))
        deliver = partial(manager.post, "/scans", scan(tube, "deliver", **listed))
        gone, handed = race(dispose, deliver, head_start=sweep(number, TAKES)) if number % 2 else (dispose(), deliver())
        none_broken([gone, handed])
        assert gone.status == 200, gone.raw
        if handed.status == 200:
            # Handed over first: the disposal tells of a tube that is not here, which is a discrepancy and no end.
            now = technician.get(f"/specimens/{tube}").body
            assert (now["status"], gone.body["verdict"], [hold["kind"] for hold in now["holds"]]) == ("with_recipient", "held", ["discrepancy"])
            ended["handed over, then told to be disposed of"] += 1
            continue
        ended["disposed of, not handed over"] += 1
        for act in (
            scan(tube, "receive", {"condition": "good"}), scan(tube, "return"), scan(tube, "find"), scan(tube, "thaw"), scan(tube, "collect"),
            scan(tube, "store", position=f"{box}:A1"), scan(tube, "move", position=f"{box}:A1"), scan(tube, "check-out"), scan(tube, "release"),
            scan(tube, "measure", {"volume": {"value": 1, "unit": "mL"}}), scan(tube, "pick", **listed), scan(tube, "unpick", **listed),
            scan(tube, "deliver", **listed), scan(tube, "undo"), scan(tube, "earmark", {"sub_study": "asparaginase"}),
            scan(tube, "aliquot", {"count": 1, "volume": {"value": 1, "unit": "uL"}}),
        ):
            answer = manager.post("/scans", act)
            none_broken([answer])
            now = technician.get(f"/specimens/{tube}").body
            assert (now["status"], now["remaining"]["base"], now["position"]) == ("gone", 0, None), act
            assert answer.status == 409 or answer.body["verdict"] == "held" or act["act"] in {"receive", "return", "find"} | REPORTED, answer.raw
            ended[f"acts {'refused' if answer.status >= 400 else 'told, and held'}"] += 1
    count(f"pick, dispose, hand over or bring back, {HANDED // 2} times", dict(ended))
    clean(server)


# Recorded of a gone tube, as a discrepancy; from the second on the hold is open already.
REPORTED = {"thaw", "collect", "store", "move", "measure"}


def test_a_withdrawal_reaches_tubes_that_are_out(server: Server, count: Count) -> None:
    """There it is refused while a tube is on its way, which is usable when it arrives."""
    request, stock = picked(server, OUT, 20)
    manager, officer = two(server, "manager", "consent")
    rounds = [(participant, tube, _more(server, participant)) for participant, tube in stock]
    ended: Counter[str] = Counter()
    for number, (participant, tube, (out, expected)) in enumerate(rounds):
        manager.made("/scans", scan(out, "check-out", {"for": "work"}))
        answers = race(
            partial(officer.post, f"/participants/{participant}/withdrawals", withdrawal()),
            partial(manager.post, "/scans", scan(tube, "deliver", context={"pick_list": request})),
            head_start=sweep(number, TAKES),
        )
        none_broken(answers)
        assert answers[0].status == 201, answers[0].raw
        ended["handed over first" if answers[1].status == 200 else "withdrawn first"] += 1
        met = tubes_of(server, participant)
        ended["not held"] += sum("withdrawn" not in held for status, held in met.values() if status != "cancelled")
        assert met[expected][0] == "cancelled"
        back: Answer = manager.post("/scans", scan(out, "return"))
        arrived = manager.post("/scans", scan(expected, "receive", {"condition": "good"}))
        assert back.status == arrived.status == 200, (back.raw, arrived.raw)
        assert {hold["kind"] for hold in arrived.body["specimen"]["holds"]} >= {"discrepancy"}
        for code in (out, expected):
            used = manager.post("/scans", scan(code, "check-out", {"for": "use:asparaginase"}))
            assert used.status == 409, used.raw
            ended["uses refused on coming back"] += 1
    count(f"withdrawal with tubes out, picked, handed over and expected, {len(rounds)} times", dict(ended))
    assert ended["not held"] == 0
    still = "SELECT s.code FROM reservation r JOIN specimen s ON s.id = r.specimen_id WHERE r.closed_seq IS NULL"
    assert {row.code for row in rows(server, still)} & {tube for _, tube in stock} == set()
    clean(server)


def _more(server: Server, participant: str) -> tuple[str, str]:
    """Two further tubes of a child: one in custody, and one that is expected."""

    def lay(work: Any) -> tuple[str, str]:
        out = draw(work, participant)
        expected = rows(server, "SELECT st.code FROM standing st JOIN participant p ON p.id = st.participant_id"
                                " WHERE p.code = :code AND st.status = 'expected' ORDER BY st.code", code=participant)
        return out, expected[0].code

    return server.as_("manager", lay)
