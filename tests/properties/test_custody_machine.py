"""Acts in any order, on both databases, against an oracle that shares nothing with the product.

After every act the rows of every tube equal what the oracle expects and what its own fold of the entries gives; amounts balance; and no entry
stands there that the consent of that moment forbids. `BIOBANK_DRILL=full` runs many more and longer lives.
"""

from __future__ import annotations

import os
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test
from sqlalchemy import Engine

from biobank.app import CHECKS
from biobank.core.units import Quantity
from biobank.core.work import Work
from biobank.corrections.service import propose_revival, propose_swap
from biobank.custody.service import Doing, record
from biobank.ledger import service as ledger
from biobank.settings import load_settings
from biobank.specimens.service import (
    NewArrival,
    NewDerivatives,
    amend,
    derive,
    earmark,
    register_arrival,
)
from tests.conftest import NOW
from tests.properties import oracle as told
from tests.properties.bench import BOTH, COMPONENTS, SOUGHT, STUDY, Bench
from tests.properties.oracle import Child, Oracle, Tube

FULL = os.environ.get("BIOBANK_DRILL") == "full"
BATCHES = 8 if FULL else 1
DEPTH = settings(
    max_examples=60, stateful_step_count=70 if FULL else 40, deadline=None, derandomize=not FULL, database=None,
    suppress_health_check=list(HealthCheck), report_multiple_bugs=False,
    # Whoever only wants to know whether a fault is met need not wait for its shortest story.
    phases=(Phase.generate,) if "BIOBANK_UNSHRUNK" in os.environ else (Phase.generate, Phase.shrink),
)
PROMISES = ("request/K000000A/1", "request/K000000B/1")

WHICH = st.one_of(st.sampled_from([*SOUGHT, "again", "again", "usable", "usable", "promised"]), st.integers(0, 25))
CHILD = st.integers(0, 2)
# The manager proposes; who answers, and how.
ANSWERS = st.sampled_from(["second", "second", "same", "declined"])
PLACED = ("store", "check-out")
AMOUNT = st.sampled_from([1, 100_000, 250_000, 1_000_000, 2_000_000, 4_000_000])
STATION = st.sampled_from(["bench-1", "bench-1", "bench-2"])
POSITION = st.one_of(st.none(), st.tuples(st.integers(1, 3), st.integers(1, 3)))
SPAN = st.sampled_from([timedelta(minutes=1), timedelta(minutes=9), timedelta(minutes=11), timedelta(days=1), timedelta(days=12), timedelta(days=29)])


