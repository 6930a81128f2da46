"""Collections and tubes over the API."""

from __future__ import annotations

import json
from typing import Any

import flask

from biobank.core.codes import parse_code
from biobank.core.errors import fault
from biobank.core.times import not_ahead
from biobank.core.units import Quantity, parse_quantity
from biobank.core.work import Work
from biobank.custody.service import Recorded
from biobank.identity import queries as people
from biobank.ledger import queries as ledger
from biobank.ledger.service import Keyring
from biobank.specimens import queries, service
from biobank.specimens.schemas import (
    Acted,
    AliquotsIn,
    AmendmentIn,
    ArrivalIn,
    CollectionIn,
    CollectionOut,
    CustodyOut,
    DerivativesIn,
    EarmarkIn,
    LineageOut,
    Made,
    SpecimenArgs,
    SpecimenList,
    SpecimenOut,
)
from biobank.web.blueprint import ApiBlueprint
from biobank.web.paging import page

api = ApiBlueprint("specimens", __name__, "Draws, tubes and what was made from them")
AMOUNTS = {"volume": "nL", "cells": "cells", "pieces": "pieces"}


def amount_in(body: dict[str, Any]) -> Quantity | None:
    """The one amount of a body: volume, cells or pieces."""
    given = [(name, body[name]) for name in AMOUNTS if body.get(name) is not None]
    if len(given) > 1:
        raise fault("/" + given[1][0], "give one of volume, cells or pieces")
    return parse_quantity(given[0][1], f"/{given[0][0]}", AMOUNTS[given[0][0]]) if given else None


def acted(work: Work, done: Recorded) -> dict[str, Any]:
    """The answer to an act."""
    return {"verdict": done.outcome, "specimen": queries.shown(work, [done.specimen_id])[0], "entry": done.entry}


@api.post("/collections", permission="plan-collection")
@api.takes(CollectionIn())
@api.answers(201, CollectionOut())
def plan(work: Work, body: dict[str, Any]) -> dict[str, Any]:
    """Plan a draw: its expected tubes get codes, so their labels can be printed before it."""
    return queries.shown_collection(work, service.plan_collection(work, service.NewCollection(**body)))


@api.get("/collections/<collection>", permission="read-specimens")
@api.answers(200, CollectionOut())
def one_collection(work: Work, collection: str) -> dict[str, Any]:
    """A draw with its window and its tubes."""
    return queries.shown_collection(work, queries.collection(work, collection))


@api.post("/specimens", permission="handle")
@api.takes(ArrivalIn())
@api.answers(201, Acted())
def arrive(work: Work, body: dict[str, Any]) -> dict[str, Any]:
    """Register and receive a tube that nobody planned. It is recorded in any case; without consent it is held."""
    amount, external = amount_in(body), body.get("external_code")
    told = {name: body[name] for name in ("participant", "study", "material", "container_type", "purpose", "collected_at")}
    new = service.NewArrival(**told, amount=amount, external=(external["issuer"], external["code"]) if external else None)
    return acted(work, service.register_arrival(work, new)[1])


@api.get("/specimens", permission="read-specimens")
@api.takes(SpecimenArgs(), "query")
@api.answers(200, SpecimenList())
def listed(work: Work, args: dict[str, Any]) -> dict[str, Any]:
    """Tubes by code, filtered."""
    rows = queries.page_of(work, [queries.visible(work), *queries.conditions(args)], args["after"], args["limit"])
    shown = queries.shown(work, [row.id for row in rows])
    return page(shown, args["limit"], lambda tube: str(tube["code"]))


@api.get("/specimens/<specimen>", permission="read-specimens")
@api.answers(200, SpecimenOut())
def one(work: Work, specimen: str) -> dict[str, Any]:
    """A tube as it stands now."""
    return queries.shown(work, [queries.specimen_id(work, specimen)])[0]


@api.post("/specimens/<specimen>/aliquots", permission="handle")
@api.takes(AliquotsIn())
@api.answers(201, Made())
def aliquots(work: Work, body: dict[str, Any], specimen: str) -> dict[str, Any]:
    """Take aliquots; with another `material`, make derivatives."""
    amount = amount_in(body)
    measured = parse_quantity(body["measured"], "/measured") if "measured" in body else None
    extra = {"container_type": body["container_type"]} if "container_type" in body else {}
    occurred_at = not_ahead(body.get("occurred_at"), work.now)
    parent = queries.specimen(work, specimen)
    if body.get("material", parent.material) != parent.material:
        derived = service.NewDerivatives(material=body["material"], count=body["count"], amount=amount, occurred_at=occurred_at, **extra)
        return _made(work, *service.derive(work, specimen, derived))
    if amount is None:
        raise fault("/volume", "say how much goes into each tube: volume, cells or pieces")
    new = service.NewAliquots(count=body["count"], amount=amount, measured=measured, occurred_at=occurred_at, **extra)
    return _made(work, *service.aliquot(work, specimen, new))


