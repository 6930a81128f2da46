"""What custody has to do, told a second time from the lab's rules alone: small tables, a consent calendar, and tubes as plain objects.

Nothing here comes from the product, neither its code nor its configuration; `test_oracle.py` parses this file's imports. Each act has two
halves: `why_not` names every refusal that would be right (an empty set: it has to be done), and `did` moves the expectation on.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

SITE = ZoneInfo("Europe/Amsterdam")
WAITING_DAYS = 28
UNDO = timedelta(minutes=10)

REPORTS = {"collect", "receive", "store", "move", "return", "thaw", "measure", "spill", "lose", "find", "dispose"}
PRESERVES = {"expect", "label", "aliquot", "derive", "check-out"}
USES = {"earmark", "reserve", "pick", "deliver"}
ADMIN = {
    "register", "cancel", "miss", "release", "hold", "unhold", "unreserve", "unpick", "amend", "undo", "consent-hold", "consent-unhold", "reassign",
}
ARRIVALS = {"receive", "return"}
AFTER_THE_END = REPORTS | {"hold", "unhold", "amend", "undo", "consent-hold", "consent-unhold", "reassign"}

EVERYWHERE = {"expected", "cancelled", "in_custody", "with_recipient", "gone"}
FITS = {
    "collect": {"expected"}, "receive": {"expected"}, "cancel": {"expected"}, "release": {"expected", "in_custody"},
    "label": {"expected", "in_custody"},
    "unreserve": {"expected", "in_custody", "with_recipient"}, "unpick": {"expected", "in_custody", "with_recipient"},
    "hold": EVERYWHERE, "unhold": EVERYWHERE, "undo": EVERYWHERE,
}
# What a purpose asks of the family, in this study.
PURPOSES = {
    "store": {"residual_storage"}, "collect": {"extra_samples"}, "use:asparaginase": {"residual_storage", "asparaginase"},
    "supply": {"residual_storage", "extra_use"},
}
# Purposes that tubes are handed over for.
SUPPLIES = ("supply", "use:asparaginase")
WAITING = {"no-decision", "signatory-missing"}
WRONG_CONDITIONS = {"damaged", "leaked", "rejected"}
# material -> what can be made of it: material, unit, and whether the thaws of the parent count on
MADE_OF = {
    "BM": {"MNC_VIABLE": ("cells", False), "BM_PLASMA": ("nL", False), "SMEAR": ("pieces", False)},
    "PB": {"SERUM": ("nL", False), "CELL_PELLET": ("cells", False)},
    "CSF_NATIVE": {"CSF_SUPERNATANT": ("nL", True), "CSF_CELLS": ("cells", False)},
    "MNC_VIABLE": {"CELL_PELLET": ("cells", True), "RNA": ("nL", False)},
}


@dataclass
class Said:
    """A decision: from which day it counts, in which order it was recorded, and who signed."""

    on: date
    order: int
    answer: str
    roles: frozenset[str]


def years(born: date, day: date) -> int:
    """Completed years."""
    return day.year - born.year - ((day.month, day.day) < (born.month, born.day))


@dataclass
class Child:
    """A child under the Dutch rule, both parents with authority."""

    born: date
    said: dict[str, list[Said]] = field(default_factory=dict)

    def answer(self, component: str, today: date) -> set[str]:
        """Why a component is refused today; empty when it is granted."""
        told = sorted((one for one in self.said.get(component, []) if one.on <= today), key=lambda one: (one.on, one.order))
        if not told:
            return {"no-decision"}
        last_no = max((i for i, one in enumerate(told) if one.answer != "yes"), default=-1)
        yes = told[last_no + 1:]
        ended = set() if last_no < 0 else {"withdrawn" if told[last_no].answer == "withdrawn" else "component-declined"}
        if not yes:
            return ended
        parents = {"parent", "second-parent"}
        wanted = parents if years(self.born, today) < 12 else parents | {"participant"}
        signed = {role for one in yes for role in one.roles if role != "participant" or years(self.born, one.on) >= 12}
        missing = wanted - signed
        if not missing or ended:
            return ended | {"signatory-missing"} if missing else set()
        before_twelve = {role for one in yes for role in one.roles if years(self.born, one.on) < 12}
        return {"age-gate"} if missing == {"participant"} and parents <= before_twelve else {"signatory-missing"}


@dataclass
class Tube:
    """What is expected of one tube."""

    code: str
    child: str
    material: str
    lot: str
    unit: str = "nL"
    status: str = "expected"
    residual: bool = True
    released: bool = False
    remaining: int = 0
    known: bool = False
    thaws: int = 0
    place: tuple[str, int, int] | None = None
    out: bool = False
    placed_at: datetime | None = None
    holds: dict[str, date] = field(default_factory=dict)
    promise: tuple[str, int, str] | None = None
    asked: tuple[str, frozenset[str]] = ("", frozenset())
    earmarks: set[str] = field(default_factory=set)
    parent: str | None = None
    # what it held when it ended
    away: int = 0
    # last entry: act, station, when, and where the tube was before (None where it moved nothing)
    last: tuple[str, str, datetime, tuple[str, int, int] | None, bool, bool] | None = None

    @property
    def reserved(self) -> int:
        """What is promised."""
        return self.promise[1] if self.promise else 0

    def drop_promise(self, left: int) -> None:
        """A promise that what is left no longer covers is closed."""
        if self.promise and self.promise[1] > left:
            self.promise = None


@dataclass
class Oracle:
    """All children and tubes, and the clock."""

    now: datetime
    children: dict[str, Child] = field(default_factory=dict)
    tubes: dict[str, Tube] = field(default_factory=dict)
    said: int = 0

    @property
    def today(self) -> date:
        """The day at the site."""
        return self.now.astimezone(SITE).date()

    # consent

    def refusal(self, child: str, purpose: str, uses: frozenset[str] = frozenset()) -> set[str]:
        """Every reason against a purpose today; empty when it is granted."""
        components = PURPOSES[purpose] | uses
        return set().union(*(self.children[child].answer(component, self.today) for component in components))

    def keeping(self, child: str, residual: bool) -> set[str]:
        """Every reason against keeping a tube: extra material needs the consent to extra samples as well."""
        return self.refusal(child, "store") | (set() if residual else self.refusal(child, "collect"))

    def may_keep(self, child: str, residual: bool, holds: dict[str, date]) -> bool:
        """Whether a preserve act passes: granted, or only waiting, and not for too long."""
        reasons = self.keeping(child, residual)
        waits_since = holds.get("no-consent", self.today)
        return not reasons or (reasons <= WAITING and self.today <= waits_since + timedelta(days=WAITING_DAYS))

    def decide(self, child: str, component: str, answer: str, roles: frozenset[str], on: date) -> None:
        """A decision was recorded, and everything that follows from it."""
        self.said += 1
        self.children[child].said.setdefault(component, []).append(Said(on, self.said, answer, roles))
        self._follow(child)

    def withdraw(self, child: str, components: list[str]) -> None:
        """Components were withdrawn today: what is planned is cancelled, what is here is held."""
        for component in components:
            self.said += 1
            self.children[child].said.setdefault(component, []).append(Said(self.today, self.said, "withdrawn", frozenset()))
        for tube in self.tubes.values():
            if tube.child == child and tube.status == "expected" and "withdrawn" in self.keeping(child, tube.residual):
                tube.status, tube.last = "cancelled", None
        self._follow(child)

    def _follow(self, child: str) -> None:
        for tube in self.tubes.values():
            if tube.child != child:
                continue
            before = (dict(tube.holds), tube.promise)
            if tube.promise and self.refusal(child, *tube.asked):
                tube.promise = None
            reasons = self.keeping(child, tube.residual)
            wanted = None if not reasons else "withdrawn" if "withdrawn" in reasons else "no-consent"
            if wanted and wanted not in tube.holds and tube.status in {"in_custody", "with_recipient"}:
                tube.holds[wanted] = self.today
                tube.promise = None
            for kind in {"no-consent", "withdrawn"} - {wanted}:
                tube.holds.pop(kind, None)
            if before != (tube.holds, tube.promise):
                tube.last = None

    # acts

    def why_not(self, act: str, tube: Tube, **facts: object) -> set[str]:
        """Every refusal that would be right; an empty set when it has to be done."""
        fits = tube.status in FITS.get(act, {"in_custody"})
        reasons: set[str] = set()
        towards = facts.get("purpose")
        if act in REPORTS:
            return self._why_not_report(act, tube, facts)
        if act == "undo":
            return self._why_not_undo(tube, str(facts["station"]))
        if not fits and not (act == "amend" and facts.get("field") != "amount"):
            reasons.add("not-in-this-state")
        if act in USES or (act == "check-out" and towards):
            reasons |= {"held"} if tube.holds else set()
            reasons |= {"not-released"} if act != "earmark" and tube.residual and not tube.released else set()
            uses = facts.get("uses", frozenset())
            assert isinstance(uses, frozenset)
            reasons |= {"consent-refused"} if self.refusal(tube.child, str(towards), uses) else set()
        elif act in PRESERVES and not self.may_keep(tube.child, tube.residual, tube.holds):
            reasons.add("consent-refused")
        if act in {"aliquot", "derive"}:
            reasons |= {"not-released"} if tube.residual and not tube.released else set()
            reasons |= self._why_not_take(act, tube, facts)
        if act == "earmark" and facts["sub_study"] in tube.earmarks:
            reasons.add("earmarked-already")
        return reasons | self._why_not_promise(act, tube, facts.get("promise"))

    def _why_not_report(self, act: str, tube: Tube, facts: dict[str, object]) -> set[str]:
        if act == "dispose" and facts["witness"] == facts["by"]:
            return {"witness-needed"}
        if act in {"store", "move"}:
            taken = self.taken(str(facts["box"]))
            if facts["position"] is None:
                return set() if len(taken) < 9 else {"container-full"}
            if taken.get(facts["position"], tube.code) != tube.code:  # type: ignore[call-overload]
                return {"position-occupied"}
        return set()

    def _why_not_undo(self, tube: Tube, station: str) -> set[str]:
        if tube.last is None:
            return {"undo-not-possible"}
        act, where, at, place, _, moved = tube.last
        fine = act in {"store", "move", "check-out", "return"} and where == station and self.now <= at + UNDO
        free = not (moved and place) or self.taken(place[0]).get(place[1:], tube.code) == tube.code
        return set() if fine and free else {"undo-not-possible"}

    def _why_not_take(self, act: str, tube: Tube, facts: dict[str, object]) -> set[str]:
        measured, each, used = facts.get("measured"), facts.get("each"), facts.get("used")
        known = tube.known or measured is not None
        left = tube.remaining if measured is None else measured
        assert isinstance(left, int)
        if act == "derive":
            if facts["material"] not in MADE_OF.get(tube.material, {}):
                return {"fields-wrong"}
            if used is None:
                return set()
            taken = used
        else:
            assert isinstance(each, int)
            taken = each * facts["count"]  # type: ignore[operator]
        assert isinstance(taken, int)
        if not known:
            return {"amount-unknown"}
        return {"over-draw"} if taken > left - tube.reserved else set()

    def _why_not_promise(self, act: str, tube: Tube, wanted: object) -> set[str]:
        if act == "reserve":
            return {"reserved"} if tube.promise else set()
        stages = {"unreserve": {"reserved", "picked"}, "pick": {"reserved"}, "unpick": {"picked"}, "deliver": {"picked"}}.get(act)
        if stages is None:
            return set()
        return set() if tube.promise and tube.promise[0] == wanted and tube.promise[2] in stages else {"reserved"}

    def taken(self, box: str) -> dict[tuple[int, int], str]:
        """Who stands where."""
        return {(tube.place[1], tube.place[2]): tube.code for tube in self.tubes.values() if tube.place and tube.place[0] == box}

    def first_free(self, box: str) -> tuple[int, int]:
        """The next free position by rows, of a box of three by three."""
        taken = self.taken(box)
        return next((row, column) for row in (1, 2, 3) for column in (1, 2, 3) if (row, column) not in taken)

    def did(self, act: str, tube: Tube, at: datetime, station: str, **facts: object) -> None:
        """The act was done."""
        was = (tube.place, tube.out)
        if act == "undo":
            assert tube.last is not None
            _, _, _, place, out, moved = tube.last
            tube.place, tube.out, tube.placed_at, tube.last = place if moved else tube.place, out, at, None
            return
        fits = tube.status in FITS.get(act, {"in_custody"})
        late = tube.placed_at is not None and at < tube.placed_at
        if act in REPORTS and not fits:
            tube.holds.setdefault("discrepancy", self.today)
        else:
            getattr(self, "_" + act.replace("-", "_"))(tube, at, late, facts)
        arrived = act in ARRIVALS and facts.get("condition") != "missing"
        lacking = bool(self.keeping(tube.child, tube.residual))
        kept = act in PRESERVES and not facts.get("purpose") and tube.status != "expected"
        if lacking and (arrived or (act in ARRIVALS and not fits) or kept):
            tube.holds.setdefault("no-consent", self.today)
        moved = act in {"store", "move"} and fits and not late
        tube.last = (act, station, self.now, *was, moved)

    def _nothing(self, tube: Tube, at: datetime, late: bool, facts: dict[str, object]) -> None:
        """Changes nothing that is looked at here."""

    _collect = _find = _label = _nothing

    def _receive(self, tube: Tube, at: datetime, late: bool, facts: dict[str, object]) -> None:
        condition, amount = facts["condition"], facts["amount"]
        if condition == "missing":
            tube.status = "cancelled"
            return
        tube.status = "in_custody"
        if condition in WRONG_CONDITIONS:
            tube.holds.setdefault("quarantine", self.today)
        if isinstance(amount, int):
            tube.remaining, tube.known = tube.remaining + amount, True

    def _cancel(self, tube: Tube, at: datetime, late: bool, facts: dict[str, object]) -> None:
        tube.status = "cancelled"

    def _release(self, tube: Tube, at: datetime, late: bool, facts: dict[str, object]) -> None:
        tube.released = True

    def _store(self, tube: Tube, at: datetime, late: bool, facts: dict[str, object]) -> None:
        if not late:
            position = facts["position"] or self.first_free(str(facts["box"]))
            tube.place, tube.out, tube.placed_at = (str(facts["box"]), *position), False, at  # type: ignore[assignment, misc]

    _move = _store

    def _check_out(self, tube: Tube, at: datetime, late: bool, facts: dict[str, object]) -> None:
        if not late:
            tube.out, tube.placed_at = True, at

    def _return(self, tube: Tube, at: datetime, late: bool, facts: dict[str, object]) -> None:
        if not late:
            tube.out, tube.placed_at = False, at

    def _thaw(self, tube: Tube, at: datetime, late: bool, facts: dict[str, object]) -> None:
        tube.thaws += 1

    def _measure(self, tube: Tube, at: datetime, late: bool, facts: dict[str, object]) -> None:
        assert isinstance(facts["amount"], int)
        tube.remaining, tube.known = facts["amount"], True
        tube.drop_promise(tube.remaining)

    def _spill(self, tube: Tube, at: datetime, late: bool, facts: dict[str, object]) -> None:
        assert isinstance(facts["amount"], int)
        tube.remaining = max(tube.remaining - facts["amount"], 0)
        tube.drop_promise(tube.remaining)

    # corrections by two people

    def why_not_swap(self, one: Tube, other: Tube) -> set[str]:
        """Only whole trees of two children change places."""
        if one.parent or other.parent:
            return {"not-a-primary"}
        return {"same-child"} if one.child == other.child else set()

    def tree(self, primary: Tube) -> list[Tube]:
        """A drawn tube and all that was made from it."""
        codes = {primary.code}
        for tube in self.tubes.values():
            if tube.parent in codes:
                codes.add(tube.code)
        return [self.tubes[code] for code in codes]

    def swapped(self, one: Tube, other: Tube) -> None:
        """Each tree is the other's child's: its consent counts, nothing is promised, and what a recipient has is in doubt."""
        for trees, child in ((self.tree(one), other.child), (self.tree(other), one.child)):
            for tube in trees:
                tube.child, tube.promise, tube.last = child, None, None
                self._judged_anew(tube)
                if tube.status == "with_recipient":
                    tube.holds.setdefault("identity", self.today)

    def revived(self, tube: Tube) -> None:
        """Here after all, out of any slot, with what it held; kept only with its child's consent."""
        tube.status, tube.remaining, tube.out, tube.placed_at, tube.last = "in_custody", tube.away, True, self.now, None
        self._judged_anew(tube)

    def _judged_anew(self, tube: Tube) -> None:
        reasons = self.keeping(tube.child, tube.residual)
        wanted = None if not reasons else "withdrawn" if "withdrawn" in reasons else "no-consent"
        for kind in {"no-consent", "withdrawn"} - {wanted}:
            tube.holds.pop(kind, None)
        if wanted and tube.status in {"in_custody", "with_recipient"}:
            tube.holds.setdefault(wanted, self.today)

    def _end(self, tube: Tube, at: datetime, status: str) -> None:
        tube.away = tube.remaining
        tube.status, tube.remaining, tube.place, tube.out, tube.placed_at, tube.promise = status, 0, None, False, at, None

    def _lose(self, tube: Tube, at: datetime, late: bool, facts: dict[str, object]) -> None:
        self._end(tube, at, "gone")

    _dispose = _lose

    def _hold(self, tube: Tube, at: datetime, late: bool, facts: dict[str, object]) -> None:
        tube.holds.setdefault(str(facts["kind"]), self.today)

    def _unhold(self, tube: Tube, at: datetime, late: bool, facts: dict[str, object]) -> None:
        tube.holds.pop(str(facts["kind"]), None)

    def _amend(self, tube: Tube, at: datetime, late: bool, facts: dict[str, object]) -> None:
        if facts["field"] == "purpose":
            tube.residual = facts["value"] == "residual"
        else:
            self._measure(tube, at, late, {"amount": facts["value"]})

    def _earmark(self, tube: Tube, at: datetime, late: bool, facts: dict[str, object]) -> None:
        tube.earmarks.add(str(facts["sub_study"]))

    def _reserve(self, tube: Tube, at: datetime, late: bool, facts: dict[str, object]) -> None:
        tube.promise = (str(facts["promise"]), tube.remaining, "reserved")
        tube.asked = (str(facts["purpose"]), facts["uses"])  # type: ignore[assignment]

    def _unreserve(self, tube: Tube, at: datetime, late: bool, facts: dict[str, object]) -> None:
        tube.promise = None

    def _stage(self, tube: Tube, stage: str) -> None:
        assert tube.promise is not None
        tube.promise = (*tube.promise[:2], stage)

    def _pick(self, tube: Tube, at: datetime, late: bool, facts: dict[str, object]) -> None:
        self._stage(tube, "picked")
        tube.out, tube.placed_at = True, at

    def _unpick(self, tube: Tube, at: datetime, late: bool, facts: dict[str, object]) -> None:
        self._stage(tube, "reserved")
        tube.out, tube.placed_at = False, at

    def _deliver(self, tube: Tube, at: datetime, late: bool, facts: dict[str, object]) -> None:
        self._end(tube, at, "with_recipient")

    def _aliquot(self, tube: Tube, at: datetime, late: bool, facts: dict[str, object]) -> None:
        left = tube.remaining if facts["measured"] is None else facts["measured"]
        tube.remaining, tube.known = left - facts["each"] * facts["count"], True  # type: ignore[operator]

    def _derive(self, tube: Tube, at: datetime, late: bool, facts: dict[str, object]) -> None:
        if tube.known:
            tube.remaining -= tube.remaining - tube.reserved if facts["used"] is None else facts["used"]  # type: ignore[operator]

    def born(self, parent: Tube, act: str, made: list[str], amount: int | None, material: str) -> None:
        """Tubes were made: holds, release and purpose come from the parent, thaws within a material class, the lot only for aliquots."""
        unit, same = (parent.unit, True) if act == "aliquot" else MADE_OF[parent.material][material]
        for code in made:
            self.tubes[code] = Tube(
                code, parent.child, material, parent.lot if act == "aliquot" else code, unit, "in_custody", parent.residual, parent.released,
                amount or 0, amount is not None, parent.thaws if same else 0, holds=dict(parent.holds), parent=parent.code,
            )


