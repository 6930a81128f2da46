"""Reserving whole tubes: by plan, or those that a person names. All or none, and never the same tube twice."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from biobank.availability import queries as availability
from biobank.availability.rules import Criteria
from biobank.availability.rules import reason as words
from biobank.core.codes import resolve, spaced
from biobank.core.errors import Conflict, Overtaken, fault
from biobank.core.work import Work
from biobank.custody.service import Doing, Recorded, record
from biobank.identity.service import require
from biobank.requests import queries
from biobank.requests.models import Request, RequestItem, RequestPlan
from biobank.requests.rules import (
    Candidate,
    LastTube,
    NotForThisItem,
    NothingFits,
    NotYet,
    OverAsked,
    Plan,
    PlanOvertaken,
    State,
    TubeNotAvailable,
    allocates,
    choose,
    propose,
)
from biobank.requests.service.moving import move, named
from biobank.requests.service.purposes import uses_of

# How often a plan is made anew when others took its tubes in between.
TRIES = 3


@dataclass(frozen=True, slots=True)
class Allocated:
    """What was reserved: the request as it stands now, the item's line, and the plan."""

    request: Request
    line: int
    plan: Plan


def allocate(work: Work, code: str, line: int, specimens: Sequence[str] | None = None, reason: str | None = None) -> Allocated:
    """Reserve tubes for an item, by plan or those named. Taking the last tube of a participant, event and material needs a reason.

    Raises RequestUnknown, NotYet, Forbidden, FieldsWrong (no such item), OverAsked, NotForThisItem, TubeNotAvailable, NothingFits, LastTube,
    PlanOvertaken, RequestMoved, and custody's refusals for a tube that was named.
    """
    request = queries.request(work, code)
    require(work, "allocate", study=request.study)
    if not allocates(request.state):
        raise NotYet(request=spaced(request.code), state=request.state, what="reserve tubes", right="approved, reserved or picking")
    items = queries.items(work, request)
    item = next((one for one in items if one.line == line), None)
    if item is None:
        raise fault("/item", f"this request has the items {', '.join(str(one.line) for one in items)}", line)
    tubes = queries.tubes(work, request, [one.line for one in items])
    has = [tube for tube in tubes if tube.line == line and tube.stage != "freed"]
    room = item.n - len(has)
    named_ = _codes(work, specimens)
    if room < max(1, len(named_)):
        raise OverAsked(item=line, n=item.n, has=len(has), more=max(1, len(named_)), room=room)
    plan, written = _apply(work, request, item, room, named_, reason)
    served = {tube.line for tube in tubes if tube.stage != "freed"} | {line}
    ready = request.state == State.APPROVED and served >= {one.line for one in items}
    _keep(work, item, plan)
    facts: dict[str, Any] = {
        "line": line, "input_sha256": plan.input_sha256, "short": plan.short, "by": "person" if named_ else "plan",
        "tubes": [{"code": done.row.code, **named(done.entry.chain, done.entry.seq)} for done in written],
        "last": [choice.code for choice in plan.last],
    }
    move(work, request, State.RESERVED if ready else State(request.state), "allocate", facts, reason)
    return Allocated(request, line, plan)


def unreserve(work: Work, code: str, specimens: Sequence[str], reason: str | None = None) -> Request:
    """Set reserved or picked tubes free again. A picked one stays out until it is scanned back.

    Raises RequestUnknown, Forbidden, TubeNotAvailable for a tube that is not open on this request, RequestMoved.
    """
    request = queries.request(work, code)
    require(work, "allocate", study=request.study)
    open_ = {stop.tube.code: stop.tube for stop in queries.pick_list(work, request)}
    codes = _codes(work, specimens)
    for one in codes:
        if one not in open_:
            raise TubeNotAvailable(tube=spaced(one), specimen=one, purpose=request.purpose, reason="it is not reserved for this request")
    if not codes:
        raise fault("/specimens", "name at least one tube", [])
    doings = [
        Doing(open_[one].specimen_id, "unreserve", promise=queries.promise(request, open_[one].line), notes={"reason": reason} if reason else None)
        for one in codes
    ]
    written = record(work, doings)
    freed = [{"code": done.row.code, **named(done.entry.chain, done.entry.seq)} for done in written]
    back = request.state == State.RESERVED and len(codes) == len(open_)
    move(work, request, State.APPROVED if back else State(request.state), "unreserve", {"tubes": freed}, reason)
    return request


