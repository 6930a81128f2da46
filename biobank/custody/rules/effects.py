"""What each act does to a standing: pure, one small function per act, found by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from biobank.core.units import Quantity
from biobank.custody.rules.acts import ARRIVED_WRONG, BY_CONSENT, HERE, Condition, HoldKind, Status
from biobank.custody.rules.refusals import AmountUnknown, OverDraw, Reserved
from biobank.custody.rules.standing import OWN, OWNER, Place, Standing

Effect = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Asked:
    """What was asked of an act, already read: the tube's code, quantities in its unit, the place, and the day it happens on.

    `promise` names what a reservation is for; `here` is the actor's organisation, `facts` are the other facts as given. `wanted` is the
    hold that consent, asked anew, wants (None: it may be kept).
    """

    code: str
    today: str
    here: str
    amount: int | None = None
    measured: int | None = None
    place: Place | None = None
    late: bool = False
    promise: str | None = None
    facts: Mapping[str, Any] | None = None
    wanted: HoldKind | None = None

    def fact(self, name: str) -> Any:
        """A fact as given, or None."""
        return (self.facts or {}).get(name)


def effect_of(act: str, standing: Standing, asked: Asked) -> Effect:
    """The effect of an act on a standing. Raises OverDraw, AmountUnknown or Reserved; nothing for acts that change no standing."""
    make = EFFECTS.get(act)
    return make(standing, asked) if make else {}


def _opening(kind: str, asked: Asked) -> list[dict[str, str]]:
    return [{"kind": str(kind), "since": asked.today}]


def _receive(standing: Standing, asked: Asked) -> Effect:
    condition = Condition(asked.fact("condition") or Condition.GOOD)
    if condition is Condition.MISSING:
        return {"status": Status.CANCELLED.value, "reason": "missing"}
    effect: Effect = {"status": Status.IN_CUSTODY.value, "custodian": asked.here, "seen": True}
    if condition in ARRIVED_WRONG:
        effect["open"] = _opening(HoldKind.QUARANTINE, asked)
    if asked.amount is not None:
        effect |= {"lines": [["collected", -asked.amount], [OWN, asked.amount]], "certainty": "known"}
    return effect


def _taking(standing: Standing, asked: Asked, taken: int, account: str) -> Effect:
    """Take from a tube; with `measured` the difference is posted from adjustment first."""
    lines: list[list[Any]] = []
    left, certainty = standing.remaining, standing.certainty
    if asked.measured is not None:
        lines += _adjusting(asked.measured - left)
        left, certainty = asked.measured, "known"
    if certainty == "unknown":
        raise AmountUnknown(code=asked.code, act=account)
    free = left - standing.reserved
    if taken > free:
        raise OverDraw(
            code=asked.code, left=str(Quantity(max(free, 0), standing.unit)), asked=str(Quantity(taken, standing.unit)),
            left_base=max(free, 0), asked_base=taken, offer="measure",
        )
    lines += [[OWN, -taken], [account, taken]] if taken else []
    return {"lines": lines, "certainty": certainty, "seen": True}


def _adjusting(difference: int) -> list[list[Any]]:
    return [["adjustment", -difference], [OWN, difference]] if difference else []


def _aliquot(standing: Standing, asked: Asked) -> Effect:
    return _taking(standing, asked, (asked.amount or 0) * int(asked.fact("count")), "aliquoted")


def _derive(standing: Standing, asked: Asked) -> Effect:
    if standing.certainty == "unknown" and asked.amount is None:
        return {"seen": True}
    used = asked.amount if asked.amount is not None else standing.free
    return _taking(standing, asked, used, "processed")


def _store(standing: Standing, asked: Asked) -> Effect:
    if asked.place is None:
        raise ValueError("a place act needs a place")
    # A report that happened before the last place entry tells of the past: it never moves the tube.
    return {"seen": True} if asked.late else {"place": asked.place.as_json(), "out": False, "seen": True}


def _check_out(standing: Standing, asked: Asked) -> Effect:
    return {"seen": True} if asked.late else {"out": True, "seen": True}


def _return(standing: Standing, asked: Asked) -> Effect:
    return {"seen": True} if asked.late else {"out": False, "seen": True}


def _to_amount(standing: Standing, asked: Asked, amount: int) -> Effect:
    lines = _adjusting(amount - standing.remaining)
    return {"lines": lines, "certainty": "known"} | _freeing(standing, amount)


def _freeing(standing: Standing, remaining: int) -> Effect:
    """Close reservations, newest first, until what is left covers the rest."""
    freed: list[str] = []
    reserved = standing.reserved
    for promise in reversed(standing.promises):
        if reserved <= remaining:
            break
        freed.append(promise.for_)
        reserved -= promise.amount
    return {"free": freed} if freed else {}


def _measure(standing: Standing, asked: Asked) -> Effect:
    return _to_amount(standing, asked, asked.amount or 0) | {"seen": True}


def _spill(standing: Standing, asked: Asked) -> Effect:
    spilled = asked.amount or 0
    lines = [*_adjusting(max(spilled - standing.remaining, 0)), [OWN, -spilled], ["spilled", spilled]]
    return {"lines": lines, "seen": True} | _freeing(standing, max(standing.remaining - spilled, 0))


def _ending(standing: Standing, reason: str, account: str) -> Effect:
    lines = [[OWN, -standing.remaining], [account, standing.remaining]] if standing.remaining else []
    effect: Effect = {"status": Status.GONE.value, "reason": reason, "place": None, "out": False, "lines": lines}
    return effect | ({"free": [promise.for_ for promise in standing.promises]} if standing.promises else {})


def _lose(standing: Standing, asked: Asked) -> Effect:
    return _ending(standing, "lost", "adjustment")


def _dispose(standing: Standing, asked: Asked) -> Effect:
    return _ending(standing, str(asked.fact("reason")), "disposed") | {"seen": True}


def _hold(standing: Standing, asked: Asked) -> Effect:
    return {"open": _opening(asked.fact("kind"), asked)}


def _withdraw_hold(standing: Standing, asked: Asked) -> Effect:
    effect: Effect = {"open": _opening(asked.fact("kind"), asked)}
    if standing.promises:
        effect["free"] = [promise.for_ for promise in standing.promises]
    return effect


def _unhold(standing: Standing, asked: Asked) -> Effect:
    return {"close": [asked.fact("kind")]}


def _release(standing: Standing, asked: Asked) -> Effect:
    return {"released_on": standing.released_on or asked.today}


def _reserve(standing: Standing, asked: Asked) -> Effect:
    if standing.promises:
        raise Reserved(code=asked.code, met=f"is promised to {standing.promises[-1].for_}", right="Choose another tube.")
    return {"promise": {"for": asked.promise, "amount": standing.remaining}}


def _promised(standing: Standing, asked: Asked, stages: tuple[str, ...]) -> str:
    promise = standing.promised_to(asked.promise or "")
    if promise is None:
        met = f"is promised to {standing.promises[-1].for_}" if standing.promises else "is not reserved"
        raise Reserved(code=asked.code, met=f"{met}, not for {asked.promise}", right="Put it back and take the tube on the list.")
    if promise.stage not in stages:
        raise Reserved(code=asked.code, met=f"is {promise.stage} already", right=f"This step wants a tube that is {' or '.join(stages)}.")
    return promise.for_


def _unreserve(standing: Standing, asked: Asked) -> Effect:
    return {"free": [_promised(standing, asked, ("reserved", "picked"))]}


def _pick(standing: Standing, asked: Asked) -> Effect:
    return {"stage": {"for": _promised(standing, asked, ("reserved",)), "stage": "picked"}, "out": True, "seen": True}


def _unpick(standing: Standing, asked: Asked) -> Effect:
    return {"stage": {"for": _promised(standing, asked, ("picked",)), "stage": "reserved"}, "out": False, "seen": True}


def _deliver(standing: Standing, asked: Asked) -> Effect:
    for_ = _promised(standing, asked, ("picked",))
    lines = [[OWN, -standing.remaining], ["shipped", standing.remaining]] if standing.remaining else []
    return {
        "status": Status.WITH_RECIPIENT.value, "custodian": asked.fact("to"), "place": None, "out": False, "free": [for_], "lines": lines,
        "seen": True,
    }


def _amend(standing: Standing, asked: Asked) -> Effect:
    if asked.fact("field") == "status":
        return _revive(standing, asked)
    if asked.fact("field") == "purpose":
        return {"residual": asked.fact("new") == "residual"}
    if asked.fact("field") != "amount" or asked.amount is None:
        return {}
    return _to_amount(standing, asked, asked.amount)


def _revive(standing: Standing, asked: Asked) -> Effect:
    """Back from the end: what was posted away is posted back, from the account it went to; out of any slot unless a place is given."""
    back = asked.fact("back")
    effect: Effect = {"status": Status.IN_CUSTODY.value, "reason": None, "out": asked.place is None, "seen": True}
    if asked.place is not None:
        effect["place"] = asked.place.as_json()
    if back:
        effect["lines"] = [[back["account"], -back["base"]], [OWN, back["base"]]]
    return effect | _judged_anew(standing, asked, Status.IN_CUSTODY.value)


def _reassign(standing: Standing, asked: Asked) -> Effect:
    """Another child's: whose it is, the holds that this child's consent wants, and nobody keeps a promise of it."""
    now = asked.fact("now")
    effect: Effect = {name: now[name] for name in (*OWNER, "responsible") if name in now}
    effect |= _judged_anew(standing, asked, standing.status)
    if standing.status == Status.WITH_RECIPIENT:
        # What the recipient was told of it was wrong.
        effect["open"] = [*effect.get("open", []), *_opening(HoldKind.IDENTITY, asked)]
    if standing.promises:
        effect["free"] = [promise.for_ for promise in standing.promises]
    return effect


def _judged_anew(standing: Standing, asked: Asked, status: str) -> Effect:
    """Holds that follow from consent, as it was asked anew: what it does not want is lifted, what it wants is opened."""
    open_now = {hold.kind for hold in standing.holds}
    stale = sorted(kind.value for kind in BY_CONSENT if kind.value in open_now and kind is not asked.wanted)
    effect: Effect = {"close": stale} if stale else {}
    if asked.wanted is not None and status in HERE and asked.wanted.value not in open_now:
        effect["open"] = _opening(asked.wanted, asked)
    return effect


EFFECTS: dict[str, Callable[[Standing, Asked], Effect]] = {
    "expect": lambda standing, asked: {"status": Status.EXPECTED.value},
    "cancel": lambda standing, asked: {"status": Status.CANCELLED.value, "reason": "cancelled"},
    "miss": lambda standing, asked: {"status": Status.CANCELLED.value, "reason": "missed"},
    "collect": lambda standing, asked: {"seen": True},
    "receive": _receive,
    "release": _release,
    "aliquot": _aliquot,
    "derive": _derive,
    "store": _store,
    "move": _store,
    "check-out": _check_out,
    "return": _return,
    "thaw": lambda standing, asked: {"thaws": 1, "seen": True},
    "measure": _measure,
    "spill": _spill,
    "lose": _lose,
    "find": lambda standing, asked: {"seen": True},
    "dispose": _dispose,
    "hold": _hold,
    "unhold": _unhold,
    "consent-hold": _withdraw_hold,
    "consent-unhold": _unhold,
    "amend": _amend,
    "reassign": _reassign,
    "reserve": _reserve,
    "unreserve": _unreserve,
    "pick": _pick,
    "unpick": _unpick,
    "deliver": _deliver,
}


def manual_holds() -> tuple[str, ...]:
    """Kinds of hold that a person may open and close; those that follow from consent are not among them."""
    return tuple(kind.value for kind in HoldKind if kind not in BY_CONSENT)