class CustodyMachine(RuleBasedStateMachine, Bench):
    """One life of a small biobank, from the same beginning each time, and whatever happens then."""

    beginning: Bench

    def __init__(self) -> None:
        RuleBasedStateMachine.__init__(self)
        vars(self).update(vars(self.beginning.again()))
        self.here = self.connection.begin_nested()

    def teardown(self) -> None:
        try:
            with self.units.read() as work:
                assert list(ledger.verify(work, CHECKS)) == []
        finally:
            self.here.rollback()

    @invariant()
    def all_is_well(self) -> None:
        self.everything_holds()

    @rule(span=SPAN)
    def time_passes(self, span: timedelta) -> None:
        self.clock.forward(span)
        self.oracle.now = self.clock.now()

    # arrivals

    @rule(which=CHILD)
    @precondition(lambda self: len(self.oracle.tubes) < 30)
    def plan(self, which: int) -> None:
        self.plan_(self.child(which))

    @rule(
        which=CHILD, purpose=st.sampled_from(["residual", "extra"]), amount=st.one_of(st.none(), AMOUNT),
        material=st.sampled_from(["BM", "PB", "CSF_NATIVE"]),
    )
    @precondition(lambda self: len(self.oracle.tubes) < 35)
    def a_tube_arrives_that_nobody_planned(self, which: int, purpose: str, amount: int | None, material: str) -> None:
        child = self.child(which)
        quantity = Quantity(amount, "nL") if amount else None

        def arrive(work: Work) -> str:
            tube, _ = register_arrival(work, NewArrival(child, STUDY, material, "EDTA", purpose, work.now, quantity))
            self.know(work, [tube.code])
            return tube.code

        code = self.attempt(set(), arrive)
        self.oracle.tubes[code] = tube = Tube(code, child, material, lot=code, residual=purpose == "residual")
        self.oracle.did("receive", tube, self.clock.now(), "", condition="good", amount=amount)

    @rule(which=WHICH, condition=st.sampled_from(["good", "good", "damaged", "leaked", "missing", "rejected"]), amount=st.one_of(st.none(), AMOUNT))
    def receive(self, which: int | str, condition: str, amount: int | None) -> None:
        self.receive_(self.tube(which), condition, amount)

    @rule(which=WHICH, act=st.sampled_from(["collect", "release", "release", "cancel", "find", "thaw"]), ago=st.sampled_from([0, 0, 30]))
    def something_is_told(self, which: int | str, act: str, ago: int) -> None:
        self.simple(act, self.tube(which), ago=ago)

    # making

    @rule(which=WHICH, count=st.integers(1, 3), each=AMOUNT, measured=st.one_of(st.none(), st.none(), AMOUNT))
    @precondition(lambda self: len(self.oracle.tubes) < 40)
    def aliquot(self, which: int | str, count: int, each: int, measured: int | None) -> None:
        self.aliquot_(self.tube(which), count, each, measured)

    @rule(which=WHICH, choice=st.integers(0, 5), count=st.integers(1, 2), amount=st.one_of(st.none(), AMOUNT), used=st.one_of(st.none(), AMOUNT))
    @precondition(lambda self: len(self.oracle.tubes) < 40)
    def derive(self, which: int | str, choice: int, count: int, amount: int | None, used: int | None) -> None:
        tube = self.tube(which)
        known = sorted(told.MADE_OF.get(tube.material, {})) or ["SERUM"]
        material = known[choice % len(known)]
        unit = told.MADE_OF.get(tube.material, {}).get(material, ("nL", False))[0]
        amount = min(amount, 1000) if amount and unit == "pieces" else amount
        new = NewDerivatives(
            material, count, Quantity(amount, unit) if amount else None, Quantity(used, tube.unit) if used else None, {"g": 400, "minutes": 10}
        )

        def make(work: Work) -> list[str]:
            codes = [made.code for made in derive(work, tube.code, new)[1]]
            self.know(work, codes)
            return codes

        made = self.act("derive", tube, make, material=material, used=used)
        if made:
            self.oracle.born(tube, "derive", made, amount, material)

    # places

    @rule(which=WHICH, act=st.sampled_from(["store", "move"]), position=POSITION, ago=st.sampled_from([0, 0, 0, 30]), station=STATION)
    def put(self, which: int | str, act: str, position: tuple[int, int] | None, ago: int, station: str) -> None:
        self.put_(self.tube(which), act, position, ago, station)

    @rule(which=WHICH, towards=st.sampled_from([None, None, "use:asparaginase"]), ago=st.sampled_from([0, 0, 30]), station=STATION)
    def check_out(self, which: int | str, towards: str | None, ago: int, station: str) -> None:
        self.simple("check-out", self.tube(which), {"for": towards} if towards else {}, ago=ago, station=station, purpose=towards)

    @rule(which=WHICH, ago=st.sampled_from([0, 0, 30]), station=STATION)
    def bring_back(self, which: int | str, ago: int, station: str) -> None:
        self.simple("return", self.tube(which), ago=ago, station=station)

    @rule(which=WHICH, station=STATION)
    def undo(self, which: int | str, station: str) -> None:
        self.simple("undo", self.tube(which), station=station)

    # what happens to material

    @rule(which=WHICH, act=st.sampled_from(["measure", "spill"]), amount=AMOUNT)
    def amounts_change(self, which: int | str, act: str, amount: int) -> None:
        tube = self.tube(which)
        amount = min(amount, 1000) if tube.unit == "pieces" else amount
        self.simple(act, tube, self.amount(tube, amount), amount=amount)

    @rule(which=WHICH, lost=st.booleans(), witness=st.sampled_from(["second", "manager"]))
    def the_end_of_a_tube(self, which: int | str, lost: bool, witness: str) -> None:
        if lost:
            self.simple("lose", self.tube(which))
        else:
            self.simple("dispose", self.tube(which), {"reason": "shelf life", "witness": witness}, witness=witness, by="manager")

    @rule(which=WHICH, act=st.sampled_from(["hold", "unhold"]), kind=st.sampled_from(["quarantine", "identity", "discrepancy"]))
    def hold_and_free(self, which: int | str, act: str, kind: str) -> None:
        self.simple(act, self.tube(which), {"kind": kind, "reason": "because"}, kind=kind)

    @rule(which=WHICH, field=st.sampled_from(["amount", "purpose"]), amount=st.one_of(st.just(0), AMOUNT), extra=st.booleans())
    def amend(self, which: int | str, field: str, amount: int, extra: bool) -> None:
        tube = self.tube(which)
        amount = min(amount, 1000) if tube.unit == "pieces" else amount
        value: Any = {"value": amount, "unit": tube.unit} if field == "amount" else "extra" if extra else "residual"
        self.act(
            "amend", tube, lambda work: amend(work, tube.code, 1, field, value, "slip"), field=field, value=amount if field == "amount" else value
        )

    @rule(which=WHICH)
    def label(self, which: int | str) -> None:
        tube = self.tube(which)
        self.act("label", tube, lambda work: record(work, [Doing(self.ids[tube.code], "label", {"design": "cryovial", "copies": 1})]))

    # corrections by two people

    @rule(which=st.one_of(st.just("drawn"), st.integers(0, 25)), other=st.integers(0, 25), then=ANSWERS)
    def two_tubes_were_mixed_up(self, which: int | str, other: int, then: str) -> None:
        tubes = list(self.oracle.tubes.values())
        one, two = self.tube(which), tubes[other % len(tubes)]
        if self.by_two(self.oracle.why_not_swap(one, two), lambda work: propose_swap(work, one.code, two.code, "mixed up"), then):
            self.oracle.swapped(one, two)

    @rule(which=WHICH, first=st.sampled_from(["lose", "nothing", "nothing"]), then=ANSWERS)
    def it_is_here_after_all(self, which: int | str, first: str, then: str) -> None:
        tube = self.tube(which)
        if first == "lose":
            self.simple("lose", tube)
        why_not = set() if tube.status in {"gone", "cancelled"} else {"not-ended"}
        if self.by_two(why_not, lambda work: propose_revival(work, tube.code, "found"), then):
            self.oracle.revived(tube)

    @rule(which=st.sampled_from(["usable", "delivered", "promised"]), upto=st.integers(1, 3), other=st.integers(0, 25))
    def mixed_up_on_the_way(self, which: str, upto: int, other: int) -> None:
        """Sought on purpose: the tree of a tube that is promised, picked or handed over."""
        tube = self.tube(which)
        for act in ("reserve", "pick", "deliver")[:upto]:
            self.promise(act, tube, PROMISES[0], "supply", frozenset())
        while tube.parent:
            tube = self.oracle.tubes[tube.parent]
        drawn = [one for one in self.oracle.tubes.values() if one.parent is None]
        two = drawn[other % len(drawn)]
        if self.by_two(self.oracle.why_not_swap(tube, two), lambda work: propose_swap(work, tube.code, two.code, "mixed up"), "second"):
            self.oracle.swapped(tube, two)

    # consent

    @rule(
        which=CHILD, component=st.sampled_from(COMPONENTS), answer=st.sampled_from(["yes", "yes", "no"]), days_ago=st.sampled_from([0, 0, 3, 20]),
        roles=st.sampled_from([BOTH, BOTH, BOTH | {"participant"}, frozenset({"parent"}), frozenset({"participant"})]),
    )
    def the_family_decides(self, which: int, component: str, answer: str, days_ago: int, roles: frozenset[str]) -> None:
        self.decide_(self.child(which), component, answer, roles, days_ago)

    @rule(which=CHILD)
    def consent_arrives_in_full(self, which: int) -> None:
        self.say_yes_to_all(self.child(which))

    def say_yes_to_all(self, child: str) -> None:
        told_by = self.oracle.children[child]
        roles = BOTH | ({"participant"} if told.years(told_by.born, self.oracle.today) >= 12 else set())
        for component in COMPONENTS:
            if told_by.answer(component, self.oracle.today):
                self.decide_(child, component, "yes", frozenset(roles), 0)

    @rule(which=CHILD, components=st.sets(st.sampled_from(COMPONENTS), min_size=1, max_size=2))
    def the_family_withdraws(self, which: int, components: set[str]) -> None:
        self.withdraw_(self.child(which), components)

    # towards a use

    @rule(which=WHICH)
    def earmark(self, which: int | str) -> None:
        tube = self.tube(which)
        self.act("earmark", tube, lambda work: earmark(work, tube.code, "asparaginase"), sub_study="asparaginase", purpose="use:asparaginase")

    @rule(
        which=WHICH, act=st.sampled_from(["reserve", "pick", "unpick", "unreserve", "deliver"]), promise=st.sampled_from(PROMISES),
        purpose=st.sampled_from(["supply", "use:asparaginase"]), genetic=st.booleans(),
    )
    def towards_a_request(self, which: int | str, act: str, promise: str, purpose: str, genetic: bool) -> None:
        uses = frozenset({"genetic"}) if genetic and purpose == "supply" else frozenset[str]()
        self.promise(act, self.tube(which), promise, purpose, uses)

    @rule(which=WHICH, upto=st.integers(1, 3), purpose=st.sampled_from(["supply", "use:asparaginase"]), genetic=st.booleans())
    def all_the_way(self, which: int | str, upto: int, purpose: str, genetic: bool) -> None:
        uses = frozenset({"genetic"}) if genetic and purpose == "supply" else frozenset[str]()
        for act in ("reserve", "pick", "deliver")[:upto]:
            self.promise(act, self.tube(which), PROMISES[0], purpose, uses)

    # encounters that chance alone would bring about too seldom

    @rule(which=WHICH, other=st.integers(0, 20), position=POSITION)
    def put_away_and_undo(self, which: int | str, other: int, position: tuple[int, int] | None) -> None:
        """Sought on purpose: an undo while somebody else may have taken the place."""
        somebody_else = list(self.oracle.tubes.values())[other % len(self.oracle.tubes)]
        tube = self.tube(which)
        self.put_(tube, "store", position, 0, "bench-1")
        self.put_(tube, "move", None, 0, "bench-1")
        self.put_(somebody_else, "store", position, 0, "bench-1")
        self.simple("undo", tube, station="bench-1")

    @rule(which=st.sampled_from(["usable", "promised"]), act=st.sampled_from(["measure", "spill", "amend"]), amount=AMOUNT, picked=st.booleans())
    def less_is_left_than_was_promised(self, which: str, act: str, amount: int, picked: bool) -> None:
        tube = self.tube(which)
        for one in ("reserve", "pick") if picked else ("reserve",):
            self.promise(one, tube, PROMISES[0], "supply", frozenset())
        if act == "amend":
            self.amend("again", "amount", amount, False)
        else:
            self.amounts_change("again", act, amount)

    @rule(which=WHICH, act=st.sampled_from(["store", "move", "check-out", "return"]), position=POSITION, first=st.sampled_from(PLACED))
    def old_news_comes_late(self, which: int | str, act: str, position: tuple[int, int] | None, first: str) -> None:
        tube = self.tube(which)
        self.put_(tube, "store", None, 0, "bench-1")
        if first == "check-out":
            self.simple("check-out", tube, purpose=None)
        if act in {"store", "move"}:
            self.put_(tube, act, position, 30, "bench-1")
        else:
            self.simple(act, tube, ago=30, **({"purpose": None} if act == "check-out" else {}))

    @rule(which=st.sampled_from(["usable", "thawed", "held"]), count=st.integers(1, 2), choice=st.integers(0, 5), aliquots=st.booleans())
    def thawed_and_taken_apart(self, which: str, count: int, choice: int, aliquots: bool) -> None:
        tube = self.tube(which)
        self.simple("thaw", tube)
        if aliquots:
            self.aliquot_(tube, count, 1, None)
        else:
            self.derive("again", choice, count, None, 1)

    @rule(
        which=st.sampled_from(["unreleased", "unreleased", "extra", "expected"]), released=st.sampled_from([False, False, True]),
        aliquots=st.booleans(),
    )
    def taken_apart_early(self, which: str, released: bool, aliquots: bool) -> None:
        tube = self.tube(which)
        if released:
            self.simple("release", tube)
        if aliquots:
            self.aliquot_(tube, 1, 1, None)
        else:
            self.derive("again", 0, 1, None, None)

    @rule(which=st.sampled_from(["held", "expected"]), days=st.sampled_from([27, 28, 29]), label=st.booleans())
    def waited_for(self, which: str, days: int, label: bool) -> None:
        tube = self.tube(which)
        self.receive_(tube, "good", 1_000_000)
        self.simple("release", tube)
        self.time_passes(timedelta(days=days))
        if label:
            self.label("again")
        else:
            self.aliquot_(tube, 1, 1, 1_000_000)

    @rule(which=st.sampled_from(["usable", "placed"]), other=st.integers(0, 25), position=POSITION, purpose=st.sampled_from(told.SUPPLIES))
    def handed_over_from_its_place(self, which: str, other: int, position: tuple[int, int] | None, purpose: str) -> None:
        tube = self.tube(which)
        self.put_(tube, "store", position, 0, "bench-1")
        for act in ("reserve", "pick", "deliver"):
            self.promise(act, tube, PROMISES[0], purpose, frozenset())
        self.put_(self.tube(other), "store", position, 0, "bench-1")

    @rule(
        purpose=st.sampled_from(told.SUPPLIES), genetic=st.booleans(), component=st.sampled_from(COMPONENTS),
        then=st.sampled_from(["no", "withdrawn", "yes", "lose", "hold", "nothing"]),
    )
    def promised_and_then(self, purpose: str, genetic: bool, component: str, then: str) -> None:
        tube = self.tube("usable")
        uses = frozenset({"genetic"}) if genetic and purpose == "supply" else frozenset[str]()
        if then == "nothing":
            self.decide_(tube.child, "genetic", "no", BOTH, 0)
        self.promise("reserve", tube, PROMISES[0], purpose, uses)
        if then == "withdrawn":
            self.withdraw_(tube.child, {component})
        elif then == "lose":
            self.simple("lose", tube)
        elif then == "hold":
            self.simple("hold", tube, {"kind": "identity", "reason": "because"}, kind="identity")
            self.promise("pick", tube, PROMISES[0], purpose, uses)
        elif then != "nothing":
            self.decide_(tube.child, component, then, BOTH, 0)

    @rule(
        which=st.sampled_from(["usable", "placed", "promised", "out"]), position=POSITION, how=st.sampled_from(["lose", "dispose"]),
        before=st.sampled_from(["reserve", "check-out", "nothing"]), after=st.sampled_from(["thaw", "find", "return", "measure", "store"]),
    )
    def ends_where_it_stands(self, which: str, position: tuple[int, int] | None, how: str, before: str, after: str) -> None:
        """A tube in its slot, promised or out, comes to an end; its place is another's, and what is told of it afterwards revives nothing."""
        tube = self.tube(which)
        self.put_(tube, "store", position, 0, "bench-1")
        if before == "reserve":
            self.promise("reserve", tube, PROMISES[0], "supply", frozenset())
        elif before == "check-out":
            self.simple("check-out", tube, purpose=None)
        if how == "lose":
            self.simple("lose", tube)
        else:
            self.simple("dispose", tube, {"reason": "shelf life", "witness": "second"}, witness="second", by="manager")
        self.put_(self.tube("usable"), "store", position, 0, "bench-1")
        if after == "store":
            self.put_(tube, "store", None, 0, "bench-1")
        elif after == "measure":
            self.simple("measure", tube, self.amount(tube, 1000), amount=1000)
        else:
            self.simple(after, tube)

    @rule(
        obstacle=st.sampled_from(["hold", "hold", "no", "withdrawn", "nothing"]), component=st.sampled_from(COMPONENTS), picked=st.booleans(),
        purpose=st.sampled_from(told.SUPPLIES),
    )
    def every_use_asks_anew(self, obstacle: str, component: str, picked: bool, purpose: str) -> None:
        """A tube that nothing stands against but one thing, and every use of it."""
        tube = self.tube("usable")
        self.say_yes_to_all(tube.child)
        for act in ("reserve", "pick") if picked else ():
            self.promise(act, tube, PROMISES[0], purpose, frozenset())
        if obstacle == "hold":
            self.simple("hold", tube, {"kind": "identity", "reason": "because"}, kind="identity")
        elif obstacle == "withdrawn":
            self.withdraw_(tube.child, {component})
        elif obstacle == "no":
            self.decide_(tube.child, component, "no", BOTH, 0)
        self.earmark("again")
        self.check_out("again", "use:asparaginase", 0, "bench-1")
        for act in ("deliver", "reserve", "pick", "deliver"):
            self.promise(act, tube, PROMISES[0], purpose, frozenset())
        self.promise("unreserve", tube, PROMISES[0], purpose, frozenset())


def test_any_life_of_a_biobank(database: tuple[Engine, dict[str, str]], tmp_path: Path) -> None:
    # In batches: the lives of one batch are savepoints of one transaction, and a very long one eats memory.
    for _ in range(BATCHES):
        with database[0].execution_options(writes=True).connect() as connection:
            outer = connection.begin()
            beginning = Bench(connection, load_settings(tmp_path))
            beginning.open_biobank()
            run_state_machine_as_test(type("Life", (CustodyMachine,), {"beginning": beginning}), settings=DEPTH)
            outer.rollback()


@pytest.mark.parametrize("act", sorted(told.REPORTS))
def test_the_oracle_never_refuses_a_report_for_consent_state_or_amount(act: str) -> None:
    """What the machine compares with: were this wrong, a refused report would pass unseen."""
    oracle = Oracle(NOW, {"child": Child(date(2014, 1, 1))})
    for status in told.EVERYWHERE:
        tube = Tube("T", "child", "BM", "T", status=status, holds={"withdrawn": NOW.date()})
        assert oracle.why_not(act, tube, station="", witness="second", by="manager", box="B", position=None) == set()