def criteria_of(work: Work, request: Request, item: RequestItem) -> Criteria:
    """What an item asks, as availability is asked."""
    return Criteria(
        purpose=request.purpose, uses=uses_of(work, request), studies=(request.study,), materials=(item.material,),
        families=(item.family,) if item.family else (), events=(item.event,) if item.event else (),
    )


def asked(item: RequestItem) -> str:
    """An item in words."""
    parts = [item.material, *(part for part in (item.family, item.event) if part)]
    return " ".join(parts) + (f", at least {item.amount} {item.unit}" if item.amount is not None else "")


def _codes(work: Work, specimens: Sequence[str] | None) -> list[str]:
    return list(dict.fromkeys(resolve(work.session, scanned, "specimen")[0] for scanned in specimens or ()))


def _apply(
    work: Work, request: Request, item: RequestItem, room: int, codes: Sequence[str], reason: str | None
) -> tuple[Plan, list[Recorded]]:
    last: Conflict | None = None
    for _ in range(TRIES):
        plan = _plan(work, request, item, room, codes)
        if plan.last and not (reason or "").strip():
            tubes = [choice.code for choice in plan.last]
            raise LastTube(tubes=", ".join(spaced(code) for code in tubes), specimens=tubes)
        try:
            # A savepoint: when others were faster, the half-done reservations go, and the plan is made anew.
            with work.session.begin_nested():
                written = record(work, _doings(work, request, item, plan, reason))
                _check_study(request, written)
                return plan, written
        except Conflict as met:
            if codes:
                raise
            last = met
    raise PlanOvertaken(times=TRIES, last=last.detail if last else "")


def _check_study(request: Request, written: Sequence[Recorded]) -> None:
    """The plan was made before the tubes were locked; one that turned out to be another study's meanwhile is no longer what was chosen."""
    if any(done.row.study != request.study for done in written):
        raise Overtaken


def _doings(work: Work, request: Request, item: RequestItem, plan: Plan, reason: str | None) -> list[Doing]:
    uses = uses_of(work, request)
    return [
        Doing(
            choice.specimen_id, "reserve", {"last": True} if choice.last else {}, promise=queries.promise(request, item.line),
            purpose=request.purpose, uses=uses, notes={"reason": reason.strip()} if choice.last and reason else None,
        )
        for choice in plan.taken
    ]


def _plan(work: Work, request: Request, item: RequestItem, room: int, codes: Sequence[str]) -> Plan:
    criteria = criteria_of(work, request, item)
    found = availability.available_specimens(work, criteria)
    candidates = [Candidate(tube.specimen_id, tube.code, tube.set_, tube.thaws, tube.remaining) for tube in found]
    if codes:
        _check_chosen(work, request, item, criteria, codes)
        return choose(codes, candidates)
    plan = propose(room, item.amount, candidates)
    if not plan.taken:
        why = availability.count(work, criteria, ()).not_available
        told = [f"{tubes} × {words(code).title}" for code, tubes in why] + ([f"{len(plan.left)} × too little left"] if plan.left else [])
        raise NothingFits(request=spaced(request.code), item=item.line, asked=asked(item), why="; ".join(told) or "none at all")
    return plan


def _check_chosen(work: Work, request: Request, item: RequestItem, criteria: Criteria, codes: Sequence[str]) -> None:
    why = availability.why_not(work, criteria, codes)
    for code in codes:
        if code not in why:
            raise NotForThisItem(tube=spaced(code), specimen=code, item=item.line, asked=asked(item))
        refused = why[code]
        if refused is not None:
            raise TubeNotAvailable(tube=spaced(code), specimen=code, purpose=request.purpose, reason=words(refused).title, code=refused)


def _keep(work: Work, item: RequestItem, plan: Plan) -> None:
    chosen = json.dumps([choice.code for choice in plan.taken])
    reasons = json.dumps(plan.reasons(), sort_keys=True)
    work.session.add(
        RequestPlan(item_id=item.id, input_sha256=plan.input_sha256, chosen=chosen, reasons=reasons, at=work.now, person_id=work.who.id)
    )
    work.session.flush()
