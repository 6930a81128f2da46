"""The plan: which tubes an item is given. Pure and replayable: the same input gives the same tubes, and its hash is kept.

Order: a tube that is the last one of its set (participant, event, material) only when nothing else is left; then tubes already thawed
(they are worth less to others), then those with more siblings left, then by code. Siblings are counted anew after each tube taken, so
that a request is spread over children instead of emptying one.
"""

from __future__ import annotations

import hashlib
import heapq
import json
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from biobank.core.errors import N_

RULES = "plan-1"
# How many of the tubes that were not taken are told one by one; the rest is a number.
TOLD_AT_MOST = 100

TEXTS = {
    "thawed": N_("taken: already thawed (%(thaws)s×), %(left)s sibling(s) stay"),
    "siblings": N_("taken: %(left)s sibling(s) stay"),
    "last": N_("taken although it is the last one of its set: there was no alternative, and a reason was given"),
    "chosen": N_("taken: chosen by a person, %(left)s sibling(s) stay"),
    "chosen-last": N_("taken: chosen by a person although it is the last one of its set; a reason was given"),
    "enough": N_("not taken: the item had enough before its turn"),
    "kept-last": N_("not taken: it is the last one of its set"),
    "too-little": N_("not taken: less than the amount asked for is left in it"),
    "not-chosen": N_("not taken: a person chose others"),
}


@dataclass(frozen=True, slots=True)
class Candidate:
    """An available tube. `set_` names its participant, event and material; `remaining` is in base units (None: unknown)."""

    specimen_id: int
    code: str
    set_: str
    thaws: int
    remaining: int | None


@dataclass(frozen=True, slots=True)
class Choice:
    """One tube, whether it is taken, and why: a code of `TEXTS` and its facts."""

    specimen_id: int
    code: str
    taken: bool
    last: bool
    why: str
    thaws: int
    left: int

    def as_json(self) -> dict[str, Any]:
        """As it is kept and told: `{"specimen", "taken", "last", "reason", "text"}`."""
        text = TEXTS[self.why] % {"thaws": self.thaws, "left": self.left}
        return {"specimen": self.code, "taken": self.taken, "last": self.last, "reason": self.why, "text": text}


@dataclass(frozen=True, slots=True)
class Plan:
    """The outcome: tubes taken in order, those not taken, how many are short, and the hash of everything it was made from."""

    taken: tuple[Choice, ...]
    left: tuple[Choice, ...]
    short: int
    input_sha256: str

    @property
    def last(self) -> tuple[Choice, ...]:
        """The taken tubes that are the last of their set."""
        return tuple(choice for choice in self.taken if choice.last)

    def reasons(self) -> list[dict[str, Any]]:
        """A printed reason per tube: all taken ones, and the first of those not taken."""
        return [choice.as_json() for choice in (*self.taken, *self.left[:TOLD_AT_MOST])]


def input_hash(n: int, amount: int | None, candidates: Sequence[Candidate], chosen: Sequence[str] = ()) -> str:
    """SHA-256 over what the plan was made from: rules, wish and candidates, in canonical order."""
    told = {
        "rules": RULES, "n": n, "amount": amount, "chosen": sorted(chosen),
        "candidates": [[c.code, c.set_, c.thaws, c.remaining] for c in sorted(candidates, key=lambda c: c.code)],
    }
    return hashlib.sha256(json.dumps(told, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def _fits(candidate: Candidate, amount: int | None) -> bool:
    return amount is None or (candidate.remaining is not None and candidate.remaining >= amount)


def propose(n: int, amount: int | None, candidates: Sequence[Candidate]) -> Plan:
    """At most `n` tubes with at least `amount` (base units; None: any) left in each."""
    left = Counter(candidate.set_ for candidate in candidates)
    fitting = [c for c in candidates if _fits(c, amount)]
    heap = [((-c.thaws, -left[c.set_], c.code), c) for c in fitting]
    heapq.heapify(heap)
    taken: list[Choice] = []
    lasts: list[Candidate] = []
    while heap and len(taken) < n:
        key, candidate = heapq.heappop(heap)
        now = (-candidate.thaws, -left[candidate.set_], candidate.code)
        if left[candidate.set_] <= 1:
            lasts.append(candidate)
        elif key != now:
            heapq.heappush(heap, (now, candidate))
        else:
            left[candidate.set_] -= 1
            why = "thawed" if candidate.thaws else "siblings"
            taken.append(_choice(candidate, True, False, why, left[candidate.set_]))
    lasts.sort(key=lambda c: (-c.thaws, c.code))
    for candidate in lasts[: n - len(taken)]:
        left[candidate.set_] -= 1
        taken.append(_choice(candidate, True, True, "last", 0))
    others = _not_taken(candidates, {choice.specimen_id for choice in taken}, left, amount)
    return Plan(tuple(taken), others, max(0, n - len(taken)), input_hash(n, amount, candidates))


def choose(codes: Sequence[str], candidates: Sequence[Candidate]) -> Plan:
    """The plan of a person who named the tubes; each must be among the candidates."""
    wanted = set(codes)
    left = Counter(candidate.set_ for candidate in candidates)
    picked = sorted((c for c in candidates if c.code in wanted), key=lambda c: c.code)
    for candidate in picked:
        left[candidate.set_] -= 1
    emptied = last_among(picked, candidates)
    taken = tuple(
        _choice(c, True, c.code in emptied, "chosen-last" if c.code in emptied else "chosen", left[c.set_]) for c in picked
    )
    others = sorted((c for c in candidates if c.code not in wanted), key=lambda c: c.code)
    passed = tuple(_choice(c, False, False, "not-chosen", left[c.set_]) for c in others)
    return Plan(taken, passed, 0, input_hash(len(codes), None, candidates, codes))


def last_among(picked: Collection[Candidate], candidates: Collection[Candidate]) -> frozenset[str]:
    """The codes of picked tubes after which nothing of their set would be left: all that are picked of such a set."""
    there = Counter(candidate.set_ for candidate in candidates)
    going = Counter(candidate.set_ for candidate in picked)
    return frozenset(c.code for c in picked if going[c.set_] >= there[c.set_])


def _not_taken(candidates: Sequence[Candidate], taken: Collection[int], left: Counter[str], amount: int | None) -> tuple[Choice, ...]:
    found = []
    for candidate in sorted(candidates, key=lambda c: c.code):
        if candidate.specimen_id in taken:
            continue
        last = left[candidate.set_] <= 1
        why = "too-little" if not _fits(candidate, amount) else "kept-last" if last else "enough"
        found.append(_choice(candidate, False, last, why, left[candidate.set_]))
    return tuple(found)


def _choice(candidate: Candidate, taken: bool, last: bool, why: str, left: int) -> Choice:
    return Choice(candidate.specimen_id, candidate.code, taken, last, why, candidate.thaws, left)
