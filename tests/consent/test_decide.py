"""Recording decisions, and the verdicts they lead to."""

from __future__ import annotations

import json
from datetime import date, timedelta

import pytest
from sqlalchemy import select

from biobank.consent import queries, service
from biobank.consent.models import ConsentState, VerdictGiven
from biobank.consent.rules import ComponentUnknown, FormVersionUnknown, Signature, SignedBeforeBirth
from biobank.consent.service import ConsentChanged, NewDecision
from biobank.core.errors import FieldsWrong, Forbidden
from biobank.core.work import Actor, Grant
from biobank.ledger.queries import entries
from biobank.subjects import service as subjects
from tests.subjects.given import ABROAD, HERE, child, code_of

SIGNED = date(2026, 3, 3)


def said(answer="yes", roles=("parent", "second-parent"), component="residual_storage", on=SIGNED, **changes):
    facts = {"study": "alltogether1", "component": component, "answer": answer, "form_version": "v1", "signed_on": on, "authority": "joint"}
    return NewDecision(**{**facts, "signatories": tuple(Signature(role, on) for role in roles), **changes})


def codes(work, enrolment, purpose="store", **asked):
    return service.verdict(work, enrolment.id, purpose, **asked).codes


def test_consent_is_granted_from_the_day_it_was_complete(work):
    enrolment = child(work)
    assert codes(work, enrolment) == ("no-decision",)
    service.decide(work, code_of(work, enrolment), said())
    assert service.verdict(work, enrolment.id, "store").granted
    assert codes(work, enrolment, on=SIGNED - timedelta(days=1)) == ("no-decision",)
    assert work.events == [ConsentChanged(enrolment.id)]


def test_a_decision_is_recorded_with_a_signatory_missing_and_the_verdict_names_who(work):
    enrolment = child(work)
    code = code_of(work, enrolment)
    service.decide(work, code, said(roles=("parent",)))
    verdict = service.verdict(work, enrolment.id, "store")
    assert [str(reason) for reason in verdict.reasons] == ["signatory-missing(second-parent)"]
    assert verdict.only_waiting
    service.decide(work, code, said(roles=("second-parent",), on=date(2026, 4, 1)))
    assert service.verdict(work, enrolment.id, "store").granted
    assert [(entry.seq, entry.act) for entry in entries(work, enrolment.chain_id)] == [(1, "enrol"), (2, "consent-decision"), (3, "consent-decision")]


def test_the_entry_names_roles_and_days_but_no_birth_date(work):
    enrolment = child(work)
    service.decide(work, code_of(work, enrolment), said())
    body = entries(work, enrolment.chain_id)[1].body
    assert json.loads(body)["facts"]["signatories"] == [{"role": role, "signed_on": "2026-03-03"} for role in ("parent", "second-parent")]
    assert b"2018-06-15" not in body


def test_a_purpose_asks_all_its_components(work):
    enrolment = child(work)
    code = code_of(work, enrolment)
    service.decide(work, code, said())
    assert codes(work, enrolment, "use:asparaginase") == ("no-decision",)
    service.decide(work, code, said("no", component="asparaginase"))
    assert codes(work, enrolment, "use:asparaginase") == ("component-declined",)
    assert not service.verdict(work, enrolment.id, "use:asparaginase").only_waiting
    service.decide(work, code, said(component="extra_use"))
    assert service.verdict(work, enrolment.id, "supply").granted
    assert [r.component for r in service.verdict(work, enrolment.id, "supply", uses=frozenset({"genetic"})).reasons] == ["genetic"]
    assert codes(work, enrolment, "use:interfant21_mrd") == ("not-offered",)


def test_a_recipient_outside_the_eea_asks_the_component_for_it(work):
    assert service.asked_uses(work, ["genetic"], HERE) == {"genetic"}
    assert service.asked_uses(work, ["genetic"], ABROAD) == {"genetic", "outside_eea"}
    with pytest.raises(FieldsWrong):
        service.asked_uses(work, ["outside_eea"], None)


@pytest.mark.parametrize(
    ("decision", "pointer"),
    [
        (said("maybe"), "/answer"),
        (said(authority="shared"), "/authority"),
        (said(roles=("parent", "parent")), "/signatories/1/role"),
        (said(roles=("mother",)), "/signatories/0/role"),
        (said(on=date(2026, 11, 21)), "/signed_on"),
        (said(signatories=(Signature("parent", date(2026, 11, 21)),)), "/signatories/0/signed_on"),
    ],
)
def test_a_wrong_word_or_a_day_in_the_future_is_named_and_nothing_is_written(work, decision, pointer):
    enrolment = child(work)
    with pytest.raises(FieldsWrong) as refused:
        service.decide(work, code_of(work, enrolment), decision)
    assert refused.value.faults[0].pointer == pointer
    assert len(entries(work, enrolment.chain_id)) == 1


