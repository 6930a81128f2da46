"""The list of requests, a new one, and one request with its tubes and steps."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import flask
from flask import redirect, render_template
from werkzeug.wrappers import Response

from biobank.availability.rules import FAMILIES, USES
from biobank.core.errors import Refusal
from biobank.core.vocabulary import terms
from biobank.core.work import Work
from biobank.identity import queries as identity
from biobank.identity.service import may
from biobank.ledger import queries as ledger
from biobank.requests import queries, service
from biobank.requests.rules import State, allocates, picks
from biobank.studies.queries import studies
from biobank.web import forms, present
from biobank.web.blueprint import PageBlueprint
from biobank.web.language import _

if TYPE_CHECKING:
    from biobank.requests.models import Request

pages = PageBlueprint("requests", "biobank.requests")

SHOWN_AT_MOST = 100
# Empty lines below those that were filled in, on the form of a new request.
SPARE_LINES = 3
LINES_AT_MOST = 12
# The usual way, as it is drawn on the page; the other states leave it.
WAY = (State.DRAFT, State.SUBMITTED, State.APPROVED, State.RESERVED, State.PICKING, State.DELIVERED, State.CLOSED)


@pages.get("/requests", permission="read-requests")
def requests_page(work: Work) -> str:
    """The requests that the reader may see, newest first."""
    state, after = flask.request.args.get("state") or None, flask.request.args.get("after") or None
    rows = queries.requests(work, state=state, after=after, limit=SHOWN_AT_MOST)
    following = None
    if len(rows) > SHOWN_AT_MOST:
        following = f"/requests?after={rows[SHOWN_AT_MOST - 1].code}" + (f"&state={state}" if state in _states() else "")
    return render_template(
        "requests/list.html", rows=rows[:SHOWN_AT_MOST], state=state, states=_states(), next=following, may_ask=may(work, "request"),
    )


@pages.get("/requests/new", permission="request")
def new_request_page(work: Work) -> str:
    """The form of a new request, filled with what was chosen in availability: `item=MATERIAL:EVENT:FAMILY`, several."""
    args = flask.request.args
    typed: dict[str, str] = {"study": args.get("study", ""), "purpose": args.get("purpose", "supply")}
    for use in args.get("uses", "").split(","):
        typed[f"uses.{use}"] = "yes"
    for line, item in enumerate(args.getlist("item")[:LINES_AT_MOST]):
        material, event, family = [*item.split(":"), "", ""][:3]
        typed |= {f"items/{line}/material": material, f"items/{line}/event": event, f"items/{line}/family": family, f"items/{line}/n": "1"}
    return _new_page(work, typed)


@pages.post("/requests/new", permission="request")
def new_request(work: Work) -> Response | tuple[str, int]:
    """Make the request that was filled in."""
    try:
        made = service.create(work, _new())
    except Refusal as refusal:
        typed = {name: value for name, value in flask.request.form.items() if name != "csrf_token"}
        return _new_page(work, typed, present.put_back(work, refusal)), refusal.status
    return redirect(f"/requests/{made.code}", 303)


@pages.get("/requests/<code>", permission="read-requests")
def request_page(work: Work, code: str) -> str:
    """One request."""
    return _request_page(work, queries.request(work, code))


@pages.post("/requests/<code>/transitions", permission="read-requests")
def take_step(work: Work, code: str) -> Response | tuple[str, int]:
    """Take the request to another state."""
    try:
        service.transition(work, code, forms.text("to"), forms.text("reason") or None, if_match=forms.text("etag") or None)
    except Refusal as refusal:
        return _refused(work, code, refusal)
    return redirect(f"/requests/{code}", 303)


@pages.post("/requests/<code>/allocation", permission="allocate")
def reserve_tubes(work: Work, code: str) -> Response | tuple[str, int]:
    """Reserve tubes for an item, by plan or those that were typed or scanned."""
    try:
        chosen = forms.text("specimens").replace(",", "\n").splitlines()
        service.allocate(work, code, forms.whole("item"), [one for one in chosen if one.strip()] or None, forms.text("reason") or None)
    except Refusal as refusal:
        return _refused(work, code, refusal)
    return redirect(f"/requests/{code}#item-{forms.whole('item')}", 303)


@pages.post("/requests/<code>/unreserve", permission="allocate")
def free_tubes(work: Work, code: str) -> Response | tuple[str, int]:
    """Set one tube free."""
    try:
        service.unreserve(work, code, [forms.text("specimen")], forms.text("reason") or None)
    except Refusal as refusal:
        return _refused(work, code, refusal)
    return redirect(f"/requests/{code}", 303)


def _refused(work: Work, code: str, refusal: Refusal) -> tuple[str, int]:
    told = present.put_back(work, refusal)
    typed = {name: value for name, value in flask.request.form.items() if name != "csrf_token"}
    return _request_page(work, queries.request(work, code), told, typed), refusal.status


def _new() -> service.NewRequest:
    lines = [line for line in range(LINES_AT_MOST) if forms.text(f"items/{line}/material")]
    items = [
        service.NewItem(
            forms.text(f"items/{line}/material"), forms.whole(f"items/{line}/n"), forms.text(f"items/{line}/event") or None,
            forms.text(f"items/{line}/family") or None, forms.amount(f"items/{line}/amount"),
        )
        for line in lines
    ]
    uses = tuple(use for use in USES if forms.text(f"uses.{use}"))
    return service.NewRequest(
        forms.needed("study", _("choose a study")), forms.text("purpose") or "supply", items, uses, forms.text("title") or None,
        forms.text("organisation") or None,
    )


def _new_page(work: Work, typed: dict[str, str], refusal: dict[str, Any] | None = None) -> str:
    known = [study for study in studies(work) if may(work, "request", study=study.code)]
    chosen = next((study for study in known if study.code == typed.get("study")), known[0] if len(known) == 1 else None)
    filled = [line for line in range(LINES_AT_MOST) if typed.get(f"items/{line}/material")]
    return render_template(
        "requests/new.html", studies=known, study=chosen, typed=typed, refusal=refusal, families=_families(),
        lines=range(min(LINES_AT_MOST, max(filled, default=-1) + 1 + SPARE_LINES)),
        materials=[(code, present.in_language(term.title, term.title_nl)) for code, term in terms(work, "material").items()],
        organisations=identity.organisations(work) if may(work, "allocate") else [], uses=_uses(),
    )


def _request_page(work: Work, found: Request, refusal: dict[str, Any] | None = None, typed: dict[str, str] | None = None) -> str:
    items = queries.items(work, found)
    tubes = queries.tubes(work, found, [item.line for item in items])
    inside = queries.inside(work, found.study)
    plans = queries.plans(work, found) if inside else {}
    entries = ledger.entries(work, found.chain_id)
    logins = identity.logins(work, [found.requester_id, *(entry.actor_id for entry in entries if entry.actor_id is not None)])
    return render_template(
        "requests/request.html", request_=found, requester=logins[found.requester_id], states=_states(), way=_way(found, entries),
        uses=[_uses().get(use, use) for use in json.loads(found.uses)], refusal=refusal, typed=typed or {}, etag=service.etag(found),
        items=[
            {
                "item": item, "tubes": [tube for tube in tubes if tube.line == item.line],
                "reasons": [reason for plan in plans.get(item.line, []) for reason in queries.reasons(plan)],
                "has": sum(tube.line == item.line and tube.stage != "freed" for tube in tubes),
            }
            for item in items
        ],
        stops=queries.pick_list(work, found) if inside else [], steps=service.steps_for(work, found), inside=inside,
        entries=[{"entry": entry, "actor": logins.get(entry.actor_id or 0)} for entry in entries],
        may_allocate=allocates(found.state) and may(work, "allocate", study=found.study),
        may_pick=picks(found.state) and may(work, "pick", study=found.study), stages=_stages(), families=_families(), acts=_acts(),
        titles={code: present.in_language(term.title, term.title_nl) for code, term in terms(work, "material").items()},
    )


def _way(found: Request, entries: list[ledger.EntryRead]) -> list[tuple[State, str]]:
    """The states with how they are drawn: those it went through, the one it is in, and those ahead while it goes on."""
    state = State(found.state)
    if state in WAY:
        here = WAY.index(state)
        return [(one, "past" if place < here else "now" if place == here else "ahead") for place, one in enumerate(WAY)]
    reached = {entry.act for entry in entries}
    return [*((one, "past") for one in WAY if one.value in reached), (state, "now")]


def _states() -> dict[str, str]:
    return {
        "draft": _("draft"), "submitted": _("submitted"), "revise": _("sent back"), "approved": _("approved"), "rejected": _("rejected"),
        "reserved": _("reserved"), "picking": _("picking"), "delivered": _("handed over"), "closed": _("closed"), "cancelled": _("cancelled"),
    }


def _stages() -> dict[str, tuple[str, str]]:
    """Words and standing of how far a tube has come."""
    return {
        "reserved": (_("reserved"), "reserved"), "picked": (_("picked"), "out"), "delivered": (_("handed over"), "recipient"),
        "freed": (_("set free"), "gone"),
    }


def _acts() -> dict[str, str]:
    """What closed a reservation, in words."""
    return {
        "unreserve": _("set free by a person"), "consent": _("consent changed"), "lose": _("lost"), "dispose": _("disposed of"),
        "reassign": _("it is another child's"),
        "spill": _("spilled"), "measure": _("measured: less than was reserved"), "amend": _("corrected: less than was reserved"),
    }


def _families() -> dict[str, str]:
    return dict(zip(FAMILIES, (_("marrow"), _("blood"), _("CSF"), _("other material")), strict=True))


def _uses() -> dict[str, str]:
    return {"genetic": _("genetic"), "commercial": _("commercial")}
