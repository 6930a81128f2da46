"""The page of one participant: everything over time, what needs a decision, what is left; and what is recorded here."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date
from typing import TYPE_CHECKING, Any

import flask
from flask import redirect, render_template, request
from werkzeug.wrappers import Response

from biobank.consent import queries as consent_queries
from biobank.consent import service as consent
from biobank.consent.rules import AUTHORITIES, EFFECTS, ROLES, Period, Signature
from biobank.core.errors import Refusal
from biobank.core.vocabulary import terms
from biobank.core.work import Work
from biobank.desk import queries
from biobank.desk.pages import history, words
from biobank.desk.pages.blueprint import pages
from biobank.desk.pages.participants import enrolment_choices, enrolment_of_form
from biobank.identity import service as identity
from biobank.specimens import service as bench
from biobank.studies.queries import definition
from biobank.subjects import queries as subjects
from biobank.subjects import service as subject_service
from biobank.subjects.rules import NewAnchor, NewDose, NewEpisode
from biobank.web import forms, present
from biobank.web.language import _
from biobank.withdrawals import service as withdrawals

if TYPE_CHECKING:
    from biobank.subjects.models import Participant

Page = tuple[str, int] | Response


@pages.get("/participants/<code>", permission="read-participants")
def participant(work: Work, code: str) -> str:
    """One participant. `?person=show` shows the birth date to those who may, and the read is logged. Raises CodeMistyped or ParticipantUnknown."""
    return _page(work, code)


def _posting(path: str, permission: str, name: str, anchor: str) -> Callable[[Callable[[Work, str], str | None]], None]:
    """Register a form of this page: it does one thing, then leads back to the page, or shows it again with what was wrong."""

    def decorate(doing: Callable[[Work, str], str | None]) -> None:
        def view(work: Work, code: str) -> Page:
            try:
                leads_to = doing(work, code)
            except Refusal as refusal:
                return _page(work, code, present.put_back(work, refusal), anchor), refusal.status
            return redirect(leads_to or f"/participants/{code}#{anchor}", 303)

        view.__name__, view.__doc__ = name, doing.__doc__
        pages.post(path, permission=permission)(view)

    return decorate


@_posting("/participants/<code>/collections", "plan-collection", "plan_collection", "plan")
def _plan(work: Work, code: str) -> str:
    """Plan a draw of one of the study's events."""
    study, _slash, rest = forms.text("event").partition("/")
    event, _at, ordinal = rest.partition("@")
    anchor = int(ordinal) if ordinal.isdigit() else None
    made = bench.plan_collection(work, bench.NewCollection(code, study, event, forms.day("planned_on"), anchor))
    return f"/collections/{made.code}"


@_posting("/participants/<code>/consent-decisions", "record-consent", "record_consent", "consent")
def _decide(work: Work, code: str) -> None:
    """Record decisions: one form, an answer per component."""
    study = forms.text("study")
    signed_on = forms.day("signed_on")
    signatories = tuple(Signature(role, signed_on) for role in ROLES if forms.text(f"signed.{role}"))
    answers = {name.partition(".")[2]: value for name, value in flask.request.form.items() if name.startswith("answer.") and value}
    if not answers:
        forms.needed("answer", "answer at least one component with yes or no")
    for component, answer in answers.items():
        consent.decide(
            work, code,
            consent.NewDecision(study, component, answer, forms.text("form_version"), signed_on, forms.text("authority") or None, signatories),
        )


@_posting("/participants/<code>/withdrawals", "withdraw", "withdraw_consent", "consent")
def _withdraw(work: Work, code: str) -> None:
    """Withdraw components with the participant's choice."""
    effects = dict.fromkeys(flask.request.form.getlist("component"), forms.text("effect"))
    withdrawals.withdraw(work, code, forms.text("study"), effects, forms.day_or_none("signed_on"))


@_posting("/participants/<code>/doses", "enrol", "add_dose", "record")
def _dose(work: Work, code: str) -> None:
    """Record an asparaginase dose."""
    at: Any = forms.moment_or_none(work, "at")
    subject_service.add_dose(work, code, NewDose(forms.text("study"), at, forms.text("product"), forms.whole("units_per_m2"), forms.text("route")))


@_posting("/participants/<code>/anchors", "enrol", "add_anchor", "record")
def _anchor(work: Work, code: str) -> None:
    """Record a day that draws are counted from."""
    subject_service.add_anchor(work, code, NewAnchor(forms.text("study"), forms.text("kind"), forms.day("on")))


@_posting("/participants/<code>/episodes", "enrol", "add_episode", "record")
def _episode(work: Work, code: str) -> None:
    """Record a relapse or another episode."""
    subject_service.add_episode(work, code, NewEpisode(forms.text("kind"), forms.day("diagnosed_on"), forms.text("disease_group")))


@_posting("/participants/<code>/enrolments", "enrol", "enrol_again", "record")
def _enrol(work: Work, code: str) -> None:
    """Enrol in a further study."""
    subject_service.enrol(work, code, enrolment_of_form())


@_posting("/participants/<code>/death", "enrol", "record_death", "record")
def _death(work: Work, code: str) -> None:
    """Record a death."""
    subject_service.record_death(work, code, forms.day("deceased_on"))


