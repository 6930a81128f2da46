"""Recording decisions and withdrawals, and refolding what they amount to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

from sqlalchemy import delete, insert

from biobank.consent import queries
from biobank.consent.models import ConsentState, Decision, Signatory
from biobank.consent.rules import (
    ANSWERS,
    AUTHORITIES,
    EFFECTS,
    ROLES,
    ComponentUnknown,
    DecisionMade,
    FormVersionUnknown,
    Period,
    Signature,
    SignedBeforeBirth,
    periods,
)
from biobank.core.errors import Fault, FieldsWrong
from biobank.core.near import near
from biobank.core.times import day_not_ahead
from biobank.core.work import Event, Work
from biobank.identity.service import require
from biobank.ledger.rules import Line, Written
from biobank.ledger.service import append
from biobank.studies.queries import definition
from biobank.studies.rules import StudyDefinition, components_for
from biobank.subjects import queries as subjects
from biobank.subjects.models import Enrolment, ParticipantPerson
from biobank.subjects.rules import PersonErased


@dataclass(frozen=True, slots=True)
class ConsentChanged(Event):
    """What an enrolment's consent amounts to has changed: holds are to be opened or lifted."""

    enrolment_id: int


@dataclass(frozen=True, slots=True)
class NewDecision:
    """A decision as it is told. `authority` None: as told before, else joint."""

    study: str
    component: str
    answer: str
    form_version: str
    signed_on: date
    authority: str | None = None
    signatories: tuple[Signature, ...] = field(default=())


def decide(work: Work, participant_code: str, new: NewDecision) -> Decision:
    """Record a decision on one component. It is recorded even when somebody still has to sign; the verdict then says who.

    Raises ComponentUnknown, FormVersionUnknown, FieldsWrong (answer, authority, roles, a day in the future), SignedBeforeBirth, NotEnrolled,
    Forbidden.
    """
    enrolment = subjects.enrolment_of(work, participant_code, new.study)
    require(work, "record-consent", enrolment.study, enrolment.organisation)
    subjects.lock_participant(work, enrolment.participant_id, share=False)
    study = definition(work, enrolment.study, enrolment.version)
    _check_words(new)
    _check_known(study, new)
    person = subjects.person_of(work, enrolment.participant_id, "who must sign")
    code = subjects.participant(work, enrolment.participant_id).code
    _check_days(work, new, person, code)
    facts = {
        "participant": code,
        "study": enrolment.study,
        "component": new.component,
        "answer": new.answer,
        "form_version": new.form_version,
        "authority": new.authority,
        "signed_on": new.signed_on.isoformat(),
        "signatories": [{"role": s.role, "signed_on": s.signed_on.isoformat()} for s in new.signatories],
    }
    written = append(work, [Line(enrolment.chain_id, "consent-decision", facts)])[0]
    decision = _decision(work, enrolment, written, new.component, new.answer, new.signed_on)
    decision.form_version, decision.authority = new.form_version, new.authority
    work.session.add(decision)
    work.session.flush()
    work.session.add_all(Signatory(decision_id=decision.id, role=s.role, signed_on=s.signed_on) for s in new.signatories)
    work.session.flush()
    _refold(work, enrolment, person, [new.component])
    return decision


def _decision(work: Work, enrolment: Enrolment, written: Written, component: str, answer: str, signed_on: date) -> Decision:
    return Decision(
        enrolment_id=enrolment.id, component=component, answer=answer, signed_on=signed_on, recorded_at=written.recorded_at,
        chain_id=written.chain_id, seq=written.seq,
    )


def _check_words(new: NewDecision) -> None:
    faults: list[Fault] = []
    if new.answer not in ANSWERS:
        faults.append(Fault("/answer", f"use one of {', '.join(ANSWERS)}", new.answer))
    if new.authority is not None and new.authority not in AUTHORITIES:
        faults.append(Fault("/authority", f"use one of {', '.join(AUTHORITIES)}", new.authority))
    seen: set[str] = set()
    for number, signature in enumerate(new.signatories):
        if signature.role not in ROLES:
            faults.append(Fault(f"/signatories/{number}/role", near(signature.role, ROLES), signature.role))
        elif signature.role in seen:
            again = "each role signs a decision once; record a second signature as a decision of its own"
            faults.append(Fault(f"/signatories/{number}/role", again, signature.role))
        seen.add(signature.role)
    if faults:
        raise FieldsWrong(faults)


def _check_known(study: StudyDefinition, new: NewDecision) -> None:
    if study.component(new.component) is None:
        known = ", ".join(component.code for component in study.components)
        raise ComponentUnknown(study=study.code, met=new.component, known=known)
    form = study.consent_form(new.form_version)
    if form is None or new.signed_on < form.valid_from:
        forms = ", ".join(f"{f.version} from {f.valid_from.isoformat()}" for f in study.consent_forms)
        raise FormVersionUnknown(study=study.code, met=new.form_version, signed_on=new.signed_on.isoformat(), known=forms)