def test_unknown_components_and_forms_are_refused_with_those_there_are(work):
    code = code_of(work, child(work))
    with pytest.raises(ComponentUnknown, match="residual_storage"):
        service.decide(work, code, said(component="storage"))
    with pytest.raises(FormVersionUnknown, match="v1 from"):
        service.decide(work, code, said(form_version="v9"))
    with pytest.raises(SignedBeforeBirth):
        service.decide(work, code, said(signatories=(Signature("parent", date(2018, 6, 14)),)))


def test_deciding_needs_the_permission_in_this_study(work):
    code = code_of(work, child(work))
    work.actor = Actor(4, "technician", HERE, (Grant("technician"),))
    with pytest.raises(Forbidden):
        service.decide(work, code, said())


def test_a_withdrawal_refuses_from_its_day_and_leaves_the_other_components(work):
    enrolment = child(work)
    code = code_of(work, enrolment)
    for component in ("residual_storage", "registry"):
        service.decide(work, code, said(component=component))
    service.withdraw_components(work, enrolment, {"residual_storage": "destroy"})
    assert codes(work, enrolment) == ("withdrawn",)
    assert service.verdict(work, enrolment.id, "store", on=work.today - timedelta(days=1)).granted
    assert service.verdict(work, enrolment.id, "export").granted
    assert entries(work, enrolment.chain_id)[-1].act == "withdrawal"


def test_a_withdrawal_dated_before_a_newer_yes_is_refused_because_it_would_change_nothing(work):
    enrolment = child(work)
    service.decide(work, code_of(work, enrolment), said(on=date(2026, 5, 1)))
    with pytest.raises(FieldsWrong) as refused:
        service.withdraw_components(work, enrolment, {"residual_storage": "destroy"}, date(2026, 4, 30))
    assert "2026-05-01" in refused.value.faults[0].message
    service.withdraw_components(work, enrolment, {"residual_storage": "destroy"}, date(2026, 5, 1))
    assert codes(work, enrolment) == ("withdrawn",)


def test_a_child_that_turns_twelve_is_asked_and_a_death_before_takes_the_gate_away(work):
    enrolment = child(work, born=date(2014, 6, 15))
    code = code_of(work, enrolment)
    service.decide(work, code, said())
    assert codes(work, enrolment) == ("age-gate",)
    subjects.record_death(work, code, date(2026, 6, 14))
    (changed,) = [event for event in work.events if isinstance(event, subjects.PersonChanged)]
    service.refold_after_person_change(work, changed.participant_id)
    assert service.verdict(work, enrolment.id, "store").granted
    subjects.record_death(work, code, date(2026, 6, 15))
    service.refold_after_person_change(work, enrolment.participant_id)
    assert codes(work, enrolment) == ("age-gate",)


def test_a_corrected_birth_date_moves_the_gate(work):
    enrolment = child(work, born=date(2014, 6, 15))
    code = code_of(work, enrolment)
    service.decide(work, code, said())
    subjects.correct_person(work, code, date(2016, 6, 15), "female")
    service.refold_after_person_change(work, enrolment.participant_id)
    assert service.verdict(work, enrolment.id, "store").granted


def test_a_country_without_a_file_has_the_strictest_rule(work):
    enrolment = child(work, born=date(2009, 3, 2), organisation=ABROAD, override_reason="Agreed.")
    service.decide(work, code_of(work, enrolment), said(roles=("participant",), component="residual_storage"))
    assert codes(work, enrolment) == ("signatory-missing",)


def test_many_verdicts_are_one_statement_and_equal_those_asked_one_by_one(work):
    enrolled = [child(work, f"T-{number}") for number in range(5)]
    for enrolment in enrolled[:3]:
        service.decide(work, code_of(work, enrolment), said())
    work.memo.clear()
    many = service.verdicts(work, [one.id for one in enrolled], "store")
    assert [many[one.id].granted for one in enrolled] == [True] * 3 + [False] * 2
    assert all(many[one.id] == service.verdict(work, one.id, "store") for one in enrolled)


def test_a_kept_verdict_holds_its_reasons_in_a_row_that_can_be_erased(work):
    enrolment = child(work)
    kept = service.keep_verdict(work, service.verdict(work, enrolment.id, "store"), enrolment.id)
    row = work.session.get_one(VerdictGiven, kept)
    assert (row.granted, json.loads(row.reasons)) == (False, [{"code": "no-decision", "component": "residual_storage"}])


def test_the_overview_shows_no_birthday_to_who_may_not_read_it(work):
    enrolment = child(work, born=date(2014, 6, 15))
    code = code_of(work, enrolment)
    service.decide(work, code, said())
    work.reads.clear()
    _, (mine,) = queries.overview(work, code)
    assert mine.birthdays and work.reads[0]["what"] == "birth_date"
    work.actor = Actor(5, "technician", HERE, (Grant("technician"),))
    _, (mine,) = queries.overview(work, code)
    assert not mine.birthdays
    stored = work.session.execute(select(ConsentState.reason).where(ConsentState.enrolment_id == enrolment.id)).scalars().all()
    assert sorted(stored, key=str) == [None, "age-gate"]
