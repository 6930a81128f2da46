"""Endpoints of decisions, consent and verdicts."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

from biobank.consent import queries, service
from biobank.consent.rules import Period, Reason, Signature, reasons_on
from biobank.consent.schemas import CONSENT, DECIDED, DECISION_IN, VERDICT, VERDICT_ARGS
from biobank.core.work import Work
from biobank.studies.queries import definition
from biobank.subjects import queries as subjects
from biobank.web.blueprint import ApiBlueprint

api = ApiBlueprint("consent", __name__, "Decisions per component, who still has to sign, and verdicts for a purpose")


@api.post("/participants/<participant>/consent-decisions", permission="record-consent")
@api.takes(DECISION_IN)
@api.answers(201, DECIDED)
def decide(work: Work, body: dict[str, Any], participant: str) -> dict[str, Any]:
    """Record a decision on one component."""
    signed = tuple(Signature(one["role"], one["signed_on"]) for one in body.pop("signatories"))
    decision = service.decide(work, participant, service.NewDecision(**body, signatories=signed))
    code, found = queries.overview(work, participant)
    mine = next(one for one in found if one.enrolment.id == decision.enrolment_id)
    today = _today(mine.periods.get(decision.component, ()), decision.component, work.today)
    return {"study": body["study"], "today": today, **_decision(decision, signed, code, body["study"])}


@api.get("/participants/<participant>/consent", permission="read-participants")
@api.answers(200, CONSENT)
def consent(work: Work, participant: str) -> dict[str, Any]:
    """Per study and component: the decisions, what they amount to over time, and today's answer."""
    code, found = queries.overview(work, participant)
    return {"participant": code, "studies": [_study(work, code, one) for one in found]}


@api.get("/participants/<participant>/verdict", permission="read-participants")
@api.takes(VERDICT_ARGS, location="query")
@api.answers(200, VERDICT)
def verdict(work: Work, args: dict[str, Any], participant: str) -> dict[str, Any]:
    """Whether a purpose is granted on a day, and if not, every reason."""
    enrolment = subjects.enrolment_of(work, participant, args["study"])
    purpose = service.check_purpose(work, args["purpose"])
    declared = [word.strip() for word in args["uses"].split(",") if word.strip()]
    uses = service.asked_uses(work, declared, args["to"])
    given = service.verdict(work, enrolment.id, purpose, args["on"], uses)
    return {
        "participant": subjects.participant(work, enrolment.participant_id).code, "study": enrolment.study, "purpose": purpose,
        "uses": sorted(uses), "on": given.on, "granted": given.granted, "reasons": [reason.as_json() for reason in given.reasons],
        "rules_version": given.rules_version,
    }


def _study(work: Work, code: str, one: queries.Overview) -> dict[str, Any]:
    study = one.enrolment.study
    told: dict[str, list[dict[str, Any]]] = {}
    for decision, signed in one.decisions:
        told.setdefault(decision.component, []).append(_decision(decision, signed, code, study))
    return {
        "study": study,
        "version": one.enrolment.version,
        "jurisdiction": one.jurisdiction,
        "components": [
            {
                "component": component.code,
                "title": component.title,
                "assumed": component.assumed,
                "today": _today(one.periods.get(component.code, ()), component.code, work.today),
                "decisions": told.get(component.code, []),
                "periods": _periods(one.periods.get(component.code, ()), one.birthdays),
            }
            for component in definition(work, study, one.enrolment.version).components
        ],
    }


def _decision(decision: Any, signed: Sequence[Signature], code: str, study: str) -> dict[str, Any]:
    names = ("component", "answer", "form_version", "authority", "effect", "signed_on", "recorded_at")
    return {name: getattr(decision, name) for name in names} | {
        "signatories": list(signed), "entry": {"chain": f"consent/{code}/{study}", "seq": decision.seq},
    }


def _today(listed: Sequence[Period], component: str, today: date) -> dict[str, Any]:
    found = reasons_on(listed, today)
    reasons = [Reason(code, component, {"roles": list(roles)} if roles else {}).as_json() for code, roles in found]
    return {"granted": not found, "reasons": reasons}


def _periods(listed: Sequence[Period], birthdays: bool) -> list[dict[str, Any]]:
    """Without the permission for person facts, days that are birthdays are left out."""
    following = [*listed[1:], None][: len(listed)]
    shown: list[dict[str, Any]] = []
    for period, after in zip(listed, following, strict=True):
        until_birthday = after is not None and after.at_birthday
        shown.append(
            {
                "from_on": period.from_on if birthdays or not period.at_birthday else None,
                "until_on": period.until_on if birthdays or not until_birthday else None,
                "at_birthday": period.at_birthday, "until_birthday": until_birthday, "granted": period.granted,
                "reason": period.reason, "roles": list(period.roles),
            }
        )
    return shown
