"""Verification over the API."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from itertools import islice
from typing import Any

import flask
from marshmallow import fields

from biobank.core.work import Work
from biobank.ledger import queries, service
from biobank.ledger.service import Check
from biobank.web.blueprint import ApiBlueprint
from biobank.web.parser import Shape

api = ApiBlueprint("custody", __name__, "The chain of custody as a whole")
FINDINGS_SHOWN = 1000


def hand_in(app: flask.Flask, checks: Sequence[Check]) -> None:
    """The further checks that verification runs; the ledger itself knows no tube."""
    app.extensions["ledger_checks"] = tuple(checks)


class FindingOut(Shape):
    """One fault."""

    chain = fields.String(required=True)
    seq = fields.Integer(required=True, allow_none=True)
    field = fields.String(required=True)
    message = fields.String(required=True)


class Verification(Shape):
    """The result: clean when there are no findings."""

    clean = fields.Boolean(required=True)
    entries = fields.Integer(required=True)
    findings = fields.List(fields.Nested(FindingOut), required=True)


@api.post("/custody/verification", permission="verify")
@api.answers(200, Verification())
def verify(work: Work) -> dict[str, Any]:
    """Recompute every hash, refold every tube, check amounts and triggers. Answers with the first thousand findings."""
    found = [asdict(finding) for finding in islice(service.verify(work, flask.current_app.extensions["ledger_checks"]), FINDINGS_SHOWN)]
    return {"clean": not found, "entries": queries.entry_count(work), "findings": found}
