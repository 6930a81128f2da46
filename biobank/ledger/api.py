"""Checkpoints and verification over the API."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import asdict
from itertools import islice
from typing import Any, cast

import flask
from marshmallow import fields, validate

from biobank.core.work import Work
from biobank.ledger import queries, service
from biobank.ledger.service import Check
from biobank.settings import Settings
from biobank.web.blueprint import ApiBlueprint, reads_only
from biobank.web.paging import page
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


class CheckpointsArgs(Shape):
    """Keyset paging by size."""

    after = fields.Integer(load_default=-1, validate=validate.Range(min=-1, max=2**53), metadata={"description": "the last size seen"})
    limit = fields.Integer(load_default=100, validate=validate.Range(min=1, max=1000))


class CheckpointOut(Shape):
    """A signed tree head: how many leaves, their root (base64), and the C2SP signed note (tlog-checkpoint) that says so."""

    size = fields.Integer(required=True)
    root = fields.String(required=True)
    note = fields.String(required=True)


class Checkpoints(Shape):
    """The smallest first. `keys` are the public keys (C2SP vkeys) that sign or signed, the newest last."""

    items = fields.List(fields.Nested(CheckpointOut), required=True)
    next = fields.String(required=True, allow_none=True)
    keys = fields.List(fields.String(), required=True)


@api.get("/custody/checkpoints", permission="read-custody")
@api.takes(CheckpointsArgs(), location="query")
@api.answers(200, Checkpoints())
def checkpoints(work: Work, args: dict[str, int]) -> dict[str, Any]:
    """Every checkpoint, to keep elsewhere: with it anyone can tell later whether history was rewritten."""
    found = queries.checkpoints(work, args["after"], args["limit"] + 1)
    items = [{"size": one.size, "root": base64.b64encode(one.root).decode("ascii"), "note": one.note} for one in found]
    return page(items, args["limit"], lambda one: str(one["size"])) | {"keys": [one.vkey for one in _verifiers()]}


@api.post("/custody/verification", permission="verify")
@api.answers(200, Verification())
@reads_only
def verify(work: Work) -> dict[str, Any]:
    """Recompute every hash, refold every tube, check amounts and triggers, retrace the tree. Answers with the first thousand findings."""
    checks = flask.current_app.extensions["ledger_checks"]
    found = [asdict(finding) for finding in islice(service.verify(work, checks, verifiers=_verifiers()), FINDINGS_SHOWN)]
    return {"clean": not found, "entries": queries.entry_count(work), "findings": found}


def _verifiers() -> Sequence[Any]:
    settings = cast(Settings, flask.current_app.settings)  # type: ignore[attr-defined]
    return service.known_verifiers(settings.signing_folder)
