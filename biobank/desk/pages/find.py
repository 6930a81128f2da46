"""Finding what a code is: the field in the bar leads to its page, the scan station asks for one line about it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import redirect, request
from werkzeug.wrappers import Response

from biobank.core.codes import CodeUnknown, resolve, spaced
from biobank.core.errors import NotFound, Refusal
from biobank.core.work import Work
from biobank.desk import queries
from biobank.desk.pages import words
from biobank.desk.pages.blueprint import pages
from biobank.identity import service as identity
from biobank.places import queries as places
from biobank.requests import queries as requests
from biobank.specimens import queries as specimens
from biobank.storage import queries as storage
from biobank.subjects import queries as subjects
from biobank.web import present, problems
from biobank.web.language import _

PAGES = {
    "specimen": "/specimens/{}", "participant": "/participants/{}", "collection": "/collections/{}", "container": "/storage/{}",
    "request": "/requests/{}", "print_job": "/api/v1/labels/sheets/{}",
}
# What each kind of page asks before it shows anything; raises CodeUnknown for what is not for this person.
SEEN: dict[str, Callable[[Work, str], object]] = {
    "specimen": queries.find_tube, "participant": subjects.find, "collection": queries.collection,
    "container": lambda work, code: _allowed(work, "read-storage", code), "request": requests.request,
    "print_job": lambda work, code: _allowed(work, "read-labels", code),
}


@pages.get("/find", permission="signed-in")
def find(work: Work) -> Response:
    """Go to the page of a code. Raises CodeMistyped or CodeUnknown."""
    code, kind, _ref = resolve(work.session, request.args.get("code", ""))
    if kind not in PAGES:
        raise CodeUnknown(code=spaced(code), what="thing", key=code)
    # Asked here as well, and answered alike: a redirect or another text would tell that the code exists.
    try:
        SEEN[kind](work, code)
    except NotFound:
        raise CodeUnknown(code=spaced(code), what="thing", key=code) from None
    return redirect(PAGES[kind].format(code))


def _allowed(work: Work, permission: str, code: str) -> None:
    if not identity.may(work, permission):
        raise CodeUnknown(code=spaced(code), what="thing", key=code)


@pages.get("/scan/what/<scanned>", permission="scan")
def what(work: Work, scanned: str) -> dict[str, Any] | Response:
    """What a scanned code is: `kind`, `code`, `title`, `line` and, as it fits, `position`, `next_free`, `held`.

    A code that is mistyped, unknown or not for this person is answered with the problem as JSON, since a script asks.
    """
    try:
        return _what(work, scanned)
    except Refusal as refusal:
        return problems.as_response(refusal, page=False)


def _what(work: Work, scanned: str) -> dict[str, Any]:
    code, kind, _ref = resolve(work.session, scanned)
    if kind == "specimen":
        return _specimen(work, code)
    if kind == "container":
        return _container(work, code)
    if kind == "request" and identity.may(work, "read-requests"):
        request_ = requests.request(work, code)
        return {"kind": kind, "code": code, "title": _("Request"), "line": request_.title or request_.study}
    if kind == "collection":
        draw = queries.collection(work, code)
        line = _("%(event)s, planned %(day)s; %(n)s tubes are expected", event=draw.event or "", day=present.day(draw.planned_on), n=draw.expected)
        return {"kind": kind, "code": code, "title": _("Draw"), "line": line}
    if kind == "participant":
        seen = subjects.find(work, code)
        return {"kind": kind, "code": seen.code, "title": _("Participant"), "line": _("Open the page in the office to see more.")}
    raise CodeUnknown(code=spaced(code), what="thing", key=code)


def _specimen(work: Work, code: str) -> dict[str, Any]:
    tube = queries.find_tube(work, code)
    line = f"{words.tube_line(work, tube)}."
    if tube.standing == "held":
        holds = ", ".join(words.hold(row.kind) for row in words.open_holds(work, tube))
        line += " " + _("On hold: %(why)s.", why=holds)
    marks = specimens.earmarks(work, [tube.id]).get(tube.id, [])
    if marks:
        line += " " + _("Earmarked: %(what)s.", what=", ".join(marks))
    return {
        "kind": "specimen", "code": tube.code, "title": present.mark_first(words.standing(tube.standing)), "line": line,
        "held": tube.standing == "held", "position": tube.position, "container": tube.container, "where": _where(work, tube),
    }


def _where(work: Work, tube: queries.TubeRow) -> str:
    """Where to reach for a tube, in words."""
    if tube.container_id is None:
        return _("It has no place yet.") if tube.status == "in_custody" else ""
    path = " › ".join(one.title for one in places.path_of(work, places.by_id(work, tube.container_id)))
    return f"{path}. {_('Out of its slot; the slot is kept.')}" if tube.is_out else f"{path}."


def _container(work: Work, code: str) -> dict[str, Any]:
    here = places.container(work, code)
    path = " › ".join(one.title for one in places.path_of(work, here)[:-1])
    if not here.rows:
        return {"kind": "shelf", "code": here.code, "title": here.title, "line": path or _("Holds containers; scan the box the tube goes into.")}
    found = storage.box_map(work, here)
    return {
        "kind": "container", "code": here.code, "title": here.title, "line": path, "rows": here.rows, "columns": here.columns,
        "filled": len(found.tubes), "size": here.rows * here.columns, "next_free": found.next_free_text,
    }
