"""A tube's standing, and the one function that moves it: the standing is the fold of the effects in its entries.

An effect is plain JSON inside the hashed body, so a stranger can refold a tube without our code:
`status, reason, custodian, responsible, released_on, place, out, thaws (+n), certainty, open, close, promise, stage, free, lines, seen`,
and of a tube that turned out to be another child's `participant, study, collection`; until then those are what its first entry says.
`lines` are the double-entry postings of this entry: `[account, amount]` pairs of the tube's lot that sum to zero.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

OWN = "tube"
# Whose tube it is: told by the first entry, corrected by `reassign`. In the row they are ids, so the live standing leaves them open.
OWNER = ("participant", "study", "collection")


@dataclass(frozen=True, slots=True)
class Hold:
    """An open hold: its kind, and since when (a day, ISO)."""

    kind: str
    since: str


@dataclass(frozen=True, slots=True)
class Promise:
    """An open reservation: for what (`request/SB…/1`), how much in base units, and how far it has come (reserved, picked)."""

    for_: str
    amount: int
    stage: str = "reserved"


@dataclass(frozen=True, slots=True)
class Place:
    """A position: container code, row and column from 1."""

    container: str
    row: int
    column: int

    def as_json(self) -> dict[str, Any]:
        """As it stands in entries."""
        return {"container": self.container, "row": self.row, "column": self.column}


@dataclass(frozen=True, slots=True)
class Standing:
    """Everything that is true of a tube now. Amounts are integers in `unit`; `certainty` is known, estimated or unknown."""

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
    place: Place | None = None
    placed_at: str | None = None
    is_out: bool = False
    last_seen_at: str | None = None
    holds: tuple[Hold, ...] = ()
    promises: tuple[Promise, ...] = ()
    participant: str | None = None
    study: str | None = None
    collection: str | None = None

    @property
    def reserved(self) -> int:
        """What open reservations hold, in base units."""
        return sum(promise.amount for promise in self.promises)

    @property
    def free(self) -> int:
        """What nobody has been promised, in base units."""
        return self.remaining - self.reserved

    def promised_to(self, for_: str) -> Promise | None:
        """The open reservation for this, if any."""
        return next((promise for promise in self.promises if promise.for_ == for_), None)


def tube_change(effect: Mapping[str, Any]) -> int:
    """What the effect's postings add to (or take from) the tube, in base units."""
    return sum(amount for account, amount in effect.get("lines", ()) if account == OWN)


def apply(standing: Standing, effect: Mapping[str, Any], occurred_at: str) -> Standing:
    """The standing after an effect. The only way a standing changes, live and in verification alike."""
    changes: dict[str, Any] = {
        name: effect[name]
        for name in ("status", "reason", "custodian", "responsible", "released_on", "certainty", "residual", "unit", *OWNER)
        if name in effect
    }
    if "place" in effect:
        place = effect["place"]
        changes["place"] = Place(place["container"], place["row"], place["column"]) if place else None
    if "out" in effect:
        changes["is_out"] = effect["out"]
    if "place" in effect or "out" in effect:
        changes["placed_at"] = occurred_at
    if effect.get("seen"):
        changes["last_seen_at"] = max(occurred_at, standing.last_seen_at or "")
    changes["thaws"] = standing.thaws + effect.get("thaws", 0)
    changes["remaining"] = standing.remaining + tube_change(effect)
    changes["holds"] = _holds(standing.holds, effect)
    changes["promises"] = _promises(standing.promises, effect)
    return replace(standing, **changes)


def _holds(holds: tuple[Hold, ...], effect: Mapping[str, Any]) -> tuple[Hold, ...]:
    closed = set(effect.get("close", ()))
    kept = [hold for hold in holds if hold.kind not in closed]
    kinds = {hold.kind for hold in kept}
    kept += [Hold(opened["kind"], opened["since"]) for opened in effect.get("open", ()) if opened["kind"] not in kinds]
    return tuple(kept)


def _promises(promises: tuple[Promise, ...], effect: Mapping[str, Any]) -> tuple[Promise, ...]:
    freed = set(effect.get("free", ()))
    kept = [promise for promise in promises if promise.for_ not in freed]
    if "promise" in effect:
        kept.append(Promise(effect["promise"]["for"], effect["promise"]["amount"]))
    if "stage" in effect:
        kept = [replace(p, stage=effect["stage"]["stage"]) if p.for_ == effect["stage"]["for"] else p for p in kept]
    return tuple(kept)


def fold(bodies: Iterable[Mapping[str, Any]]) -> Standing:
    """The standing that a tube's entries give, in `seq` order."""
    standing = Standing()
    for body in bodies:
        facts = body["facts"]
        if body["act"] == "register":
            standing = replace(standing, **{name: facts.get(name) for name in OWNER})
        standing = apply(standing, facts.get("effect", {}), body["occurred_at"])
    return standing
