"""The scan station: its modes and words. What happens at a scan is in `static/scan.js` and `POST /api/v1/scans`."""

from __future__ import annotations

from flask import render_template

from biobank.core.work import Work
from biobank.custody.rules import Condition
from biobank.desk.pages.blueprint import pages
from biobank.identity import service as identity
from biobank.studies.queries import studies
from biobank.web.language import _

# What a refusal means for the hand: read it again, or it belongs elsewhere. Every other refusal stops.
AGAIN = ("code-mistyped", "code-unknown", "malformed", "position-mistyped", "not-found")
ELSEWHERE = (
    "position-occupied", "position-outside", "no-positions", "container-full", "not-on-this-list", "undo-not-possible", "already-there", "reserved",
)


@pages.get("/scan", permission="scan")
def scan(work: Work) -> str:
    """The station: one field, one verdict, the last ten scans."""
    undo_minutes = work.limits["undo_minutes"]
    return render_template(
        "desk/scan.html", modes=_modes(work), words=_words(), verdicts={"again": AGAIN, "elsewhere": ELSEWHERE},
        conditions=_conditions(), purposes=_purposes(work), undo_minutes=undo_minutes,
    )


def _modes(work: Work) -> list[dict[str, str]]:
    tube = _("Scan a tube")
    rows = (
        ("look-up", "F1", None, _("Look up"), "", _("Scan anything: tube, box, request."), _("Any code")),
        ("collect", "F2", "handle", _("Collect"), _("Collected"), _("Scan the labelled tube as it is drawn."), tube),
        ("receive", "F3", "handle", _("Receive"), _("Received"), _("Scan each tube that arrived."), tube),
        ("release", "F4", "release", _("Release"), _("Released"), _("Scan the tubes the diagnostic laboratory is done with."), tube),
        ("store", "F5", "handle", _("Store"), _("Stored"), _("Scan the tube, then put it where the plate says."), tube),
        ("move", "F6", "handle", _("Move"), _("Moved"), _("Scan the tube, then put it where the plate says."), tube),
        ("check-out", "F7", "handle", _("Check out"), _("Checked out"), _("Scan each tube that leaves its slot; the slot stays its own."), tube),
        ("return", "F8", "handle", _("Return"), _("Returned"), _("Scan each tube that goes back to its slot."), tube),
        ("aliquot", "F9", "handle", _("Aliquot"), _("Aliquoted"), _("Set number and volume, then scan the tube they are taken from."), tube),
        ("pick", "F10", "pick", _("Pick"), _("Picked"), _("Scan each tube of the pick list."), tube),
        ("deliver", "F11", "pick", _("Deliver"), _("Delivered"), _("Scan each picked tube as it is handed over."), tube),
        ("undo", "F12", "handle", _("Undo"), _("Undone"), _("Scan the tube whose last step was wrong."), tube),
    )
    return [
        {"act": act, "key": key, "title": title, "done": done, "idle": idle, "next": following}
        for act, key, permission, title, done, idle, following in rows
        if permission is None or identity.may(work, permission)
    ]


def _words() -> dict[str, str]:
    return {
        "ready": _("Ready"), "again": _("Scan again"), "not_here": _("Not here"), "stop": _("Stop"),
        "refused": _("This was refused; nothing was changed."), "held": _("Set aside"), "kept": _("Kept here"),
        "opened": _("Open"), "into": _("into"), "for_list": _("for request"), "all_sent": _("All sent"), "waiting": _("{n} not sent"),
        "filled": _("{filled} of {size}"), "scan_box": _("Scan the box first."), "scan_list": _("Scan the request's code first."),
        "box_full": _("This box is full: scan another."), "next_tube": _("Scan the next tube for"),
        "put_in": _("Put this tube in {position} and scan it again."), "held_why": _("{done}, and on hold: {why}. Put it in quarantine."),
        "hold_no-consent": _("no consent yet"), "hold_discrepancy": _("something does not agree"),
        "hold_quarantine": _("damaged, leaked or rejected"),
        "hold_identity": _("identity in doubt"), "hold_withdrawn": _("consent withdrawn"),
        "twice_done": _("Already done: this scan came twice and counts once."), "twice_refused": _("This scan came twice; the second was left out."),
        "kept_network": _("No network. This scan is kept here and sent by itself when the network is back; go on scanning."),
        "kept_server": _("The server did not answer. This scan is kept here and sent again by itself; go on scanning."),
        "kept_session": _("You are signed out. Sign in in another window; this scan is kept here and then sent."),
        "kept_person": _("Somebody else signed in. This scan is kept here and sent when you sign in again in another window."),
        "gave_up": _("The server met a fault with this scan: it is not recorded. Put the tube aside and tell an administrator."),
        "kept_fault": _("This page met a fault. The scan is kept here and tried again."),
        "made": _("Print the labels of the new tubes:"), "counts": _("{done} done, {refused} refused"),
        "sign_done": _("done"), "sign_held": _("done and held"), "sign_stop": _("refused: stop"), "sign_again": _("refused: scan again"),
        "sign_elsewhere": _("refused: not here"), "sign_kept": _("not sent yet"),
    }


def _conditions() -> list[tuple[str, str]]:
    titles = {
        Condition.GOOD: _("good"), Condition.DAMAGED: _("damaged"), Condition.LEAKED: _("leaked"), Condition.MISSING: _("missing"),
        Condition.REJECTED: _("rejected"),
    }
    return [(condition.value, titles[condition]) for condition in Condition]


def _purposes(work: Work) -> list[tuple[str, str]]:
    return [("work", _("work here")), *((f"use:{code}", title) for code, title in _sub_studies(work))]


def _sub_studies(work: Work) -> list[tuple[str, str]]:
    return [(sub.code, sub.title) for study in studies(work) for sub in study.sub_studies]
