"""The two hands of the state machine: what is done to the product, what the oracle makes of it, and what must be true after each."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from random import Random
from typing import Any

from sqlalchemy import Connection, text

from biobank.app import make_units
from biobank.consent.rules import Signature
from biobank.consent.service import NewDecision, decide
from biobank.core.clock import SetClock
from biobank.core.errors import Refusal
from biobank.core.units import Quantity
from biobank.core.work import Actor, Grant, Work
from biobank.corrections.service import confirm, decline
from biobank.custody.service import Doing, record
from biobank.identity import queries as people
from biobank.identity import service as identity
from biobank.places.service import NewContainer, add_container
from biobank.settings import Settings
from biobank.specimens import queries as specimens
from biobank.specimens.service import (
    NewAliquots,
    NewCollection,
    aliquot,
    do,
    plan_collection,
)
from biobank.storage.service import put
from biobank.subjects.rules import NewEnrolment, NewEpisode, NewParticipant
from biobank.subjects.service import register_participant
from biobank.withdrawals.service import withdraw
from tests.conftest import NOW, Rehearsal
from tests.properties import oracle as told
from tests.properties.oracle import Child, Folded, Oracle, Tube, refold

STUDY = "alltogether1"
BOTH = frozenset({"parent", "second-parent"})
COMPONENTS = ("residual_storage", "extra_samples", "asparaginase", "extra_use", "genetic")


def _here(tube: Tube) -> bool:
    return tube.status == "in_custody"


# Tubes in states that chance alone meets too seldom; "again" is none of them, so the one last spoken of.
SOUGHT: dict[str, Callable[[Tube], bool]] = {
    "again": lambda tube: False,
    "usable": lambda tube: _here(tube) and tube.released and tube.known and tube.remaining > 0 and not tube.holds and not tube.promise,
    "promised": lambda tube: tube.promise is not None,
    "picked": lambda tube: tube.promise is not None and tube.promise[2] == "picked",
    "placed": lambda tube: tube.place is not None,
    "out": lambda tube: _here(tube) and tube.out,
    "unreleased": lambda tube: _here(tube) and tube.residual and not tube.released and tube.remaining > 0 and not tube.holds,
    "thawed": lambda tube: _here(tube) and tube.thaws > 0 and tube.remaining > 0,
    "held": lambda tube: _here(tube) and bool(tube.holds),
    "extra": lambda tube: _here(tube) and not tube.residual,
    "expected": lambda tube: tube.status == "expected",
    "delivered": lambda tube: tube.status == "with_recipient",
    "ended": lambda tube: tube.status in {"gone", "cancelled"},
    "drawn": lambda tube: tube.parent is None and _here(tube),
}


class Bench:
    """The two hands: what is done to the product, and what the oracle makes of it."""

    def __init__(self, connection: Connection, config: Settings) -> None:
        self.connection = connection
        self.clock = SetClock(NOW)
        self.units = make_units(config, clock=self.clock, random=Random(7), sessions=Rehearsal(connection))
        self.first_chain = connection.execute(text("SELECT coalesce(max(id), 0) FROM chain")).scalar_one()
        self.oracle = Oracle(NOW)
        self.ids: dict[str, int] = {}
        self.folded: dict[str, list[Folded]] = {}
        self.box = ""
        self.focus = 0
        self.deputy: Actor | None = None
        with self.units.read() as work:
            self.actor = people.actor_by_login(work, "manager")

    def again(self) -> Bench:
        """A second one that stands where this one stands, on the same connection."""
        other = copy.copy(self)
        other.clock = SetClock(self.clock.now())
        other.units = copy.copy(self.units)
        other.units.clock, other.units.random = other.clock, copy.deepcopy(self.units.random)
        other.oracle, other.ids, other.folded = copy.deepcopy(self.oracle), dict(self.ids), {code: list(known) for code, known in self.folded.items()}
        return other

    def attempt(self, why_not: set[str], act: Callable[[Work], Any], station: str | None = None) -> Any:
        """Done exactly when the oracle has nothing against it, and refused for one of its reasons otherwise."""
        try:
            with self.units.write(self.actor) as work:
                work.station = station
                done = act(work)
        except Refusal as refusal:
            assert refusal.slug() in why_not, f"refused as {refusal.slug()} ({refusal.detail}); the oracle says {why_not or 'nothing against it'}"
            return None
        assert not why_not, f"done, although {why_not}"
        return done

    def tube(self, which: int | str) -> Tube:
        """A tube by number, or the newest of a kind; where there is none, the one last spoken of."""
        tubes = list(self.oracle.tubes.values())
        if isinstance(which, int):
            self.focus = which % len(tubes)
        else:
            self.focus = max((number for number, tube in enumerate(tubes) if SOUGHT[which](tube)), default=self.focus)
        return tubes[self.focus]

    def child(self, which: int) -> str:
        """A child by number."""
        return list(self.oracle.children)[which % 3]

    def act(self, act: str, tube: Tube, how: Callable[[Work], Any], *, ago: int = 0, station: str = "bench-1", **facts: Any) -> Any:
        at = self.clock.now() - timedelta(minutes=ago)
        done = self.attempt(self.oracle.why_not(act, tube, station=station, **facts), how, station)
        if done is not None:
            self.oracle.did(act, tube, at, station, **facts)
        return done

    def simple(self, act: str, tube: Tube, given: dict[str, Any] | None = None, *, ago: int = 0, station: str = "bench-1", **facts: Any) -> Any:
        at = self.clock.now() - timedelta(minutes=ago) if ago else None
        return self.act(act, tube, lambda work: do(work, self.ids[tube.code], act, given or {}, at), ago=ago, station=station, **facts)

    def know(self, work: Work, codes: list[str]) -> None:
        for code in codes:
            self.ids[code] = specimens.specimen(work, code).id

    def amount(self, tube: Tube, amount: int) -> dict[str, Any]:
        name = {"nL": "volume", "cells": "cells", "pieces": "pieces"}[tube.unit]
        return {name: {"value": amount, "unit": tube.unit}}

    def plan_(self, child: str) -> None:
        why_not = set() if self.oracle.may_keep(child, True, {}) else {"consent-refused"}

        def plan(work: Work) -> list[tuple[str, str]]:
            made = plan_collection(work, NewCollection(child, STUDY, "DX", work.today))
            tubes = [(row.code, row.material) for row in specimens.of_collection(work, made.id)]
            self.know(work, [code for code, _ in tubes])
            return tubes

        for code, material in self.attempt(why_not, plan) or []:
            self.oracle.tubes[code] = Tube(code, child, material, lot=code)

    def receive_(self, tube: Tube, condition: str, amount: int | None) -> None:
        given = {"condition": condition} | (self.amount(tube, amount) if amount else {})
        self.simple("receive", tube, given, condition=condition, amount=amount)

    def decide_(self, child: str, component: str, answer: str, roles: frozenset[str], days_ago: int) -> None:
        on = self.oracle.today - timedelta(days=days_ago)
        signed = tuple(Signature(role, on) for role in sorted(roles))
        new = NewDecision(STUDY, component, answer, "v1", on, "joint", signed)
        self.attempt(set(), lambda work: decide(work, child, new))
        self.oracle.decide(child, component, answer, roles, on)

    def withdraw_(self, child: str, components: set[str]) -> None:
        self.attempt(set(), lambda work: withdraw(work, child, STUDY, dict.fromkeys(sorted(components), "no-further-use")))
        self.oracle.withdraw(child, sorted(components))

    def promise(self, act: str, tube: Tube, promise: str, purpose: str, uses: frozenset[str]) -> None:
        facts = {"to": "boston"} if act == "deliver" else {}
        doing = Doing(self.ids[tube.code], act, facts, promise=promise, purpose=purpose, uses=uses)
        self.act(act, tube, lambda work: record(work, [doing]), promise=promise, purpose=purpose, uses=uses)

    def aliquot_(self, tube: Tube, count: int, each: int, measured: int | None) -> None:
        new = NewAliquots(count, Quantity(each, tube.unit), Quantity(measured, tube.unit) if measured else None)

        def take(work: Work) -> list[str]:
            codes = [made.code for made in aliquot(work, tube.code, new)[1]]
            self.know(work, codes)
            return codes

        made = self.act("aliquot", tube, take, count=count, each=each, measured=measured)
        if made:
            self.oracle.born(tube, "aliquot", made, each, tube.material)

    def put_(self, tube: Tube, act: str, position: tuple[int, int] | None, ago: int, station: str) -> None:
        at = self.clock.now() - timedelta(minutes=ago) if ago else None
        where: Any = {"container": self.box, "row": position[0], "column": position[1]} if position else None
        self.act(
            act, tube, lambda work: put(work, self.ids[tube.code], act, where, self.box, {}, at), ago=ago, station=station, box=self.box,
            position=position,
        )

    def by_two(self, why_not: set[str], propose: Callable[[Work], Any], then: str) -> bool:
        """A correction that the manager proposes and somebody answers; whether it was done."""
        number = self.attempt(why_not, lambda work: propose(work).id)
        if number is None:
            return False
        if then == "same":
            self.attempt({"second-person-needed"}, lambda work: confirm(work, number))
        with self.units.write(self.deputy) as work:
            if then == "second":
                confirm(work, number)
            else:
                decline(work, number)
        return then == "second"

    def open_biobank(self) -> None:
        """Three children: one with every consent, one who turns twelve in ten days, one whose family has not decided; tubes of each."""
        with self.units.write(self.actor) as work:
            person = identity.add_person(work, "deputy", "Deputy", "a long enough password", "maxima", [Grant("manager")])
            self.deputy = people.actor_by_login(work, person.login)
        with self.units.write(self.actor) as work:
            self.box = add_container(work, NewContainer("box", "Box", 3, 3)).code
            for number, born in enumerate((date(2019, 5, 4), NOW.date().replace(year=2014) + timedelta(days=10), date(2024, 2, 29))):
                episode = NewEpisode("primary", date(2026, 11, 1), "BCP_ALL", ())
                enrolment = register_participant(
                    work, NewParticipant(born, "female", NewEnrolment(STUDY, "maxima", f"M-{number}", date(2026, 11, 1), None, episode))
                )
                self.oracle.children[specimens.participant_code(work, enrolment.participant_id)] = Child(born)
        for number, child in enumerate(self.oracle.children):
            for component in COMPONENTS if number < 2 else ():
                self.decide_(child, component, "yes", BOTH, 0)
            self.plan_(child)
            for tube in [tube for tube in self.oracle.tubes.values() if tube.child == child][:3]:
                self.receive_(tube, "good", 4_000_000)
                if tube.material != "CSF_NATIVE":
                    self.simple("release", tube)
            marrow = next(tube for tube in self.oracle.tubes.values() if tube.child == child)
            self.aliquot_(marrow, 2, 250_000, None)
        self.put_(marrow, "store", (1, 1), 0, "bench-1")
        self.everything_holds()

    # what must always be true

    def everything_holds(self) -> None:
        self._read_entries()
        self._compare_standings()
        self._check_amounts()

    def _read_entries(self) -> None:
        query = text(
            "SELECT c.ref, e.seq, e.body FROM entry e JOIN chain c ON c.id = e.chain_id "
            "WHERE c.kind = 'specimen' AND c.id > :first ORDER BY e.chain_id, e.seq"
        )
        for code, seq, raw in self.connection.execute(query, {"first": self.first_chain}):
            known = self.folded.setdefault(code, [Folded()])
            if seq < len(known):
                continue
            assert seq == len(known)
            body = json.loads(bytes(raw))
            before, after = known[-1], refold(known[-1], body)
            known.append(after)
            self._judge(code, body, before, after)

    def _judge(self, code: str, body: dict[str, Any], before: Folded, after: Folded) -> None:
        """The rules of the classes, from the entry alone and the consent of this moment."""
        act, facts, tube = body["act"], body["facts"], self.oracle.tubes[code]
        assert act in told.REPORTS | told.PRESERVES | told.USES | told.ADMIN
        towards = facts.get("verdict", {}).get("purpose", "")
        if act in told.USES or (act == "check-out" and towards.startswith("use:")):
            assert not before.holds and facts["verdict"]["granted"] is True
        elif act in told.PRESERVES:
            assert facts["verdict"]["granted"] or (after.holds or after.status == "expected")
        if act in told.ARRIVALS and not facts["verdict"]["granted"] and facts.get("condition") != "missing":
            assert "no-consent" in after.holds
        two_people = act == "reassign" or facts.get("field") == "status"
        if two_people:
            assert facts["proposed_by"] not in {None, body["actor"]}
            here = after.status in {"in_custody", "with_recipient"}
            assert facts["verdict"]["granted"] or not here or after.holds.keys() & {"no-consent", "withdrawn"}
            assert not after.promises
        if before.status == "gone" and facts.get("field") == "status":
            assert after.status == "in_custody"
        elif before.status == "gone":
            assert act in told.AFTER_THE_END and after.status == "gone" and after.remaining == before.remaining
        if act == "register" and facts["parents"]:
            parent, at = facts["made_by"]["chain"].removeprefix("specimen/"), facts["made_by"]["seq"]
            assert facts["parents"] == [parent]
            assert self.folded[parent][at].holds.items() <= after.holds.items()
        assert after.remaining >= 0 and sum(amount for amount, _ in after.promises.values()) <= after.remaining
        assert tube.code == code

    def _compare_standings(self) -> None:
        columns = (
            "o.code AS child, "
            "s.specimen_id, s.code, s.seq, s.status, s.reason, s.custodian, s.responsible, s.residual, s.released_on, s.unit, s.remaining, "
            's.reserved, s.certainty, s.thaws, k.code AS box, s."row", s."column", s.placed_at, s.is_out, s.last_seen_at, '
            "s.open_holds, s.open_reservations"
        )
        rows = self.connection.execute(
            text(
                f"SELECT {columns} FROM standing s JOIN participant o ON o.id = s.participant_id"
                " LEFT JOIN container k ON k.id = s.container_id WHERE s.chain_id > :first"
            ),
            {"first": self.first_chain},
        ).all()
        holds = self._side("SELECT specimen_id, kind FROM hold WHERE closed_seq IS NULL")
        promises = self._side('SELECT specimen_id, "for", amount, stage FROM reservation WHERE closed_seq IS NULL')
        assert {row.code for row in rows} == set(self.oracle.tubes) == set(self.folded)
        for row in rows:
            place = (row.box, row.row, row.column) if row.box else None
            held, promised = holds.get(row.specimen_id, []), promises.get(row.specimen_id, [])
            told_now = Folded(
                row.status, row.reason, row.custodian, row.responsible, bool(row.residual), str(row.released_on) if row.released_on else None,
                row.unit, row.remaining, row.certainty, row.thaws, place, stamp(row.placed_at), bool(row.is_out), stamp(row.last_seen_at),
                child=row.child,
            )
            assert row.seq == len(self.folded[row.code]) - 1
            refolded = self.folded[row.code][-1]
            assert vars(refolded) | {"holds": None, "promises": None} == vars(told_now) | {"holds": None, "promises": None}
            assert {kind for (kind,) in held} == set(refolded.holds) and len(held) == row.open_holds
            assert {which: (amount, stage) for which, amount, stage in promised} == refolded.promises and len(promised) == row.open_reservations
            self._compare(self.oracle.tubes[row.code], refolded, row.reserved)
            assert row.child == self.oracle.tubes[row.code].child

    def _side(self, query: str) -> dict[int, list[tuple[Any, ...]]]:
        found: dict[int, list[tuple[Any, ...]]] = {}
        for one, *rest in self.connection.execute(text(query)):
            found.setdefault(one, []).append(tuple(rest))
        return found

    def _compare(self, tube: Tube, refolded: Folded, reserved: int) -> None:
        expected = (
            tube.status, tube.residual, tube.released, tube.unit, tube.remaining, tube.known, tube.thaws, tube.place, tube.out, set(tube.holds),
            {tube.promise[0]: tube.promise[1:]} if tube.promise else {}, tube.reserved,
        )
        found = (
            refolded.status, refolded.residual, refolded.released_on is not None, refolded.unit, refolded.remaining, refolded.certainty == "known",
            refolded.thaws, refolded.place, refolded.out, set(refolded.holds), refolded.promises, reserved,
        )
        assert found == expected, f"{tube.code}\nfound    {found}\nexpected {expected}"

    def _check_amounts(self) -> None:
        unbalanced = "SELECT chain_id, seq, lot_id FROM posting WHERE chain_id > :first GROUP BY chain_id, seq, lot_id HAVING sum(amount) <> 0"
        assert self.connection.execute(text(unbalanced), {"first": self.first_chain}).all() == []
        lots = text(
            "SELECT l.code, l.unit, p.account, sum(p.amount) AS amount FROM posting p JOIN lot l ON l.id = p.lot_id WHERE p.chain_id > :first "
            "GROUP BY l.code, l.unit, p.account"
        )
        for row in self.connection.execute(lots, {"first": self.first_chain}):
            tubes = [tube for tube in self.oracle.tubes.values() if tube.lot == row.code]
            assert {tube.unit for tube in tubes} == {row.unit}
            if row.account == "tube":
                assert row.amount == sum(tube.remaining for tube in tubes)
            if row.account == "aliquoted":
                assert row.amount == 0


def stamp(at: datetime | str | None) -> str | None:
    """A time as entries write it, from either driver."""
    if at is None:
        return None
    moment = datetime.fromisoformat(at) if isinstance(at, str) else at
    return moment.replace(tzinfo=moment.tzinfo or UTC).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