def _page(work: Work, code: str, refusal: dict[str, Any] | None = None, refused_at: str = "") -> str:
    found = subjects.find(work, code)
    life = _life(work, found)
    due = history.dues(work, life)
    counts = queries.tube_counts(work, [found.id]).get(found.id, queries.TubeCounts())
    planned = [draw for draw in life.draws if draw.planned_on is not None]
    view = {
        "participant": found, "life": life, "time": history.picture(work, life, due), "counts": counts, "left": queries.what_is_left(work, found.id),
        "drawn": sum(1 for draw in planned if draw.arrived), "planned": len(planned), "next_due": _next(work, life, due),
        "unmet": {one.id: json.loads(one.warnings) for one in life.enrolments}, "consent": _consent(work, life), "draws": life.draws,
        "person": _person(work, found), "due": due, "forms": _forms(work, life, due), "today": work.today, "word": words,
        "titles": {"episode": lambda kind: words.term_title(work, "episode_kind", kind), "material": lambda kind: words.material(work, kind)},
    }
    return render_template(
        "desk/participant.html", refusal=refusal, refused_at=refused_at, typed=flask.request.form if refusal else {}, can=_can(work, life), **view
    )


def _life(work: Work, found: Participant) -> history.Life:
    enrolments = subjects.enrolments(work, found.id, "read-participants")
    ids = [one.id for one in enrolments]
    states = {key: value[2] for key, value in consent_queries.states(work, ids).items()}
    return history.Life(
        enrolments, {one.id: definition(work, one.study, one.version) for one in enrolments}, subjects.episodes(work, found.id),
        subjects.anchors(work, ids), queries.collections_of(work, ids), states,
    )


def _next(work: Work, life: history.Life, due: list[history.Due]) -> tuple[str, date] | None:
    coming = [(draw.event or "", draw.planned_on) for draw in life.draws if draw.expected and draw.planned_on and draw.planned_on >= work.today]
    coming += [(one.event.code, max(one.planned, work.today)) for one in due if one.kind in {"open", "due"}]
    return min(coming, key=lambda one: one[1], default=None)


def _person(work: Work, found: Participant) -> dict[str, Any] | None:
    if request.args.get("person") != "show" or not identity.may(work, "read-person"):
        return None
    person = subjects.person_of(work, found.id, "shown on the participant's page")
    return {"birth_date": person.birth_date, "sex": person.sex, "deceased_on": person.deceased_on}


def _consent(work: Work, life: history.Life) -> list[dict[str, Any]]:
    """Per enrolment: every component with today's answer, why not, and when that began."""
    shown = []
    for enrolment in life.enrolments:
        rows = []
        for component in life.studies[enrolment.id].components:
            periods = life.states.get(enrolment.id, {}).get(component.code, [])
            now = next((period for period in periods if period.covers(work.today)), None)
            gate = next((period for period in periods if period.at_birthday and period.from_on > work.today and not period.granted), None)
            rows.append(
                {
                    "code": component.code, "title": present.in_language(component.title, component.title_nl), "assumed": component.assumed,
                    "granted": now.granted if now else None, "why": _why(now),
                    "waiting": now is None or now.reason in {"no-decision", "signatory-missing"},
                    "since": now.from_on if now and not now.at_birthday else None, "gate": gate.from_on if gate else None,
                }
            )
        shown.append({"enrolment": enrolment, "study": life.studies[enrolment.id], "rows": rows})
    return shown


def _why(now: Period | None) -> str:
    if now is None:
        return words.reason("no-decision")
    return words.reason(now.reason, list(now.roles)) if now.reason else ""


def _can(work: Work, life: history.Life) -> dict[str, bool]:
    def may(permission: str) -> bool:
        return any(identity.may(work, permission, one.study, one.organisation) for one in life.enrolments)

    return {
        "plan": may("plan-collection"), "consent": may("record-consent"), "withdraw": may("withdraw"), "enrol": may("enrol"),
        "person": may("read-person"),
    }


def _forms(work: Work, life: history.Life, due: list[history.Due]) -> dict[str, Any]:
    """What the forms of the page offer."""

    def offered(vocabulary: str) -> list[tuple[str, str]]:
        return [(code, present.in_language(term.title, term.title_nl)) for code, term in terms(work, vocabulary).items()]

    spoken = history.mark_words()
    events = [
        (
            f"{one.enrolment.study}/{one.event.code}@{one.anchor.ordinal}",
            f"{one.event.code} · {one.event.title} · {spoken[one.kind]} {present.day(one.planned)}",
        )
        for one in sorted(due, key=lambda each: ({"open": 0, "due": 1, "missed": 2}[each.kind], each.planned))
    ]
    counted = {one.event.code for one in due}
    events += [
        (f"{enrolment.study}/{event.code}", f"{event.code} · {event.title}")
        for enrolment in life.enrolments for event in life.studies[enrolment.id].events if event.code not in counted
    ]
    studies = [(one.study, life.studies[one.id].short_title) for one in life.enrolments]
    authority = {"joint": _("both parents together"), "sole": _("one parent alone"), "guardian": _("a guardian")}
    effects = {
        "stop-collection": _("stop collecting"), "no-further-use": _("no further use"), "destroy": _("destroy what is left"),
        "own-care-only": _("keep for own care only"), "further-use-allowed": _("what is here may still be used"),
    }
    return {
        "events": events, "studies": studies, "authorities": [("", _("as told before")), *((one, authority.get(one, one)) for one in AUTHORITIES)],
        "roles": [(one, words.role(one)) for one in ROLES], "effects": [(one, effects.get(one, one)) for one in EFFECTS],
        "products": offered("product"), "routes": offered("route"), "anchors": [one for one in offered("anchor") if one[0] != "asparaginase_dose"],
        "choices": enrolment_choices(work),
    }