def _check_days(work: Work, new: NewDecision, person: ParticipantPerson, code: str) -> None:
    day_not_ahead(new.signed_on, work.today, "/signed_on")
    for number, signature in enumerate(new.signatories):
        day_not_ahead(signature.signed_on, work.today, f"/signatories/{number}/signed_on")
    for day in (new.signed_on, *(s.signed_on for s in new.signatories)):
        if day < person.birth_date:
            raise SignedBeforeBirth(signed_on=day.isoformat(), participant=code)


def withdraw_components(work: Work, enrolment: Enrolment, effects: Mapping[str, str], signed_on: date | None = None) -> Written:
    """Withdraw components, each with the participant's choice of effect; one entry `withdrawal`. From `signed_on` (default: today) they refuse.

    Called under the participant's exclusive lock. Raises ComponentUnknown, or FieldsWrong for an unknown effect or a day in the future.
    """
    study = definition(work, enrolment.study, enrolment.version)
    day = day_not_ahead(signed_on or work.today, work.today, "/signed_on")
    for number, (component, effect) in enumerate(effects.items()):
        if study.component(component) is None:
            raise ComponentUnknown(study=study.code, met=component, known=", ".join(c.code for c in study.components))
        if effect not in EFFECTS:
            raise FieldsWrong([Fault(f"/components/{number}/effect", f"use one of {', '.join(EFFECTS)}", effect)])
    code = subjects.participant(work, enrolment.participant_id).code
    person = subjects.person_of(work, enrolment.participant_id, "who must sign")
    if day < person.birth_date:
        raise SignedBeforeBirth(signed_on=day.isoformat(), participant=code)
    _refuse_overtaken(queries.made(queries.decisions(work, enrolment.id)), effects, day)
    facts = {
        "participant": code,
        "study": enrolment.study,
        "signed_on": day.isoformat(),
        "components": [{"component": component, "effect": effect} for component, effect in sorted(effects.items())],
    }
    written = append(work, [Line(enrolment.chain_id, "withdrawal", facts)])[0]
    for component, effect in sorted(effects.items()):
        decision = _decision(work, enrolment, written, component, "withdrawn", day)
        decision.effect = effect
        work.session.add(decision)
        work.session.flush()
    _refold(work, enrolment, person, sorted(effects))
    return written


def _refuse_overtaken(made: Sequence[DecisionMade], effects: Mapping[str, str], day: date) -> None:
    """A withdrawal dated before a newer yes would change nothing, which nobody who withdraws can mean."""
    for component in effects:
        newer = [one.signed_on for one in made if one.component == component and one.answer == "yes" and one.signed_on > day]
        if newer:
            text = f"there is a yes for “{component}” signed on {max(newer).isoformat()}; date the withdrawal from that day or later"
            raise FieldsWrong([Fault("/signed_on", text, day.isoformat())])


def refold_after_person_change(work: Work, participant_id: int) -> None:
    """Judge all decisions of a participant anew: a death drops age gates after it, a corrected birth date moves them."""
    try:
        person = subjects.person_of(work, participant_id, "who must sign")
    except PersonErased:
        return
    for enrolment in subjects.enrolments(work, participant_id):
        _refold(work, enrolment, person, queries.components_decided(work, enrolment.id))


def _refold(work: Work, enrolment: Enrolment, person: ParticipantPerson, components: Sequence[str]) -> None:
    if not components:
        return
    folded = fold_of(work, enrolment, person, components)
    rows = [_state(enrolment.id, component, period) for component, listed in folded.items() for period in listed]
    gone = delete(ConsentState).where(ConsentState.enrolment_id == enrolment.id, ConsentState.component.in_(components))
    connection = work.session.connection()
    connection.execute(gone)
    connection.execute(insert(ConsentState), rows)
    work.memo.pop(("consent", enrolment.id), None)
    work.events.append(ConsentChanged(enrolment.id))


def fold_of(work: Work, enrolment: Enrolment, person: ParticipantPerson, components: Sequence[str]) -> dict[str, list[Period]]:
    """What the decisions of an enrolment amount to, per component."""
    made = queries.made(queries.decisions(work, enrolment.id))
    study = definition(work, enrolment.study, enrolment.version)
    forms = {form.version: form for form in study.consent_forms}
    collected = {one for purpose in ("collect", "store") for one in components_for(study, purpose) or ()}
    rule = queries.jurisdiction(enrolment.country)
    return {one: periods(made, person.birth_date, person.deceased_on, rule, one, forms, one in collected) for one in components}


def _state(enrolment_id: int, component: str, period: Period) -> dict[str, object]:
    return {
        "enrolment_id": enrolment_id, "component": component, "from_on": period.from_on, "until_on": period.until_on,
        "granted": period.granted, "reason": period.reason, "roles": " ".join(period.roles), "at_birthday": period.at_birthday,
    }
