"""Scans over the API."""

from __future__ import annotations

from typing import Any

from biobank.core.errors import fault
from biobank.core.work import Work
from biobank.desk import service
from biobank.desk.schemas import PositionIn, ScanIn, ScanOut
from biobank.specimens import queries as specimens
from biobank.web.blueprint import ApiBlueprint

api = ApiBlueprint("desk", __name__, "The scan station")
_POSITION = PositionIn()


@api.post("/scans", permission="scan")
@api.takes(ScanIn())
@api.answers(200, ScanOut())
def scan(work: Work, body: dict[str, Any]) -> dict[str, Any]:
    """One scan. The answer is done or held; a refusal is a problem with the member `verdict: refused`."""
    context = body.pop("context")
    position = body.pop("position")
    if position is not None and not isinstance(position, str):
        position = _parts(position)
    facts = dict(body.pop("facts"))
    if "count" in context:
        facts.setdefault("count", context["count"])
    given = service.Scan(**body, facts=facts, position=position, container=context.get("container"), pick_list=context.get("pick_list"))
    scanned = service.scan(work, given)
    answer: dict[str, Any] = {
        "verdict": scanned.done.outcome, "specimen": specimens.shown(work, [scanned.done.specimen_id])[0], "entry": scanned.done.entry,
    }
    return answer | ({"made": list(scanned.made)} if scanned.made else {})


def _parts(position: Any) -> dict[str, Any]:
    if not isinstance(position, dict) or _POSITION.validate(position):
        raise fault("/position", "give text as C612FF2G:A1, or an object with container, row and column (numbers from 1)")
    return position
