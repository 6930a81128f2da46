"""Corrections over HTTP: one person proposes (202, it waits), a second confirms or declines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from biobank.core.units import quantity_json
from biobank.core.work import Work
from biobank.corrections import queries, service
from biobank.corrections.schemas import (
    CONFIRMATION_IN,
    CONFIRMED,
    CORRECTION,
    CORRECTIONS,
    CORRECTIONS_ARGS,
    REASSIGN_IN,
    REFUSAL_IN,
    REVIVAL_IN,
)
from biobank.identity import queries as people
from biobank.places import queries as places
from biobank.places.rules import position_text
from biobank.web.blueprint import ApiBlueprint
from biobank.web.paging import page

if TYPE_CHECKING:
    from biobank.corrections.models import Correction

api = ApiBlueprint("corrections", __name__, "Corrections that need two people: a sample swap, a tube that comes back")


@api.post("/specimens/<specimen>/reassign", permission="correct")
@api.takes(REASSIGN_IN)
@api.answers(202, CORRECTION)
def reassign(work: Work, body: dict[str, Any], specimen: str) -> Any:
    """Propose that a whole tree changes places with another, or is another child's. It waits for a second person."""
    if "with_" in body:
        made = service.propose_swap(work, specimen, body["with_"], body["reason"])
    else:
        made = service.propose_move(work, specimen, body["participant"], body["study"], body["reason"], body.get("collection"))
    return _proposed(work, made)


@api.post("/specimens/<specimen>/revival", permission="correct")
@api.takes(REVIVAL_IN)
@api.answers(202, CORRECTION)
def revival(work: Work, body: dict[str, Any], specimen: str) -> Any:
    """Propose that a tube which is gone or cancelled is here after all. It waits for a second person."""
    return _proposed(work, service.propose_revival(work, specimen, body["reason"], body.get("position")))


@api.get("/corrections", permission=queries.PERMISSION)
@api.takes(CORRECTIONS_ARGS, location="query")
@api.answers(200, CORRECTIONS)
def corrections(work: Work, args: dict[str, Any]) -> dict[str, Any]:
    """The corrections that wait (or of another `state`), newest first."""
    state = None if args["state"] == "all" else args["state"]
    found = page(queries.page_of(work, state, args["after"], args["limit"]), args["limit"], lambda one: str(one.id))
    return {"items": [view(work, one) for one in found["items"]], "next": found["next"]}


@api.get("/corrections/<correction>", permission=queries.PERMISSION)
@api.answers(200, CORRECTION)
def one_correction(work: Work, correction: str) -> dict[str, Any]:
    """One correction: both trees side by side, and what would happen to each tube."""
    return view(work, queries.correction(work, queries.number(correction)))


@api.post("/corrections/<correction>/confirmation", permission="correct")
@api.takes(CONFIRMATION_IN)
@api.answers(201, CONFIRMED)
def confirm(work: Work, body: dict[str, Any], correction: str) -> dict[str, Any]:
    """Confirm what somebody else proposed: it is judged again and done in one transaction."""
    done = service.confirm(work, queries.number(correction))
    return {"correction": view(work, queries.correction(work, queries.number(correction))), "entries": [one.entry for one in done]}


@api.post("/corrections/<correction>/refusal", permission="correct")
@api.takes(REFUSAL_IN)
@api.answers(201, CORRECTION)
def decline(work: Work, body: dict[str, Any], correction: str) -> dict[str, Any]:
    """Decline it, or take back one's own: nothing changes."""
    return view(work, service.decline(work, queries.number(correction), body["reason"]))


def _proposed(work: Work, made: Correction) -> Any:
    return view(work, made), 202, {"Location": f"/api/v1/corrections/{made.id}"}


def view(work: Work, found: Correction) -> dict[str, Any]:
    """A correction as it is shown."""
    told = service.foresee(work, found)
    logins = people.logins(work, [one for one in (found.proposed_by_id, found.decided_by_id) if one is not None])
    return {
        "id": found.id, "kind": found.kind, "state": found.state, "reason": found.reason, "proposed_by": logins[found.proposed_by_id],
        "proposed_at": found.proposed_at, "decided_by": logins.get(found.decided_by_id or 0), "decided_at": found.decided_at,
        "answer": found.answer, "position": _position(work, found), "trees": [_tree(side) for side in told.sides],
        "overtaken": list(told.overtaken),
    }


def _position(work: Work, found: Correction) -> str | None:
    if found.container_id is None or found.row is None or found.column is None:
        return None
    return f"{places.by_id(work, found.container_id).code}:{position_text(found.row, found.column)}"


def _tree(side: service.ForeseenSide) -> dict[str, Any]:
    to = None
    if side.to_participant is not None:
        to = {"participant": side.to_participant, "study": side.to_study, "collection": side.to_collection, "event": side.to_event}
    return {
        "was": {"participant": side.participant, "study": side.study, "collection": side.collection, "event": side.event}, "to": to,
        "specimens": [
            {
                "code": tube.code, "kind": tube.kind, "material": tube.material, "status": tube.status, "holds_opened": list(tube.opens),
                "holds_lifted": list(tube.lifts), "reservations_ended": list(tube.frees), "earmarks_ended": list(tube.unmarks),
                "amount_back": quantity_json(tube.back, tube.unit) if tube.back is not None else None,
            }
            for tube in side.tubes
        ],
    }
