"""Home: what waits for this person, alarms, draws of today, intake per week."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from typing import Any

from flask import render_template

from biobank.core.work import Work
from biobank.corrections import queries as corrections
from biobank.desk import queries
from biobank.desk.pages import words
from biobank.desk.pages.blueprint import pages
from biobank.identity import service as identity
from biobank.requests import queries as requests
from biobank.web import drawing, present
from biobank.web.language import _

# A tube is out of its slot too long after this; bench work on one tube is shorter.
OUT_AT_MOST = timedelta(minutes=30)
WEEKS = 12
FAMILIES = ("marrow", "blood", "csf")


@pages.get("/", permission="signed-in")
def home(work: Work) -> str:
    """The home page; each part only for those who may see what it shows."""
    sees_tubes = identity.may(work, "read-specimens")
    view: dict[str, Any] = {"alarms": [], "todo": [], "draws": [], "intake": None, "sees_tubes": sees_tubes}
    if sees_tubes:
        waiting = queries.waiting(work)
        view["alarms"] = _alarms(work, waiting)
        view["todo"] = _tubes_waiting(work, waiting)
        view["draws"] = queries.collections_between(work, work.today, work.today)
        view["intake"] = _intake(work)
    if identity.may(work, "read-requests"):
        view["todo"] += _requests_waiting(work)
    if identity.may(work, "correct"):
        view["todo"] += _corrections_waiting(work)
    return render_template("desk/home.html", today=work.today, **view)


def _alarms(work: Work, waiting: queries.Waiting) -> list[dict[str, Any]]:
    if not waiting.out:
        return []
    return [
        {
            "tube": tube, "minutes": int((work.now - tube.last_seen_at).total_seconds()) if tube.last_seen_at else None,
            "material": words.material(work, tube.material),
        }
        for tube in queries.out_of_slot(work, work.now - OUT_AT_MOST)
    ]


def _tubes_waiting(work: Work, waiting: queries.Waiting) -> list[dict[str, Any]]:
    scans = identity.may(work, "scan")
    overdue = queries.overdue_count(work, work.today)
    oldest = present.span((work.now - waiting.unstored_since).total_seconds()) if waiting.unstored_since else ""
    rows = [
        (overdue, _("tubes planned before today, not arrived"), _("receive them, or cancel the draw"), "/collections", _("Show"), True),
        (waiting.expected_today, _("tubes still expected today"), _("scan each as it arrives"), "/scan?mode=receive", _("Receive"), scans),
        (
            waiting.unreleased, _("tubes not released by the diagnostic laboratory"), _("they may not be taken apart yet"), "/scan?mode=release",
            _("Release"), scans and identity.may(work, "release"),
        ),
        (
            waiting.unstored, _("tubes received, without a place"), _("the oldest waits %(time)s", time=oldest) if oldest else "", "/scan?mode=store",
            _("Store"), scans,
        ),
        (waiting.held, _("tubes on hold"), _("consent, damage or a discrepancy"), "/held", _("Show"), True),
    ]
    return [
        {"count": count, "what": what, "detail": detail, "href": href if allowed else "", "action": action}
        for count, what, detail, href, action, allowed in rows
        if count
    ]


def _requests_waiting(work: Work) -> list[dict[str, Any]]:
    review = identity.may(work, "review")
    rows = []
    for one in requests.requests(work, limit=200):
        what = {
            "submitted": _("request to judge") if review else "",
            "approved": _("request approved, no tubes reserved yet") if identity.may(work, "allocate") else "",
            "reserved": _("request to pick") if identity.may(work, "pick") else "",
            "picking": _("request being picked") if identity.may(work, "pick") else "",
        }.get(one.state, "")
        if what:
            about = {"code": one.code, "detail": one.title or one.study, "href": f"/requests/{one.code}", "action": _("Open")}
            rows.append({"count": one.open or one.asked, "what": what, **about})
    return rows


def _corrections_waiting(work: Work) -> list[dict[str, Any]]:
    count = corrections.waiting_count(work)
    about = {"detail": _("look at both trees, then confirm or decline"), "href": "/corrections", "action": _("Show")}
    return [{"count": count, "what": _("corrections that wait for a second person"), **about}] if count else []


def _intake(work: Work) -> dict[str, Any]:
    """Primaries received per ISO week, the last twelve weeks with this one."""
    this_monday = work.today - timedelta(days=work.today.weekday())
    mondays = [this_monday - timedelta(weeks=back) for back in range(WEEKS - 1, -1, -1)]
    since = datetime.combine(mondays[0], time(), tzinfo=work.zone).astimezone(UTC)
    counts = {(monday, family): 0 for monday in mondays for family in FAMILIES}
    received: list[Any] = list(queries.intake_by_day(work, since))
    for row in received:
        day = queries.as_day(row[0])
        key = (max(day - timedelta(days=day.weekday()), mondays[0]), str(row[1]))
        if key in counts:
            counts[key] += int(row[2])
    columns = []
    for monday in mondays:
        week = monday.isocalendar().week
        label = _("wk %(n)s, so far", n=week) if monday == this_monday else _("wk %(n)s", n=week)
        columns.append(drawing.Column(label, tuple((family, counts[monday, family]) for family in FAMILIES)))
    return {"drawing": drawing.columns(columns), "columns": columns, "any": any(counts.values())}
