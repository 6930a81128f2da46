"""The page of one tube: lineage, chain of custody, place, consent, label; and what can be done with it at a desk."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import flask
from flask import redirect, render_template
from werkzeug.wrappers import Response

from biobank.consent import service as consent
from biobank.core.errors import Refusal
from biobank.core.vocabulary import terms
from biobank.core.work import Work
from biobank.corrections import service as correcting
from biobank.custody import queries as custody
from biobank.desk import queries
from biobank.desk.pages import corrections, lineage, words
from biobank.desk.pages.blueprint import pages
from biobank.desk.queries import TubeRow
from biobank.identity import queries as people
from biobank.identity import service as identity
from biobank.labels import service as labels
from biobank.ledger import queries as ledger
from biobank.places import queries as places
from biobank.specimens import queries as specimens
from biobank.specimens import service as bench
from biobank.storage import queries as storage
from biobank.storage.pages import box_view
from biobank.studies.queries import definition
from biobank.studies.rules import StudyDefinition
from biobank.web import forms, present
from biobank.web.language import _

Page = tuple[str, int] | Response
# What the page offers as buttons; everything else is scanned.
DESK_ACTS = ("release", "measure", "thaw", "hold", "unhold")


@pages.get("/specimens/<code>", permission="read-specimens")
def specimen(work: Work, code: str) -> str:
    """One tube. Raises CodeMistyped or CodeUnknown."""
    return _page(work, code)


@pages.post("/specimens/<code>/acts", permission="scan")
def act_on_specimen(work: Work, code: str) -> Page:
    """Release, measure, thaw, hold or free a tube."""

    def doing() -> None:
        tube = queries.find_tube(work, code)
        name = forms.one_of("act", DESK_ACTS)
        facts = {"kind": forms.text("kind"), "reason": forms.text("reason")} if name in {"hold", "unhold"} else {}
        if name == "measure":
            facts = forms.amount_fact("amount", tube.unit)
        bench.do(work, tube.id, name, facts)

    return _after(work, code, doing)


@pages.post("/specimens/<code>/tubes", permission="handle")
def take_apart(work: Work, code: str) -> Page:
    """Make aliquots (the tube's own material) or derivatives (another)."""

    def doing() -> None:
        tube = queries.find_tube(work, code)
        material = forms.text("material") or tube.material
        if material == tube.material:
            amount = forms.amount("amount", required=True)
            bench.aliquot(work, code, bench.NewAliquots(forms.whole("count"), amount, forms.amount("measured")))  # type: ignore[arg-type]
            return
        steps = {"g": forms.whole_or_none("g"), "minutes": forms.whole_or_none("minutes"), "temp_dc": forms.tenths("temperature")}
        processing = {name: value for name, value in steps.items() if value is not None}
        bench.derive(
            work, code, bench.NewDerivatives(material, forms.whole("count"), forms.amount("amount"), forms.amount("used"), processing)
        )

    return _after(work, code, doing)


@pages.post("/specimens/<code>/earmarks", permission="earmark")
def earmark_specimen(work: Work, code: str) -> Page:
    """Earmark a tube for a sub-study."""
    return _after(work, code, lambda: bench.earmark(work, code, forms.text("sub_study")))


@pages.post("/specimens/<code>/reassign", permission="correct")
def propose_reassignment(work: Work, code: str) -> Page:
    """Propose that the tube's whole tree changes places with another's, or is another child's."""

    def doing() -> int:
        if forms.text("participant"):
            return correcting.propose_move(work, code, forms.text("participant"), forms.text("in_study"), forms.text("reason")).id
        other = forms.needed("with", _("scan the drawn tube that it was mixed up with"))
        return correcting.propose_swap(work, code, other, forms.text("reason")).id

    return _waits(work, code, doing)


@pages.post("/specimens/<code>/revival", permission="correct")
def propose_return(work: Work, code: str) -> Page:
    """Propose that a tube which has ended is here after all."""
    return _waits(work, code, lambda: correcting.propose_revival(work, code, forms.text("reason"), forms.text("position") or None).id)


def _waits(work: Work, code: str, doing: Callable[[], int]) -> Page:
    try:
        number = doing()
    except Refusal as refusal:
        return _page(work, code, present.put_back(work, refusal)), refusal.status
    return redirect(f"/corrections/{number}", 303)


@pages.post("/specimens/<code>/label", permission="print-labels")
def print_label(work: Work, code: str) -> Page:
    """Print one label: the entry is written, then the sheet is opened."""
    try:
        sheet = labels.print_sheet(work, [code])
    except Refusal as refusal:
        return _page(work, code, present.put_back(work, refusal)), refusal.status
    return redirect(f"/api/v1/labels/sheets/{sheet.code}", 303)


def _after(work: Work, code: str, doing: Callable[[], object]) -> Page:
    try:
        doing()
    except Refusal as refusal:
        return _page(work, code, present.put_back(work, refusal)), refusal.status
    return redirect(f"/specimens/{code}", 303)


def _page(work: Work, code: str, refusal: dict[str, Any] | None = None) -> str:
    tube = queries.find_tube(work, code)
    study = definition(work, tube.study, tube.version)
    tree = queries.family_tree(work, tube)
    event = study.event(tube.event) if tube.event else None
    view = {
        "tube": tube, "material": words.material(work, tube.material), "container": words.term_title(work, "container_type", tube.container_type),
        "kind": words.kind(tube), "purpose": words.purpose(tube), "event": event.title if event else "", "lineage": lineage.picture(work, tube, tree),
        "entries": _entries(work, tube), "verdicts": _verdicts(work, tube, study), "holds": _holds(work, tube), "promises": _promises(work, tube),
        "earmarks": specimens.earmarks(work, [tube.id]).get(tube.id, []), "external": specimens.external_codes(work, [tube.id]).get(tube.id, []),
        "where": _where(work, tube), "first": queries.collected_amounts(work, [tube.id]).get(tube.id),
        "sub_studies": {sub.code: sub.title for sub in study.sub_studies}, "makes": _makes(work, tube), "hold_word": words.hold,
        **corrections.beside(work, tube, tree),
        "can": _can(work, tube), "typed": flask.request.form if refusal else {},
    }
    return render_template("desk/specimen.html", refusal=refusal, **view)


def _entries(work: Work, tube: TubeRow) -> list[dict[str, Any]]:
    """Newest first: act, words, who, when, notes, and which later entry corrected it."""
    found = ledger.entries(work, tube.chain_id)
    logins = people.logins(work, [entry.actor_id for entry in found if entry.actor_id is not None])
    corrected: dict[int, int] = {}
    shown = []
    for entry in found:
        body = json.loads(entry.body)
        facts = body["facts"]
        if entry.act in {"amend", "undo", "reassign"}:
            corrected[int(facts.get("entry") or facts.get("undoes") or 0)] = entry.seq
        effect = facts.get("effect", {})
        shown.append(
            {
                "seq": entry.seq, "act": words.act(entry.act), "words": words.entry_words(work, entry.act, facts, tube.unit),
                "who": logins.get(entry.actor_id or 0, ""), "station": body.get("station"), "organisation": body.get("organisation"),
                "at": entry.occurred_at, "recorded_at": entry.recorded_at, "late": (entry.recorded_at - entry.occurred_at).total_seconds() > 600,
                "opened": [words.hold(hold["kind"]) for hold in effect.get("open", ())],
                "closed": [words.hold(kind) for kind in effect.get("close", ())],
                "notes": list(entry.notes.values()), "hash": entry.hash[:8], "verdict": facts.get("verdict"),
            }
        )
    for entry_view in shown:
        entry_view["corrected"] = corrected.get(entry_view["seq"])
    return shown[::-1]


def _verdicts(work: Work, tube: TubeRow, study: StudyDefinition) -> list[dict[str, Any]]:
    titles = {sub.code: sub.title for sub in study.sub_studies}
    asked: list[tuple[str, frozenset[str], str]] = [("store", frozenset(), words.consent_purpose("store", titles))]
    asked += [(f"use:{sub.code}", frozenset(), sub.title) for sub in study.sub_studies]
    asked.append(("supply", frozenset(), words.consent_purpose("supply", titles)))
    asked += [
        ("supply", frozenset({use}), f"{words.consent_purpose('supply', titles)}, {words.use(use)}") for use in study.supply_uses
    ]
    rows = []
    for purpose, uses, title in asked:
        given = consent.verdict(work, tube.enrolment_id, purpose, work.today, uses)
        why = "; ".join(dict.fromkeys(words.reason(one.code, one.facts.get("roles")) for one in given.reasons))
        undecided = not given.granted and set(given.codes) == {"no-decision"}
        rows.append({"title": title, "granted": None if undecided else given.granted, "why": why})
    return rows


def _holds(work: Work, tube: TubeRow) -> list[dict[str, Any]]:
    found = words.open_holds(work, tube)
    by_consent = {"no-consent", "withdrawn"}
    return [{"kind": row.kind, "words": words.hold(row.kind), "since": row.since, "by_consent": row.kind in by_consent} for row in found]


def _promises(work: Work, tube: TubeRow) -> list[dict[str, Any]]:
    found = custody.open_promises(work, [tube.id]).get(tube.id, []) if tube.open_reservations else []
    return [{"request": [*row.for_.split("/"), ""][1], "stage": row.stage} for row in found]


def _where(work: Work, tube: TubeRow) -> dict[str, Any] | None:
    if tube.container_id is None:
        return None
    box = places.by_id(work, tube.container_id)
    return {"path": places.path_of(work, box), "box": box_view(work, storage.box_map(work, box))}


def _makes(work: Work, tube: TubeRow) -> list[tuple[str, str]]:
    known = terms(work, "material")
    made = [
        (code, present.in_language(term.title, term.title_nl)) for code, term in known.items() if tube.material in (term.facts.get("made_from") or ())
    ]
    return [(tube.material, _("%(material)s (aliquots)", material=words.material(work, tube.material))), *made]


def _can(work: Work, tube: TubeRow) -> dict[str, bool]:
    at = tube.custodian
    here = tube.status == "in_custody"
    released = not tube.residual or tube.released_on is not None

    def may(permission: str) -> bool:
        return identity.may(work, permission, tube.study, at) or identity.may(work, permission, tube.study, tube.responsible)

    return {
        "release": not released and tube.status in {"expected", "in_custody"} and tube.kind == "primary" and may("release"),
        "label": tube.status in {"expected", "in_custody"} and may("print-labels"), "take": here and released and may("handle"),
        "earmark": tube.status in {"expected", "in_custody"} and may("earmark"), "measure": here and may("handle"),
        "hold": tube.status != "gone" and may("hold"), "unhold": may("unhold"), "participant": identity.may(work, "read-participants", tube.study),
        "preview": tube.status != "cancelled" and may("read-labels"), "evidence": may("read-custody"),
    }


