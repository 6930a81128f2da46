"""The check that requests hand to the ledger's verification: each request, its items and its plans are what its entries say."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import select

from biobank.core import codes
from biobank.core.times import stamp
from biobank.core.work import Work
from biobank.ledger.models import Chain
from biobank.ledger.rules import Finding
from biobank.requests.models import Request, RequestItem, RequestPlan

PREFIX = "request/"
ITEM = ("line", "material", "family", "event", "n", "amount", "unit")


def check_requests(work: Work, chains: Mapping[str, Sequence[dict[str, Any]]]) -> Iterator[Finding]:
    """Yields a Finding for every request, item or plan that is not as entered. Titles and the reasons of a plan stand in no entry.

    With no chains: requests without a chain of their own, and codes bound to requests that do not bear them.
    """
    if not chains:
        for code, kind, ref in work.session.execute(select(Request.code, Chain.kind, Chain.ref).outerjoin(Chain, Chain.id == Request.chain_id)):
            if (kind, ref) != ("request", code):
                yield Finding(PREFIX + code, None, "chain_id", f"the request belongs to the chain {kind}/{ref}")
        for code in codes.strays(work.session, "request", Request.__table__):
            yield Finding(PREFIX + code, None, "code", "this code is bound to something that does not bear it")
    mine = {name.removeprefix(PREFIX): bodies for name, bodies in chains.items() if name.startswith(PREFIX)}
    if not mine:
        return
    rows = {row.code: row for row in work.session.execute(select(Request.__table__).where(Request.code.in_(sorted(mine))))}
    bound = codes.bound(work.session, mine)
    for code, bodies in mine.items():
        name, row = PREFIX + code, rows.get(code)
        if row is None:
            yield Finding(name, None, "request", "the request has entries but no row")
            continue
        if bound.get(code) != ("request", row.id):
            yield Finding(name, None, "code", "the code is not bound to this request: a scan would find something else")
        if bodies:
            yield from _check_row(name, row, bodies)
            yield from _check_items(work, name, row.id, bodies[0]["facts"]["items"])
            yield from _check_plans(work, name, row.id, [body for body in bodies if body["act"] == "allocate"])


def _check_row(name: str, row: Any, bodies: Sequence[dict[str, Any]]) -> Iterator[Finding]:
    first = bodies[0]
    told = {key: first["facts"][key] for key in ("study", "purpose", "organisation")} | {
        "uses": first["facts"]["uses"], "requester_id": first["actor"], "created_at": first["recorded_at"],
        "state": bodies[-1]["facts"].get("to", "draft"), "version": len(bodies),
    }
    kept = {key: getattr(row, key) for key in told} | {"uses": json.loads(row.uses), "created_at": stamp(row.created_at)}
    for field, value in told.items():
        if kept[field] != value:
            seq = bodies[-1]["seq"] if field in {"state", "version"} else 1
            yield Finding(name, seq, field, f"the request says {kept[field]!r}, its entries {value!r}")


def _check_items(work: Work, name: str, request_id: int, told: Sequence[Mapping[str, Any]]) -> Iterator[Finding]:
    query = select(*(RequestItem.__table__.c[key] for key in ITEM)).where(RequestItem.request_id == request_id).order_by(RequestItem.line)
    kept = {row.line: dict(row._mapping) for row in work.session.execute(query)}
    entered = {item["line"]: {key: item[key] for key in ITEM} for item in told}
    for line in sorted(kept.keys() | entered.keys()):
        if kept.get(line) != entered.get(line):
            yield Finding(name, 1, "item", f"item {line} is {kept.get(line)}, the entry says {entered.get(line)}")


def _check_plans(work: Work, name: str, request_id: int, entries: Sequence[dict[str, Any]]) -> Iterator[Finding]:
    query = select(RequestItem.line, RequestPlan).join(RequestPlan, RequestPlan.item_id == RequestItem.id)
    found = work.session.execute(query.where(RequestItem.request_id == request_id).order_by(RequestPlan.id))
    kept = [(line, plan.input_sha256, sorted(json.loads(plan.chosen)), stamp(plan.at), plan.person_id) for line, plan in found]
    told = [
        (facts["line"], facts["input_sha256"], sorted(tube["code"] for tube in facts["tubes"]), entry["occurred_at"], entry["actor"])
        for entry in entries
        for facts in [entry["facts"]]
    ]
    for entry, one in zip(entries, told, strict=True):
        if one not in kept:
            yield Finding(name, entry["seq"], "plan", "the plan kept is not the one that this entry applied")
    if len(kept) != len(told):
        yield Finding(name, None, "plan", f"{len(kept)} plans are kept, {len(told)} were applied")
