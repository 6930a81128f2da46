"""The check that specimens hand to the ledger's verification: what each tube is, where it comes from, and what it was marked for."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import and_, func, literal_column, or_, select

from biobank.core import codes
from biobank.core.db import AnyRow
from biobank.core.times import stamp
from biobank.core.vocabulary import Term, terms
from biobank.core.work import Work
from biobank.custody.models import Standing
from biobank.ledger.models import Chain, Entry
from biobank.ledger.rules import Finding
from biobank.specimens.models import Collection, Earmark, ExternalCode, Parent, Processing, Specimen

PREFIX = "specimen/"
# What entry 1 tells of a tube and of its draw, by the names of their columns.
TOLD = ("kind", "material", "container_type", "purpose", "collection", "event")
MAKING = ("aliquot", "derive")
Chains = Mapping[str, Sequence[dict[str, Any]]]


def check_specimens(work: Work, chains: Chains) -> Iterator[Finding]:
    """Yields a Finding for every tube, parent link, draw, foreign code, earmark or processing that is not what the entries tell, as amended.

    With no chains: codes that are bound to tubes or draws that do not bear them.
    """
    if not chains:
        for kind, table in (("specimen", Specimen.__table__), ("collection", Collection.__table__)):
            for code in codes.strays(work.session, kind, table):
                yield Finding(f"{kind}/{code}", None, "code", "this code is bound to something that does not bear it")
        for code in codes.unbound(work.session, "collection", Collection.__table__):
            yield Finding(f"collection/{code}", None, "code", "the code is not bound to this draw: a scan would find something else")
    tubes = {name.removeprefix(PREFIX): bodies for name, bodies in chains.items() if name.startswith(PREFIX)}
    if not tubes:
        return
    rows = _rows(work, tubes)
    beside = _beside(work, rows)
    births = _births(work, tubes)
    families = terms(work, "material")
    for code, bodies in tubes.items():
        name, row = PREFIX + code, rows.get(code)
        if row is None:
            yield Finding(name, None, "specimen", "the tube has entries but no row")
            continue
        if bodies:
            yield from _check_told(name, row, _told(bodies))
            yield from _check_family(name, row, beside["parent_family"].get(row.id, []), families)
            yield from _check_beside(name, row, bodies, beside, births)
            yield from _check_draw(name, row, bodies, beside["collected"].get(row.collection_id, []))


def _rows(work: Work, tubes: Iterable[str]) -> dict[str, AnyRow]:
    query = (
        select(
            Specimen.__table__, Collection.code.label("collection"), Collection.event, Collection.planned_on, Collection.drawn_at,
            Standing.code.label("standing_code"), Standing.enrolment_id, Collection.enrolment_id.label("drawn_from"),
        )
        .join(Collection, Collection.id == Specimen.collection_id)
        .outerjoin(Standing, Standing.specimen_id == Specimen.id)
        .where(Specimen.code.in_(sorted(tubes)))
    )
    return {row.code: row for row in work.session.execute(query)}


def _beside(work: Work, rows: Mapping[str, AnyRow]) -> dict[str, dict[int, list[Any]]]:
    """What hangs on these tubes, by tube id; `collected` by the draw's id: when each of its tubes was told as collected, in that order."""
    ids = [row.id for row in rows.values()]
    asked = {
        "parent": select(Parent.child_id, Specimen.code).join(Specimen, Specimen.id == Parent.parent_id).where(Parent.child_id.in_(ids)),
        "parent_family": select(Parent.child_id, Specimen.family).join(Specimen, Specimen.id == Parent.parent_id).where(Parent.child_id.in_(ids)),
        "external": select(ExternalCode.specimen_id, ExternalCode.issuer, ExternalCode.code).where(ExternalCode.specimen_id.in_(ids)),
        "earmark": select(Earmark.specimen_id, Earmark.sub_study, Earmark.made_at).where(Earmark.specimen_id.in_(ids)),
        "processing": select(
            Processing.specimen_id, Processing.g, Processing.minutes, Processing.temp_dc, Processing.at
        ).where(Processing.specimen_id.in_(ids)),
        "children": select(Parent.parent_id, func.count()).where(Parent.parent_id.in_(ids)).group_by(Parent.parent_id),
    }
    found: dict[str, dict[int, list[Any]]] = {"collected": _collected(work, {row.collection: row.collection_id for row in rows.values()})}
    for what, query in asked.items():
        mine = found.setdefault(what, {})
        row: Any
        for row in work.session.execute(query):
            mine.setdefault(row[0], []).append(row[1] if len(row) == 2 else tuple(row[1:]))
    return found


