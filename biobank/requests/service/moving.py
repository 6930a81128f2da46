"""Making a request and taking it from state to state. Every step is an entry of the request's own chain."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import update

from biobank.availability.rules import FAMILIES, USES, check_purpose, check_words
from biobank.core.codes import bind_codes, new_codes, spaced
from biobank.core.errors import Fault, FieldsWrong, Forbidden
from biobank.core.units import Quantity
from biobank.core.vocabulary import term
from biobank.core.work import Work
from biobank.custody.service import Doing, record
from biobank.identity import queries as identity
from biobank.identity.service import may, require
from biobank.ledger.rules import Line
from biobank.ledger.service import append, open_chain
from biobank.requests import queries
from biobank.requests.models import Request, RequestItem
from biobank.requests.rules import NotForYou, RequestMoved, Stale, State, Step, StepNeeds, TubesOpen, step, steps_from
from biobank.studies.queries import definition
from biobank.studies.rules import StudyDefinition

ITEMS_AT_MOST = 50
TUBES_AT_MOST = 1000


@dataclass(frozen=True, slots=True)
class NewItem:
    """One wish: at most `n` tubes of a material; each must still hold `amount`."""

    material: str
    n: int
    event: str | None = None
    family: str | None = None
    amount: Quantity | None = None


@dataclass(frozen=True, slots=True)
class NewRequest:
    """What is asked for, and for what. `organisation` None: the requester's own receives the tubes."""

    study: str
    purpose: str
    items: Sequence[NewItem]
    uses: tuple[str, ...] = ()
    title: str | None = None
    organisation: str | None = None


def create(work: Work, new: NewRequest) -> Request:
    """A new request in draft. Raises FieldsWrong naming every wrong field, or Forbidden."""
    study = definition(work, new.study, pointer="/study")
    require(work, "request", study=study.code)
    _check(work, study, new)
    code = new_codes(work.session, work.random, 1)[0]
    organisation = new.organisation or work.who.organisation
    made = Request(
        code=code, study=study.code, purpose=new.purpose, uses=json.dumps(sorted(set(new.uses))), title=(new.title or "").strip() or None,
        organisation=organisation, requester_id=work.who.id, state=State.DRAFT.value, created_at=work.now, version=1,
        chain_id=open_chain(work, "request", code),
    )
    work.session.add(made)
    work.session.flush()
    bind_codes(work.session, "request", [(code, made.id)])
    items = [_item(made.id, line, item) for line, item in enumerate(new.items, start=1)]
    work.session.add_all(items)
    work.session.flush()
    facts = {
        "study": made.study, "purpose": made.purpose, "uses": sorted(set(new.uses)), "organisation": organisation,
        "items": [
            {"line": i.line, "material": i.material, "family": i.family, "event": i.event, "n": i.n, "amount": i.amount, "unit": i.unit}
            for i in items
        ],
    }
    append(work, [Line(made.chain_id, "draft", facts)])
    return made


def _item(request_id: int, line: int, item: NewItem) -> RequestItem:
    return RequestItem(
        request_id=request_id, line=line, material=item.material, family=item.family, event=item.event, n=item.n,
        amount=item.amount.amount if item.amount else None, unit=item.amount.unit if item.amount else None,
    )


def _check(work: Work, study: StudyDefinition, new: NewRequest) -> None:
    check_purpose(new.purpose, [sub.code for sub in study.sub_studies])
    if not (new.purpose == "supply" or new.purpose.startswith("use:")):
        right = ", ".join(["supply", *(f"use:{sub.code}" for sub in study.sub_studies)])
        raise FieldsWrong([Fault("/purpose", f"tubes are handed over for one of {right}", new.purpose)])
    check_words(new.uses, USES, "/uses")
    if new.uses and new.purpose != "supply":
        raise FieldsWrong([Fault("/uses", "uses are declared for the purpose supply only; leave them out", ", ".join(new.uses))])
    if new.organisation is not None:
        identity.organisation(work, new.organisation)
        if new.organisation != work.who.organisation:
            require(work, "allocate", study=study.code)
    if not 1 <= len(new.items) <= ITEMS_AT_MOST:
        raise FieldsWrong([Fault("/items", f"give 1 to {ITEMS_AT_MOST} items", len(new.items))])
    for number, item in enumerate(new.items):
        _check_item(work, study, item, f"/items/{number}")


def _check_item(work: Work, study: StudyDefinition, item: NewItem, at: str) -> None:
    unit = term(work, "material", item.material, f"{at}/material").facts.get("unit")
    if item.event is not None:
        check_words([item.event], [event.code for event in study.events], f"{at}/event")
    if item.family is not None:
        check_words([item.family], FAMILIES, f"{at}/family")
    if not 1 <= item.n <= TUBES_AT_MOST:
        raise FieldsWrong([Fault(f"{at}/n", f"give 1 to {TUBES_AT_MOST} tubes", item.n)])
    if item.amount is not None and item.amount.unit != unit:
        raise FieldsWrong([Fault(f"{at}/amount/unit", f"{item.material} is measured in {unit}", item.amount.unit)])


