"""Picking and handing over, tube by tube, by scan. Several people may work on one request at once."""

from __future__ import annotations

from datetime import datetime

from biobank.core.codes import spaced
from biobank.core.work import Work
from biobank.custody.service import Doing, Recorded, record
from biobank.identity.service import require
from biobank.requests import queries
from biobank.requests.models import Request
from biobank.requests.queries import Tube
from biobank.requests.rules import NotOnThisList, NotYet, OnNoList, State, picks
from biobank.requests.service.moving import move, named
from biobank.requests.service.purposes import uses_of

# How many of the waiting tubes a refusal names.
NAMED_AT_MOST = 5


def pick(work: Work, code: str, specimen_id: int, tube_code: str, occurred_at: datetime | None = None) -> Recorded:
    """Take a reserved tube out of its slot for the request. The slot stays the tube's.

    Raises RequestUnknown, NotYet, NotOnThisList for any other tube, and custody's refusals (held, consent, picked already).
    """
    request, tube = _on_the_list(work, code, specimen_id, tube_code)
    done = _do(work, request, tube, "pick", occurred_at)
    _still_picking(work, request)
    if request.state == State.RESERVED:
        move(work, request, State.PICKING, State.PICKING.value, {"by": named(done.entry.chain, done.entry.seq)})
    return done


def unpick(work: Work, code: str | None, specimen_id: int, tube_code: str, occurred_at: datetime | None = None) -> Recorded:
    """Put a picked tube back into its slot; it stays reserved. Raises as `pick`."""
    request, tube = _on_the_list(work, code, specimen_id, tube_code)
    return _do(work, request, tube, "unpick", occurred_at)


def deliver(work: Work, code: str | None, specimen_id: int, tube_code: str, occurred_at: datetime | None = None) -> Recorded:
    """Hand a picked tube over to the request's organisation; the last one makes the request `delivered`.

    `code` None: the request the tube is picked for. Raises as `pick`.
    """
    request, tube = _on_the_list(work, code, specimen_id, tube_code)
    done = _do(work, request, tube, "deliver", occurred_at, to=request.organisation)
    # Under the request's lock, so that of two last tubes handed over at once the second sees the first.
    _still_picking(work, request)
    if not queries.pick_list(work, request):
        move(work, request, State.DELIVERED, State.DELIVERED.value, {"by": named(done.entry.chain, done.entry.seq)})
    return done


def _on_the_list(work: Work, code: str | None, specimen_id: int, tube_code: str) -> tuple[Request, Tube]:
    asked = code or queries.promised_to(work, specimen_id)
    if asked is None:
        raise OnNoList(tube=spaced(tube_code), specimen=tube_code)
    request = queries.request(work, asked)
    require(work, "pick", study=request.study)
    if not picks(request.state):
        raise NotYet(request=spaced(request.code), state=request.state, what="pick or hand over tubes", right="reserved or picking")
    waiting = [stop.tube for stop in queries.pick_list(work, request)]
    tube = next((one for one in waiting if one.specimen_id == specimen_id), None)
    if tube is None:
        codes = [spaced(one.code) for one in waiting if one.stage == "reserved"]
        shown = ", ".join(codes[:NAMED_AT_MOST]) + (f" and {len(codes) - NAMED_AT_MOST} more" if len(codes) > NAMED_AT_MOST else "")
        raise NotOnThisList(tube=spaced(tube_code), specimen=tube_code, request=spaced(request.code), waiting=shown or "none")
    return request, tube


def _do(work: Work, request: Request, tube: Tube, act: str, occurred_at: datetime | None, to: str | None = None) -> Recorded:
    facts = {"request": request.code} | ({"to": to} if to else {})
    doing = Doing(
        tube.specimen_id, act, facts, promise=queries.promise(request, tube.line), purpose=request.purpose, uses=uses_of(work, request),
        occurred_at=occurred_at,
    )
    return record(work, [doing])[0]


def _still_picking(work: Work, request: Request) -> None:
    queries.lock(work, request)
    if not picks(request.state):
        raise NotYet(request=spaced(request.code), state=request.state, what="pick or hand over tubes", right="reserved or picking")