@api.post("/specimens/<specimen>/derivatives", permission="handle")
@api.takes(DerivativesIn())
@api.answers(201, Made())
def derivatives(work: Work, body: dict[str, Any], specimen: str) -> dict[str, Any]:
    """Make tubes of another material: a lot of its own, with what was used and how it was made."""
    told = body.get("processing", {})
    processing = {name: told[name] for name in ("g", "minutes") if name in told}
    if "temperature" in told:
        processing["temp_dc"] = round(told["temperature"] * 10)
    new = service.NewDerivatives(
        material=body["material"], count=body["count"], amount=amount_in(body),
        used=parse_quantity(body["used"], "/used") if "used" in body else None,
        processing=processing, occurred_at=not_ahead(body.get("occurred_at"), work.now),
        **({"container_type": body["container_type"]} if "container_type" in body else {}),
    )
    return _made(work, *service.derive(work, specimen, new))


def _made(work: Work, taken: Recorded, made: list[Any]) -> dict[str, Any]:
    *children, parent = queries.shown(work, [*(tube.id for tube in made), taken.specimen_id])
    return {"specimens": children, "parent": parent, "entry": taken.entry}


@api.post("/specimens/<specimen>/earmarks", permission="earmark")
@api.takes(EarmarkIn())
@api.answers(201, Acted())
def earmark(work: Work, body: dict[str, Any], specimen: str) -> dict[str, Any]:
    """Link a tube to a sub-study of its child's study."""
    return acted(work, service.earmark(work, specimen, body["sub_study"]))


@api.post("/specimens/<specimen>/amendments", permission="correct")
@api.takes(AmendmentIn())
@api.answers(201, Acted())
def amend(work: Work, body: dict[str, Any], specimen: str) -> dict[str, Any]:
    """Correct what an earlier entry says; the old value stays visible in the chain."""
    return acted(work, service.amend(work, specimen, **body))


@api.get("/specimens/<specimen>/lineage", permission="read-specimens")
@api.answers(200, LineageOut())
def lineage(work: Work, specimen: str) -> dict[str, Any]:
    """Every tube that comes from the same draw, with what it was made from."""
    tube = queries.specimen(work, specimen)
    rows, _ = queries.lineage(work, tube)
    above = queries.parents(work, [row.id for row in rows])
    kin = [dict(shown, parents=above.get(row.id, [])) for row, shown in zip(rows, queries.shown(work, [row.id for row in rows]), strict=True)]
    return {"collection": rows[0].collection, "specimens": kin}


@api.get("/specimens/<specimen>/custody", permission="read-custody")
@api.answers(200, CustodyOut())
def custody(work: Work, specimen: str) -> dict[str, Any]:
    """The tube's chain: every entry with the exact bytes that were hashed."""
    tube = queries.specimen(work, specimen, "read-custody")
    entries = ledger.entries(work, queries.standing(work, tube.id).chain_id)
    logins = people.logins(work, [entry.actor_id for entry in entries if entry.actor_id is not None])
    return {"entries": [_entry(entry, logins) for entry in entries]}


def _entry(entry: ledger.EntryRead, logins: dict[int, str]) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(entry.body)
    return body | {
        "actor": logins.get(entry.actor_id) if entry.actor_id is not None else None, "notes": entry.notes, "body": entry.body.decode(),
        "hash": entry.hash, **({"leaf_index": entry.leaf_index} if entry.leaf_index is not None else {}),
    }


@api.get("/specimens/<specimen>/evidence", permission="read-custody")
@api.answers(200, {"type": "string", "format": "binary"}, content_type="application/zip")
def evidence(work: Work, specimen: str) -> flask.Response:
    """A zip with everything that proves the tube's history, and a verifier that needs none of our code.

    It seals nothing: entries that are not sealed yet are named in it.
    """
    settings = flask.current_app.settings  # type: ignore[attr-defined]
    made = service.evidence_pack(work, specimen, Keyring.load(settings.signing_folder, settings.log_name))
    headers = {"Content-Disposition": f'attachment; filename="evidence-{parse_code(specimen)}.zip"', "Cache-Control": "no-store"}
    return flask.Response(made, content_type="application/zip", headers=headers)