def _collected(work: Work, draws: Mapping[str, int]) -> dict[int, list[Any]]:
    """When tubes of these draws were told as collected, in that order, by the draw's id: also those that turned out to be of another since."""
    left: dict[int, list[tuple[int, str]]] = {}
    # A constant in the statement, so that the partial index serves.
    reassigned = select(Entry.chain_id, Entry.seq, Entry.body).where(Entry.act == literal_column("'reassign'"))
    for chain_id, seq, body in work.session.execute(reassigned.order_by(Entry.chain_id, Entry.seq)):
        left.setdefault(chain_id, []).append((seq, json.loads(bytes(body))["facts"].get("was", {}).get("collection", "")))
    were_here = [chain for chain, told in left.items() if any(draw in draws for _, draw in told)]
    query = (
        select(Entry.chain_id, Entry.seq, Entry.occurred_at, Collection.code)
        .join(Standing, and_(Standing.chain_id == Entry.chain_id, Entry.act == "collect"))
        .join(Specimen, Specimen.id == Standing.specimen_id)
        .join(Collection, Collection.id == Specimen.collection_id)
        .where(or_(Specimen.collection_id.in_(draws.values()), Entry.chain_id.in_(were_here)))
        .order_by(Entry.recorded_at, Entry.chain_id, Entry.seq)
    )
    found: dict[int, list[Any]] = {}
    for row in work.session.execute(query):
        draw = next((was for seq, was in left.get(row.chain_id, ()) if seq > row.seq), row.code)
        if draw in draws:
            found.setdefault(draws[draw], []).append(row.occurred_at)
    return found


def _births(work: Work, tubes: Chains) -> dict[tuple[str, int], AnyRow]:
    """The entries that first entries name as their makers, by chain name and seq."""
    named = {made_by["chain"] for bodies in tubes.values() if bodies and (made_by := bodies[0]["facts"].get("made_by"))}
    refs = sorted(name.removeprefix(PREFIX) for name in named)
    query = (
        select(Chain.ref, Entry.seq, Entry.occurred_at, Entry.body)
        .join(Entry, Entry.chain_id == Chain.id)
        .where(Chain.kind == "specimen", Chain.ref.in_(refs), Entry.act.in_(MAKING))
    )
    rows: Iterable[AnyRow] = work.session.execute(query)
    return {(PREFIX + row.ref, row.seq): row for row in rows}


