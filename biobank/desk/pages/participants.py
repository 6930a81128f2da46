"""The list of participants, and enrolling one."""

from __future__ import annotations

from typing import Any

import flask
from flask import redirect, render_template, request
from werkzeug.wrappers import Response

from biobank.core.codes import is_code, tidy
from biobank.core.errors import Refusal
from biobank.core.vocabulary import terms
from biobank.core.work import Work
from biobank.desk import queries
from biobank.desk.pages.blueprint import pages
from biobank.identity import queries as people
from biobank.studies.queries import studies
from biobank.subjects import queries as subjects
from biobank.subjects import service as enrolling
from biobank.subjects.rules import SEXES, NewEnrolment, NewEpisode, NewParticipant
from biobank.web import forms, present
from biobank.web.language import _

PAGE = 50


@pages.get("/participants", permission="read-participants")
def participants(work: Work) -> str | Response:
    """Participants the reader may see; `?find=` takes a code or a trial's subject number."""
    sought = request.args.get("find", "").strip()
    if sought:
        codes = [tidy(sought)] if is_code(tidy(sought)) else queries.by_subject_number(work, sought)
        if len(codes) == 1:
            return redirect(f"/participants/{codes[0]}")
    study = request.args.get("study") or None
    found = subjects.page_of(work, request.args.get("after"), PAGE, study)
    shown, more = found[:PAGE], len(found) > PAGE
    ids = [one.id for one in shown]
    enrolments = subjects.enrolments_of_many(work, ids, "read-participants")
    counts = queries.tube_counts(work, ids)
    rows = [{"code": one.code, "enrolments": enrolments.get(one.id, []), "tubes": counts.get(one.id, queries.TubeCounts())} for one in shown]
    following = f"/participants?after={shown[-1].code}" + (f"&study={study}" if study else "") if more else None
    return render_template(
        "desk/participants.html", rows=rows, next_url=following, studies=[(one.code, one.short_title) for one in studies(work)], study=study or "",
        sought=sought,
    )


@pages.get("/participants/new", permission="enrol")
def new_participant(work: Work) -> str:
    """The enrolment form."""
    return _form(work)


@pages.post("/participants", permission="enrol")
def enrol_participant(work: Work) -> Response | tuple[str, int]:
    """Enrol somebody new."""
    try:
        enrolment = enrolling.register_participant(
            work, NewParticipant(birth_date=forms.day("birth_date"), sex=forms.text("sex"), enrolment=enrolment_of_form())
        )
    except Refusal as refusal:
        return _form(work, present.put_back(work, refusal)), refusal.status
    return redirect(f"/participants/{subjects.participant(work, enrolment.participant_id).code}", 303)


def enrolment_of_form() -> NewEnrolment:
    """The enrolment that the form tells, with its episode when a kind was chosen."""
    episode = None
    if forms.text("episode.kind"):
        genetics = tuple(one for one in flask.request.form.getlist("episode.genetics") if one)
        episode = NewEpisode(
            kind=forms.text("episode.kind"), diagnosed_on=forms.day("episode.diagnosed_on"), disease_group=forms.text("episode.disease_group"),
            genetics=genetics or None,
        )
    return NewEnrolment(
        study=forms.text("study"), organisation=forms.text("organisation"), subject_number=forms.text("subject_number"),
        enrolled_on=forms.day_or_none("enrolled_on"), stratum=forms.text("stratum") or None, episode=episode,
        override_reason=forms.text("override_reason") or None,
    )


def enrolment_choices(work: Work) -> dict[str, Any]:
    """What the enrolment form offers."""

    def offered(vocabulary: str) -> list[tuple[str, str]]:
        return [(code, present.in_language(term.title, term.title_nl)) for code, term in terms(work, vocabulary).items()]

    found = studies(work)
    strata = sorted({stratum.code for study in found for stratum in study.strata})
    return {
        "studies": [(one.code, one.short_title) for one in found], "strata": [("", "–"), *((one, one) for one in strata)],
        "organisations": [(one.code, one.title) for one in people.organisations(work)],
        "episode_kinds": [("", _("no episode now")), *offered("episode_kind")], "disease_groups": offered("disease_group"),
        "genetics": offered("genetics"),
    }


def _form(work: Work, refusal: dict[str, Any] | None = None) -> str:
    sexes = {"female": _("female"), "male": _("male"), "intersex": _("intersex"), "unknown": _("unknown")}
    first = {"organisation": work.who.organisation, "enrolled_on": work.today.isoformat(), "episode.kind": "primary"}
    typed = flask.request.form if refusal else first
    return render_template(
        "desk/enrol.html", refusal=refusal, typed=typed, chosen=flask.request.form.getlist("episode.genetics") if refusal else [],
        sexes=[(sex, sexes.get(sex, sex)) for sex in SEXES], **enrolment_choices(work),
    )
