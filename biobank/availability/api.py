"""`GET /availability`."""

from __future__ import annotations

from typing import Any

from flask_babel import gettext

from biobank.availability import service
from biobank.availability.queries import PERMISSION
from biobank.availability.rules import Answer, Criteria, reason, split
from biobank.availability.schemas import AVAILABILITY, AVAILABILITY_ARGS
from biobank.core.work import Work
from biobank.web.blueprint import ApiBlueprint

api = ApiBlueprint("availability", __name__, "How many tubes there are for a purpose, and why the others do not count")


@api.get("/availability", permission=PERMISSION)
@api.takes(AVAILABILITY_ARGS, location="query")
@api.answers(200, AVAILABILITY)
def availability(work: Work, args: dict[str, str]) -> dict[str, Any]:
    """Exact, fresh counts for insiders."""
    criteria = Criteria(
        purpose=args["purpose"], uses=frozenset(split(args["uses"])), studies=split(args["study"]), organisations=split(args["organisation"]),
        materials=split(args["material"]), families=split(args["family"]), events=split(args["event"]), diseases=split(args["disease"]),
    )
    return _answer(work, service.count(work, criteria, split(args["by"]), args["to"]))


def _answer(work: Work, found: Answer) -> dict[str, Any]:
    return {
        "tubes": found.tubes,
        "participants": found.participants,
        "cells": [{**dict(zip(found.by, cell.at, strict=True)), "tubes": cell.tubes, "participants": cell.participants} for cell in found.cells],
        "not_available": [{"reason": code, "title": gettext(reason(code).title), "tubes": tubes} for code, tubes in found.not_available],
        "as_of": work.now,
    }