def _told(bodies: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """What the entries say the tube is, with every correction."""
    first = bodies[0]["facts"]
    told = {name: first[name] for name in TOLD if name in first}
    for body in bodies:
        facts = body["facts"]
        if body["act"] == "amend" and facts.get("field") in told:
            told[facts["field"]] = facts["new"]
        if "collection" in facts.get("effect", {}):
            told["collection"], told["event"] = facts["effect"]["collection"], facts.get("now", {}).get("event")
    return told


def _check_told(name: str, row: AnyRow, told: Mapping[str, Any]) -> Iterator[Finding]:
    for field, value in told.items():
        if getattr(row, field) != value:
            yield Finding(name, 1, field, f"the tube is {getattr(row, field)!r}, its entries say {value!r}")
    if row.standing_code != row.code:
        yield Finding(name, None, "standing", f"the standing of this tube is that of {row.standing_code}")
    elif row.enrolment_id != row.drawn_from:
        yield Finding(name, None, "enrolment", "the draw is not of the enrolment that the standing names")


def _check_family(name: str, row: AnyRow, above: Sequence[str], materials: Mapping[str, Term]) -> Iterator[Finding]:
    material = materials.get(row.material)
    family = material.facts.get("family") if material else None
    right = set(above) if family == "inherit" else {str(family)}
    if material is not None and right and row.family not in right:
        yield Finding(name, None, "family", f"{row.material} is of the family {', '.join(sorted(right))}, the tube says {row.family}")


def _check_beside(
    name: str, row: AnyRow, bodies: Sequence[dict[str, Any]], beside: Mapping[str, dict[int, list[Any]]], births: Mapping[tuple[str, int], AnyRow]
) -> Iterator[Finding]:
    first = bodies[0]["facts"]
    marks = _marks(bodies)
    external = first.get("external_code")
    kept: dict[str, list[Any]] = {what: beside[what].get(row.id, []) for what in ("parent", "external", "earmark")}
    kept["earmark"] = [(sub_study, stamp(at)) for sub_study, at in kept["earmark"]]
    told = {"parent": list(first.get("parents", [])), "external": [tuple(external)] if external else [], "earmark": marks}
    for what, listed in kept.items():
        if sorted(listed) != sorted(told[what]):
            field = "external_code" if what == "external" else what
            yield Finding(name, 1 if what != "earmark" else None, field, f"the rows say {sorted(listed)}, the entries {sorted(told[what])}")
    children = beside["children"].get(row.id, [0])[0]
    made = sum(int(body["facts"]["count"]) for body in bodies if body["act"] in MAKING)
    if children != made:
        yield Finding(name, None, "children", f"{children} tubes are linked to it, its entries made {made}")
    yield from _check_birth(name, first, births, beside["processing"].get(row.id, []))


def _marks(bodies: Sequence[dict[str, Any]]) -> list[tuple[str, str]]:
    """The earmarks that stand; those for another study's sub-study ended when the tube turned out to be another child's."""
    marks: list[tuple[str, str]] = []
    for body in bodies:
        if body["act"] == "earmark":
            marks.append((body["facts"]["sub_study"], body["occurred_at"]))
        ended = body["facts"].get("earmarks_ended", ())
        marks = [mark for mark in marks if mark[0] not in ended]
    return marks


def _check_birth(
    name: str, first: Mapping[str, Any], births: Mapping[tuple[str, int], AnyRow], kept: Sequence[Any]
) -> Iterator[Finding]:
    """The entry that made this tube is there, in its parent's chain; its spin was told there."""
    made_by = first.get("made_by")
    maker = births.get((made_by["chain"], made_by["seq"])) if made_by else None
    if made_by and (maker is None or made_by["chain"] != PREFIX + (first.get("parents") or [""])[0]):
        yield Finding(name, 1, "made_by", f"there is no entry {made_by['seq']} of {made_by['chain']} that made it")
    spun = json.loads(bytes(maker.body))["facts"].get("processing") if maker is not None else None
    told = [(spun.get("g"), spun.get("minutes"), spun.get("temp_dc"), maker.occurred_at)] if maker is not None and spun else []
    if list(kept) != told:
        yield Finding(name, 1, "processing", f"the rows say {_shown(kept)}, the entry that made it {_shown(told)}")


def _shown(spun: Sequence[Any]) -> str:
    return "; ".join(f"{g} g, {minutes} min, {temp_dc} tenths of °C at {stamp(at)}" for g, minutes, temp_dc, at in spun) or "nothing"


def _check_draw(name: str, row: AnyRow, bodies: Sequence[dict[str, Any]], collected: Sequence[Any]) -> Iterator[Finding]:
    """The draw's planned day and time, as far as this tube's entries and those of its draw tell them."""
    if any("collection" in body["facts"].get("effect", {}) for body in bodies):
        return
    planned = [body["facts"]["planned_on"] for body in bodies if body["act"] == "expect" and "planned_on" in body["facts"]]
    if (planned or "drawn_at" in bodies[0]["facts"]) and (planned or ["None"])[-1] != str(row.planned_on):
        yield Finding(name, 2 if planned else 1, "planned_on", f"the draw is planned on {row.planned_on}, the entry says {planned[-1:] or 'no day'}")
    if bodies[0]["facts"].get("kind") != "primary":
        return
    told = bodies[0]["facts"].get("drawn_at") or (stamp(collected[0]) if collected else None)
    kept = stamp(row.drawn_at) if row.drawn_at else None
    if ("drawn_at" in bodies[0]["facts"] or planned) and kept != told:
        yield Finding(name, 1, "drawn_at", f"the draw says it was at {kept}, the entries {told}")
