"""The plan of draws: today, this week and what is overdue; and one draw with its expected tubes."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from flask import redirect, render_template
from werkzeug.wrappers import Response

from biobank.core.errors import Refusal
from biobank.core.work import Work
from biobank.desk import queries
from biobank.desk.pages import words
from biobank.desk.pages.blueprint import pages
from biobank.identity import service as identity
from biobank.labels import service as labels
from biobank.specimens import service as bench
from biobank.studies.queries import definition
from biobank.studies.rules import window
from biobank.subjects import queries as subjects
from biobank.web import present

HELD_MOST = 200
OVERDUE_DAYS = 30


@pages.get("/collections", permission="read-specimens")
def collections(work: Work) -> str:
    """Draws expected today and this week, and those overdue."""
    week_end = work.today + timedelta(days=6 - work.today.weekday())
    planned = queries.collections_between(work, work.today, max(week_end, work.today + timedelta(days=2)))
    groups = [
        ("overdue", queries.overdue(work, work.today)),
        ("today", [row for row in planned if row.planned_on == work.today]),
        ("week", [row for row in planned if row.planned_on != work.today]),
    ]
    shown = {name: [_row(work, row) for row in rows] for name, rows in groups}
    return render_template("desk/collections.html", today=work.today, groups=shown)


@pages.get("/collections/<code>", permission="read-specimens")
def collection(work: Work, code: str) -> str:
    """One draw with its tubes. Raises CodeMistyped or CodeUnknown."""
    return _page(work, code)


@pages.post("/collections/<code>/labels", permission="print-labels")
def print_labels(work: Work, code: str) -> Response | tuple[str, int]:
    """Print the labels of the tubes that are still expected; the entries are written, then the sheet is opened."""
    row = queries.collection(work, code)
    wanted = [tube.code for tube in queries.planned_tubes(work, row.id) if tube.status == "expected"]
    try:
        sheet = labels.print_sheet(work, wanted)
    except Refusal as refusal:
        return _page(work, code, present.put_back(work, refusal)), refusal.status
    return redirect(f"/api/v1/labels/sheets/{sheet.code}", 303)


@pages.post("/collections/<code>/cancellation", permission="plan-collection")
def cancel(work: Work, code: str) -> Response | tuple[str, int]:
    """Cancel what is still expected of a draw."""
    row = queries.collection(work, code)
    try:
        for tube in queries.planned_tubes(work, row.id):
            if tube.status == "expected":
                bench.do(work, tube.id, "cancel", {})
    except Refusal as refusal:
        return _page(work, code, present.put_back(work, refusal)), refusal.status
    return redirect(f"/collections/{row.code}", 303)


@pages.get("/held", permission="read-specimens")
def held(work: Work) -> str:
    """Every tube on hold that the reader may see, at most 200."""
    tubes = queries.held_tubes(work, HELD_MOST)
    reasons = words.open_holds_of(work, tubes)
    rows = [{"tube": tube, "material": words.material(work, tube.material), "holds": reasons.get(tube.id, [])} for tube in tubes]
    return render_template("desk/held.html", rows=rows, more=len(tubes) == HELD_MOST)


def _row(work: Work, row: queries.CollectionRow) -> dict[str, Any]:
    event = definition(work, row.study, row.version).event(row.event) if row.event else None
    return {"row": row, "title": event.title if event else "", "assumed": bool(event and event.assumed)}


def _page(work: Work, code: str, refusal: dict[str, Any] | None = None) -> str:
    row = queries.collection(work, code)
    study = definition(work, row.study, row.version)
    event = study.event(row.event) if row.event else None
    tubes = queries.planned_tubes(work, row.id)
    anchor = subjects.find_anchor(work, row.enrolment_id, row.anchor_kind, row.anchor_ordinal) if row.anchor_kind else None
    days = window(event, anchor.at) if event and anchor else None
    outside = bool(days and row.planned_on and not days[1] <= row.planned_on <= days[2])
    rows = [
        {"tube": tube, "material": words.material(work, tube.material), "container": words.term_title(work, "container_type", tube.container_type),
         "purpose": words.purpose(tube)}
        for tube in tubes
    ]
    expected = [tube for tube in tubes if tube.status == "expected"]
    can = {
        "labels": bool(expected) and identity.may(work, "print-labels", row.study),
        "cancel": bool(expected) and identity.may(work, "plan-collection", row.study),
        "scan": bool(expected) and identity.may(work, "scan"), "participant": identity.may(work, "read-participants", row.study),
    }
    return render_template(
        "desk/collection.html", row=row, event=event, anchor=anchor, days=days, outside=outside, rows=rows, can=can, refusal=refusal,
        anchor_title=words.term_title(work, "anchor", row.anchor_kind),
    )
