"""The audit page: what the last verification found, the checkpoints to keep elsewhere, and what should be looked at."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, cast

import flask
from flask import Response, redirect, render_template

from biobank.core import heartbeat, outbox
from biobank.core.errors import N_, NotFound
from biobank.core.times import parse_stamp
from biobank.core.work import Work
from biobank.ledger import queries, service
from biobank.ledger.rules import NoteMalformed, Verifier, read_note
from biobank.settings import Settings
from biobank.web.blueprint import PageBlueprint, reads_only
from biobank.web.language import _
from biobank.web.present import may_open, number

pages = PageBlueprint("ledger", "biobank.ledger")
CHECKPOINTS_SHOWN = 20
# Where a chain's subject has its page, and who may open it.
PAGES = {
    "specimen": ("/specimens/{}", "read-specimens"),
    "collection": ("/collections/{}", "read-specimens"),
    "container": ("/storage/{}", "read-storage"),
    "request": ("/requests/{}", "read-requests"),
    "consent": ("/participants/{}", "read-participants"),
    "participant": ("/participants/{}", "read-participants"),
}
CODE = re.compile(r"[0-9A-Z]{8}")


class NoSuchCheckpoint(NotFound):
    """A checkpoint that was never made."""

    title = N_("No such checkpoint")
    message = N_("There is no checkpoint of %(size)s entries. The audit page lists those there are.")


@dataclass(frozen=True, slots=True)
class Trouble:
    """Something to look at: what it is, how it stands (`wrong`: needs somebody now), and what to do."""

    what: str
    stands: str
    wrong: bool = False
    todo: str = ""


def _settings() -> Settings:
    return cast(Settings, flask.current_app.settings)  # type: ignore[attr-defined]


def _reports() -> service.Reports:
    return service.Reports(_settings().instance)


@pages.get("/audit", permission="verify")
def audit(work: Work) -> str:
    """Verification, checkpoints, troubles."""
    settings = _settings()
    known = service.known_verifiers(settings.signing_folder)
    beat = heartbeat.read(settings.keeper_file)
    running, last, asked = _reports().running(), _reports().last(), _reports().asked_at()
    return render_template(
        "ledger/audit.html", last=last if last.ended_at else None, findings=[_shown(one) for one in last.findings],
        ended_at=_moment(last.ended_at), took=_seconds(last), running=running if running.running(work.now) else None,
        cut_off=running if running.started_at and not running.running(work.now) and (running.fault or not running.ended_at) else None,
        cut_off_at=_moment(running.noted_at or running.started_at), asked_at=_moment(asked), keeper=beat.seen(work.now),
        checkpoints=_checkpoints(work, known, beat), keys=[one.vkey for one in known], exported=settings.checkpoints.is_file(),
        troubles=_troubles(work, beat),
    )


@pages.post("/audit/verification", permission="verify")
@reads_only
def verify(work: Work) -> Any:
    """Ask the keeper for a verification."""
    running = _reports().running()
    if not running.running(work.now):
        _reports().ask(work.now)
    return redirect("/audit", 303)


@pages.get("/audit/progress", permission="verify")
def progress(work: Work) -> dict[str, Any]:
    """How far it is, for the page that waits: entries and leaves read and in all, and whether it is over."""
    running = _reports().running()
    goes_on = running.running(work.now) or _reports().asked_at() is not None
    return {"goes_on": goes_on, "read": running.read if running.ended_at is None else 0, "total": running.total if running.ended_at is None else 0}


@pages.get("/audit/checkpoints/<int:size>", permission="verify")
def checkpoint(work: Work, size: int) -> Response:
    """One signed note, to keep elsewhere. Raises NoSuchCheckpoint."""
    found = queries.checkpoint_at(work, size)
    if found is None:
        raise NoSuchCheckpoint(size=size)
    return _file(found.note, f"checkpoint-{size}.txt")


@pages.get("/audit/keys", permission="verify")
def keys(work: Work) -> Response:
    """The public keys that sign or signed checkpoints, one a line."""
    return _file("".join(f"{one.vkey}\n" for one in service.known_verifiers(_settings().signing_folder)), "verifiers.txt")


@pages.get("/audit/export", permission="verify")
def export(work: Work) -> Response:
    """The export file as the keeper wrote it: `biobank verify --against` takes it."""
    path = _settings().checkpoints
    if not path.is_file():
        raise NoSuchCheckpoint(size=0)
    return _file(path.read_text("utf-8"), "checkpoints.txt")


def _file(text: str, name: str) -> Response:
    return Response(text, mimetype="text/plain", headers={"Content-Disposition": f'attachment; filename="{name}"'})


def _shown(finding: dict[str, Any]) -> dict[str, Any]:
    """A finding with the page of what it is about, where there is one that the reader may open."""
    kind, between, ref = str(finding["chain"]).partition("/")
    code = ref.split("/")[0]
    path, permission = PAGES.get(kind, ("", None))
    href = path.format(code) if path and CODE.fullmatch(code) and may_open(permission) else ""
    if kind == "specimen" and href and finding["seq"]:
        href += f"#entry-{finding['seq']}"
    known = code if CODE.fullmatch(code) else ""
    return finding | {"head": kind + between, "code": known, "rest": ref.removeprefix(known), "href": href}


def _moment(at: str | None) -> Any:
    return parse_stamp(at) if at else None


def _seconds(report: service.Report) -> float | None:
    if not report.started_at or not report.ended_at:
        return None
    return (parse_stamp(report.ended_at) - parse_stamp(report.started_at)).total_seconds()


def _checkpoints(work: Work, known: tuple[Verifier, ...], beat: heartbeat.Heartbeat) -> list[dict[str, Any]]:
    """The newest first. When one was made stands in no note; of the newest the keeper knows it."""
    by_id = {(one.name, one.id) for one in known}
    listed = queries.newest_checkpoints(work, CHECKPOINTS_SHOWN + 1)
    shown = []
    for one, before in zip(listed, [*listed[1:], None], strict=False):
        try:
            signed = [(f"{s.name}+{s.id.hex()}", (s.name, s.id) in by_id) for s in read_note(one.note).signatures]
        except NoteMalformed:
            signed = []
        shown.append({
            "size": one.size, "new": one.size - (before.size if before else 0), "root": one.root.hex(), "signed": signed,
            "at": _moment(beat.sealed_at) if beat.size == one.size else None, "first": before is None,
        })
    return shown[:CHECKPOINTS_SHOWN]


def _troubles(work: Work, beat: heartbeat.Heartbeat) -> list[Trouble]:
    """Keeper, seals, triggers and outbox: each with what to do when it is not as it should be."""
    waiting = queries.sealed_and_not(work)[1]
    triggers = queries.trigger_faults(work)
    messages = outbox.standing(work.session)
    found = [_keeper(work, beat)]
    trying = _("It goes on trying. Look into the keeper's log for this word.")
    found += [Trouble(_("Keeper: %(task)s", task=task), _("fails: %(what)s", what=what), True, trying) for task, what in sorted(beat.ailing.items())]
    late = waiting > 0 and not beat.seen(work.now)
    seal = _("Nothing seals while there is no keeper; “biobank seal” does it once.") if late else ""
    found.append(Trouble(_("Entries that are not sealed yet"), number(waiting), late, seal))
    changed = _("Somebody changed the database itself. Verify against checkpoints kept elsewhere, then restore a verified backup.")
    found += [Trouble(_("Guard %(name)s", name=name), why, True, changed) for name, why in triggers]
    if not triggers:
        found.append(Trouble(_("Guards against changing entries"), _("all in place")))
    mail = _("Look at smtp_host and the keeper's log; what failed stays counted here.") if messages["failed"] else ""
    found.append(Trouble(_("Messages that could not be sent"), number(messages["failed"]), messages["failed"] > 0, mail))
    found.append(Trouble(_("Messages that wait"), number(messages["waiting"])))
    return found


def _keeper(work: Work, beat: heartbeat.Heartbeat) -> Trouble:
    at = _moment(beat.at)
    if beat.seen(work.now):
        return Trouble(_("Keeper (seals, exports, sends, verifies)"), _("at work"))
    todo = _("Start “biobank serve” without --no-keeper, or “biobank keep” beside it. Scanning goes on meanwhile, unsealed.")
    if at is None:
        return Trouble(_("Keeper (seals, exports, sends, verifies)"), _("has never been seen"), True, todo)
    return Trouble(_("Keeper (seals, exports, sends, verifies)"), _("last seen %(at)s", at=at.strftime("%Y-%m-%d %H:%M UTC")), True, todo)