@dataclass
class Folded:
    """A tube's standing as its entries give it."""

    status: str = ""
    reason: str | None = None
    custodian: str | None = None
    responsible: str | None = None
    residual: bool = True
    released_on: str | None = None
    unit: str = "nL"
    remaining: int = 0
    certainty: str = "unknown"
    thaws: int = 0
    place: tuple[str, int, int] | None = None
    placed_at: str | None = None
    out: bool = False
    last_seen_at: str | None = None
    holds: dict[str, str] = field(default_factory=dict)
    promises: dict[str, tuple[int, str]] = field(default_factory=dict)
    child: str | None = None


PLAIN = ("status", "reason", "custodian", "responsible", "residual", "released_on", "unit", "certainty", "out")


def refold(folded: Folded, body: dict[str, object]) -> Folded:
    """The standing after one more entry, from the published meaning of an effect."""
    facts = body["facts"]
    assert isinstance(facts, dict)
    effect = facts.get("effect", {})
    at = str(body["occurred_at"])
    new = Folded(**{**vars(folded), "holds": dict(folded.holds), "promises": dict(folded.promises)})
    for name in PLAIN:
        if name in effect:
            setattr(new, name, effect[name])
    new.child = effect.get("participant") or (facts["participant"] if body["act"] == "register" else folded.child)
    if "place" in effect:
        place = effect["place"]
        new.place = (place["container"], place["row"], place["column"]) if place else None
    if "place" in effect or "out" in effect:
        new.placed_at = at
    new.thaws += effect.get("thaws", 0)
    new.remaining += sum(amount for account, amount in effect.get("lines", []) if account == "tube")
    if effect.get("seen") and (new.last_seen_at is None or at > new.last_seen_at):
        new.last_seen_at = at
    for kind in effect.get("close", []):
        new.holds.pop(kind, None)
    for hold in effect.get("open", []):
        new.holds.setdefault(hold["kind"], hold["since"])
    for which in effect.get("free", []):
        new.promises.pop(which, None)
    if "promise" in effect:
        new.promises[effect["promise"]["for"]] = (effect["promise"]["amount"], "reserved")
    if "stage" in effect and effect["stage"]["for"] in new.promises:
        new.promises[effect["stage"]["for"]] = (new.promises[effect["stage"]["for"]][0], effect["stage"]["stage"])
    return new
