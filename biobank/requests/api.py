"""Requests over HTTP; picking and handing over come as scans."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import flask

from biobank.core.units import parse_quantity, quantity_json
from biobank.core.work import Work
from biobank.identity import queries as identity
from biobank.ledger import queries as ledger
from biobank.places.rules import position_text
from biobank.requests import queries, service
from biobank.requests.queries import Stop, Tube
from biobank.requests.schemas import (
    ALLOCATION,
    ALLOCATION_IN,
    PICK_LIST,
    REQUEST,
    REQUEST_IN,
    REQUESTS,
    REQUESTS_ARGS,
    TRANSITION_IN,
    UNRESERVE_IN,
)
from biobank.web.blueprint import ApiBlueprint
from biobank.web.paging import page

if TYPE_CHECKING:
    from biobank.requests.models import Request, RequestItem, RequestPlan

api = ApiBlueprint("requests", __name__, "Asking for tubes: review, reservation by plan, pick list")


@api.post("/requests", permission="request")
@api.takes(REQUEST_IN)
@api.answers(201, REQUEST)
def create_request(work: Work, body: dict[str, Any]) -> Any:
    """A new request in draft."""
    items = [
        service.NewItem(
            item["material"], item["n"], item["event"], item["family"],
            parse_quantity(item["amount"], f"/items/{number}/amount") if item["amount"] else None,
        )
        for number, item in enumerate(body["items"])
    ]
    new = service.NewRequest(body["study"], body["purpose"], items, tuple(body["uses"]), body["title"], body["organisation"])
    made = service.create(work, new)
    return view(work, made), 201, {"Location": f"/api/v1/requests/{made.code}", "ETag": service.etag(made)}


@api.get("/requests", permission="read-requests")
@api.takes(REQUESTS_ARGS, location="query")
@api.answers(200, REQUESTS)
def list_requests(work: Work, args: dict[str, Any]) -> dict[str, Any]:
    """The requests you may see, newest first."""
    return page(queries.requests(work, **args), args["limit"], lambda row: row.code)


@api.get("/requests/<code>", permission="read-requests")
@api.answers(200, REQUEST)
def get_request(work: Work, code: str) -> Any:
    """One request."""
    found = queries.request(work, code)
    return view(work, found), 200, {"ETag": service.etag(found)}


@api.post("/requests/<code>/transitions", permission="read-requests")
@api.takes(TRANSITION_IN)
@api.answers(200, REQUEST)
def transition_request(work: Work, body: dict[str, Any], code: str) -> Any:
    """Take the request to its next state; `If-Match` guards against overlooking a change."""
    moved = service.transition(work, code, body["to"], body["reason"], if_match=flask.request.headers.get("If-Match"))
    return view(work, moved), 200, {"ETag": service.etag(moved)}


@api.post("/requests/<code>/allocation", permission="allocate")
@api.takes(ALLOCATION_IN)
@api.answers(200, ALLOCATION)
def allocate_request(work: Work, body: dict[str, Any], code: str) -> Any:
    """Reserve whole tubes for an item: by plan, or those named. A last tube needs a reason."""
    done = service.allocate(work, code, body["item"], body["specimens"], body["reason"])
    answer = {
        "request": done.request.code, "state": done.request.state, "etag": service.etag(done.request), "item": done.line,
        "reserved": [choice.code for choice in done.plan.taken], "short": done.plan.short, "input_sha256": done.plan.input_sha256,
        "reasons": done.plan.reasons(),
    }
    return answer, 200, {"ETag": service.etag(done.request)}


@api.post("/requests/<code>/unreserve", permission="allocate")
@api.takes(UNRESERVE_IN)
@api.answers(200, REQUEST)
def unreserve_request(work: Work, body: dict[str, Any], code: str) -> dict[str, Any]:
    """Set single tubes free; a picked one stays out until it is scanned back."""
    return view(work, service.unreserve(work, code, body["specimens"], body["reason"]))


@api.get("/requests/<code>/pick-list", permission="pick")
@api.answers(200, PICK_LIST)
def pick_list(work: Work, code: str) -> dict[str, Any]:
    """The tubes still to be handed over, in the order of the way through the freezers."""
    found = queries.request(work, code)
    return {"request": found.code, "state": found.state, "items": [_stop(stop) for stop in queries.pick_list(work, found)]}


def view(work: Work, found: Request) -> dict[str, Any]:
    """A request as it is shown; codes of tubes and reasons only to insiders."""
    items = queries.items(work, found)
    tubes = queries.tubes(work, found, [item.line for item in items])
    inside = queries.inside(work, found.study)
    plans = queries.plans(work, found) if inside else {}
    entries = ledger.entries(work, found.chain_id)
    logins = identity.logins(work, [found.requester_id, *(entry.actor_id for entry in entries if entry.actor_id is not None)])
    return {
        "code": found.code, "study": found.study, "purpose": found.purpose, "uses": json.loads(found.uses), "title": found.title,
        "organisation": found.organisation, "requester": logins[found.requester_id], "state": found.state, "created_at": found.created_at,
        "etag": service.etag(found),
        "items": [_item(item, [tube for tube in tubes if tube.line == item.line], plans.get(item.line, []), inside) for item in items],
        "transitions": [{"to": step.to.value, "needs_reason": step.reason} for step in service.steps_for(work, found)],
        "history": [
            {
                "seq": entry.seq, "act": entry.act, "actor": logins.get(entry.actor_id) if entry.actor_id is not None else None,
                "recorded_at": entry.recorded_at, "reason": entry.notes.get("reason"), "hash": entry.hash,
            }
            for entry in entries
        ],
    }


def _item(item: RequestItem, tubes: list[Tube], plans: list[RequestPlan], inside: bool) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "item": item.line, "material": item.material, "family": item.family, "event": item.event, "n": item.n,
        "amount": quantity_json(item.amount, item.unit) if item.amount is not None and item.unit else None,
    }
    for stage in ("reserved", "picked", "delivered", "freed"):
        shown[stage] = sum(tube.stage == stage for tube in tubes)
    shown["in_doubt"] = sum(tube.identity == "in-doubt" for tube in tubes)
    if inside:
        shown["tubes"] = [
            {
                "specimen": t.code, "stage": t.stage, "freed_by": t.freed_by, "amount": quantity_json(t.amount, t.unit), "held": t.open_holds > 0,
                "identity": t.identity,
            }
            for t in tubes
        ]
        shown["plans"] = [
            {"input_sha256": p.input_sha256, "at": p.at, "chosen": json.loads(p.chosen), "reasons": queries.reasons(p)} for p in plans
        ]
    return shown


def _stop(stop: Stop) -> dict[str, Any]:
    tube = stop.tube
    placed = tube.container is not None and tube.row is not None and tube.column is not None
    return {
        "specimen": tube.code, "item": tube.line, "material": tube.material, "stage": tube.stage, "held": tube.open_holds > 0, "way": list(stop.way),
        "container": tube.container, "position": f"{tube.container}:{position_text(tube.row or 0, tube.column or 0)}" if placed else None,
    }
