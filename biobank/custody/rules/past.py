"""Every hold and reservation that a tube's entries ever opened, as the rows that verification must find."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any


@dataclass(frozen=True, slots=True)
class PastHold:
    """One row of `hold`: its kind, since when (ISO day), and the entries that opened and closed it."""

    kind: str
    since: str
    opened_seq: int
    closed_seq: int | None = None


@dataclass(frozen=True, slots=True)
class PastPromise:
    """One row of `reservation`: for what, how much in base units, how far it came, and the entries that opened and closed it."""

    for_: str
    amount: int
    stage: str
    opened_seq: int
    closed_seq: int | None = None


@dataclass(slots=True)
class Past:
    """All of a tube's rows, open and closed, in the order they were opened."""

    holds: list[PastHold] = field(default_factory=list)
    promises: list[PastPromise] = field(default_factory=list)

    def add(self, seq: int, effect: Mapping[str, Any]) -> None:
        """What the effect of entry `seq` opens, closes and moves, in the order in which it is written."""
        closed, freed = set(effect.get("close", ())), set(effect.get("free", ()))
        self.holds = [replace(one, closed_seq=seq) if one.closed_seq is None and one.kind in closed else one for one in self.holds]
        self.holds += [PastHold(one["kind"], one["since"], seq) for one in effect.get("open", ())]
        self.promises = [replace(one, closed_seq=seq) if one.closed_seq is None and one.for_ in freed else one for one in self.promises]
        if "promise" in effect:
            self.promises.append(PastPromise(effect["promise"]["for"], effect["promise"]["amount"], "reserved", seq))
        if "stage" in effect:
            moved = effect["stage"]
            self.promises = [
                replace(one, stage=moved["stage"]) if one.closed_seq is None and one.for_ == moved["for"] else one for one in self.promises
            ]


def past(bodies: Iterable[Mapping[str, Any]]) -> Past:
    """The rows that a tube's entries give, in `seq` order."""
    found = Past()
    for body in bodies:
        effect = body["facts"].get("effect", {})
        if effect.keys() & {"open", "close", "promise", "free", "stage"}:
            found.add(body["seq"], effect)
    return found
