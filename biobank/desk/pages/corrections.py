"""Corrections by two people: what waits, and one of them with both trees side by side before it is confirmed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import flask
from flask import redirect, render_template
from werkzeug.wrappers import Response

from biobank.core.errors import Refusal
from biobank.core.work import Work
from biobank.corrections import queries, service
from biobank.corrections.rules import ENDED, Kind, State
from biobank.corrections.service import ForeseenSide
from biobank.desk.pages import words
from biobank.desk.pages.blueprint import pages
from biobank.desk.queries import TubeRow, tubes_by_id
from biobank.identity import queries as people
from biobank.identity import service as identity
from biobank.places import queries as places
from biobank.places.rules import position_text
from biobank.studies.queries import studies
from biobank.web import forms, present
from biobank.web.language import _

if TYPE_CHECKING:
    from biobank.corrections.models import Correction

SHOWN_AT_MOST = 50


@pages.get("/corrections", permission=queries.PERMISSION)
def corrections_page(work: Work) -> str:
    """What waits for a second person, and what was answered, newest first."""
    waiting = queries.page_of(work, State.WAITING, None, SHOWN_AT_MOST)
    answered = [one for one in queries.page_of(work, None, None, SHOWN_AT_MOST) if one.state != State.WAITING]
    return render_template("desk/corrections.html", waiting=_listed(work, waiting), answered=_listed(work, answered))


@pages.get("/corrections/<int:number>", permission=queries.PERMISSION)
def correction_page(work: Work, number: int) -> str:
    """One correction."""
    return _page(work, number)


@pages.post("/corrections/<int:number>/confirmation", permission="correct")
def confirm_correction(work: Work, number: int) -> Response | tuple[str, int]:
    """The second person says yes."""
    try:
        service.confirm(work, number)
    except Refusal as refusal:
        return _page(work, number, present.put_back(work, refusal)), refusal.status
    return redirect(f"/corrections/{number}", 303)


@pages.post("/corrections/<int:number>/refusal", permission="correct")
def decline_correction(work: Work, number: int) -> Response | tuple[str, int]:
    """It is declined, or taken back."""
    try:
        service.decline(work, number, forms.text("reason") or None)
    except Refusal as refusal:
        return _page(work, number, present.put_back(work, refusal)), refusal.status
    return redirect(f"/corrections/{number}", 303)


def beside(work: Work, tube: TubeRow, tree: Sequence[TubeRow]) -> dict[str, Any]:
    """What the page of a tube says and offers: the number of the correction that waits, and what may be proposed."""
    waits = queries.waiting_with(work, [tube.id])
    may = any(identity.may(work, "correct", tube.study, at) for at in (tube.custodian, tube.responsible) if at)
    offered = {
        "ended": tube.status in ENDED, "primary": tree[0].code if tree[0].id != tube.id else "",
        "studies": [(one.code, one.title) for one in studies(work)],
    }
    return {"waits": waits.correction_id if waits else None, "correct": offered if may and waits is None else None}


def _listed(work: Work, found: Sequence[Correction]) -> list[dict[str, Any]]:
    logins = _logins(work, found)
    kept = queries.kept(work, [one.id for one in found])
    listed = []
    for one in found:
        firsts = {row.side: row for row in reversed(kept[one.id])}
        listed.append(
            {
                "one": one, "what": kind_words(one), "firsts": [firsts[side] for side in sorted(firsts)], "tubes": len(kept[one.id]),
                "proposed_by": logins.get(one.proposed_by_id, ""), "decided_by": logins.get(one.decided_by_id or 0, ""),
            }
        )
    return listed


def _logins(work: Work, found: Sequence[Correction]) -> dict[int, str]:
    return people.logins(work, [who for one in found for who in (one.proposed_by_id, one.decided_by_id) if who is not None])


def kind_words(one: Correction) -> str:
    """What a correction is, in words."""
    return {Kind.SWAP.value: _("Sample swap"), Kind.MOVE.value: _("Another child's"), Kind.REVIVAL.value: _("Comes back")}.get(one.kind, one.kind)


def _page(work: Work, number: int, refusal: dict[str, Any] | None = None) -> str:
    found = queries.correction(work, number)
    told = service.foresee(work, found)
    logins = _logins(work, [found])
    rows = tubes_by_id(work, [tube.id for side in told.sides for tube in side.tubes])
    waiting = found.state == State.WAITING
    mine = found.proposed_by_id == work.who.id
    may = identity.may(work, "correct")
    return render_template(
        "desk/correction.html", found=found, what=kind_words(found), sides=[_side(work, side, rows) for side in told.sides], refusal=refusal,
        overtaken=told.overtaken, proposed_by=logins.get(found.proposed_by_id, ""), decided_by=logins.get(found.decided_by_id or 0, ""),
        waiting=waiting, mine=mine, may_confirm=waiting and may and not mine and not told.overtaken, may_decline=waiting and may,
        where=_where(work, found), typed=flask.request.form if refusal else {}, hold_word=words.hold,
    )


def _where(work: Work, found: Correction) -> str | None:
    if found.container_id is None or found.row is None or found.column is None:
        return None
    here = places.by_id(work, found.container_id)
    return f"{here.title} : {position_text(found.row, found.column)}"


def _side(work: Work, side: ForeseenSide, rows: dict[int, TubeRow]) -> dict[str, Any]:
    depth: dict[int, int] = {}
    shown = []
    for tube in side.tubes:
        row = rows.get(tube.id)
        if row is None:
            continue
        depth[tube.id] = depth.get(row.parent_id or 0, -1) + 1
        requests = [one.split("/")[1] for one in tube.frees if one.count("/") == 2]
        shown.append({"tube": tube, "row": row, "depth": depth[tube.id], "material": words.material(work, tube.material), "requests": requests})
    return {"side": side, "tubes": _in_order(shown)}


def _in_order(shown: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Every tube below the one it was made from."""
    below: dict[int, list[dict[str, Any]]] = {}
    ids = {one["row"].id for one in shown}
    for one in shown:
        below.setdefault(one["row"].parent_id if one["row"].parent_id in ids else 0, []).append(one)
    ordered: list[dict[str, Any]] = []
    waiting = list(below.get(0, []))
    while waiting:
        one = waiting.pop(0)
        ordered.append(one)
        waiting = below.get(one["row"].id, []) + waiting
    return ordered