def etag(request: Request) -> str:
    """The version of a request as an ETag."""
    return f'"{request.version}"'


def check_etag(request: Request, met: str | None) -> None:
    """Raises Stale (412) when the person looked at another version. None: they did not say."""
    if met is not None and met.strip() not in {"*", etag(request)}:
        raise Stale(request=spaced(request.code), now=etag(request), met=met)


def transition(work: Work, code: str, to: str, reason: str | None = None, *, if_match: str | None = None) -> Request:
    """Take a request to another state; the state it is in already changes nothing.

    Raises RequestUnknown, StepNotPossible, StepNeeds (a reason), NotForYou, Forbidden, TubesOpen, Stale, or RequestMoved.
    """
    request = queries.request(work, code)
    check_etag(request, if_match)
    if request.state == to:
        return request
    row = step(spaced(request.code), request.state, to)
    _check_person(work, request, row)
    if row.reason and not (reason or "").strip():
        raise StepNeeds(request=spaced(request.code), to=to)
    facts: dict[str, Any] = {}
    if row.own == "flagged" and request.requester_id == work.who.id:
        facts["conflict_of_interest"] = True
    if row.frees:
        facts["freed"] = _free_all(work, request)
    _check_tubes(work, request, row)
    move(work, request, row.to, row.to.value, facts, reason)
    return request


def steps_for(work: Work, request: Request) -> list[Step]:
    """The steps that the actor may take now."""
    found = []
    for row in steps_from(request.state):
        try:
            _check_person(work, request, row)
            _check_tubes(work, request, row)
        except (Forbidden, TubesOpen):
            continue
        found.append(row)
    return found


def _check_person(work: Work, request: Request, row: Step) -> None:
    own = request.requester_id == work.who.id
    judges_own = row.own == "not" or (row.own == "flagged" and not may(work, "allocate", study=request.study))
    if judges_own and own and may(work, row.permission, study=request.study):
        raise NotForYou(request=spaced(request.code), requester="you", right="somebody else has to judge it")
    if row.own == "only" and not own and not may(work, "allocate", study=request.study):
        requester = identity.logins(work, [request.requester_id])[request.requester_id]
        raise NotForYou(request=spaced(request.code), requester=requester, right="only they may do this")
    require(work, row.permission, study=request.study)


def _check_tubes(work: Work, request: Request, row: Step) -> None:
    if row.to not in {State.RESERVED, State.DELIVERED, State.CLOSED}:
        return
    tubes = queries.tubes(work, request, [item.line for item in queries.items(work, request)])
    open_ = [spaced(tube.code) for tube in tubes if tube.open]
    why, right = "", ""
    if row.to is State.RESERVED and not open_:
        why, right = "no tube is reserved", "Reserve tubes first"
    elif row.to is State.DELIVERED and open_:
        why, right = f"still waiting: {', '.join(open_)}", "Hand them over by scan, or set them free"
    elif row.to is State.DELIVERED and not any(tube.stage == "delivered" for tube in tubes):
        why, right = "no tube was handed over", "Pick and deliver tubes by scan, or cancel the request"
    doubted = [spaced(tube.code) for tube in tubes if tube.identity == "in-doubt"]
    if row.to is State.CLOSED and doubted:
        why = f"whose it is was wrong when it was handed over, and is in doubt: {', '.join(doubted)}"
        right = "Tell the recipient, and free the identity hold once that is settled"
    if why:
        raise TubesOpen(request=spaced(request.code), to=row.to.value, why=why, right=right)


def _free_all(work: Work, request: Request) -> list[dict[str, Any]]:
    tubes = queries.tubes(work, request, [item.line for item in queries.items(work, request)])
    doings = [Doing(tube.specimen_id, "unreserve", promise=queries.promise(request, tube.line)) for tube in tubes if tube.open]
    return [named(done.entry.chain, done.entry.seq) for done in record(work, doings)] if doings else []


def named(chain: str, seq: int) -> dict[str, Any]:
    """Another chain's entry, by chain and seq."""
    return {"chain": chain, "seq": seq}


def move(work: Work, request: Request, to: State, act: str, facts: Mapping[str, Any], reason: str | None = None) -> None:
    """Set the state if nobody else changed the request in between, and write the entry. Comes last: the request's row and chain are
    locked after those of its tubes. Raises RequestMoved."""
    was = request.state
    guarded = update(Request).where(Request.id == request.id, Request.version == request.version).values(state=to.value, version=Request.version + 1)
    if work.session.connection().execute(guarded).rowcount != 1:
        raise RequestMoved(request=spaced(request.code))
    work.session.refresh(request)
    notes = {"reason": reason.strip()} if reason and reason.strip() else None
    append(work, [Line(request.chain_id, act, {"from": was, "to": to.value, **facts}, notes=notes)])
