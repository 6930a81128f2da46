"""Verification finds a decision or a stored period that was changed past the ledger."""

from __future__ import annotations

import json
from datetime import date

import pytest
from sqlalchemy import delete, update

from biobank.consent import service
from biobank.consent.models import ConsentState, Decision, Signatory
from biobank.ledger.queries import entries
from biobank.subjects.models import ParticipantPerson
from tests.consent.test_decide import said
from tests.subjects.given import child, code_of


@pytest.fixture
def enrolment(work):
    """A child with a consent, a refusal and a withdrawal."""
    found = child(work, born=date(2014, 6, 15))
    code = code_of(work, found)
    service.decide(work, code, said())
    service.decide(work, code, said("no", component="asparaginase"))
    service.decide(work, code, said(component="registry"))
    service.withdraw_components(work, found, {"registry": "no-further-use"})
    return found


def findings(work, enrolment):
    work.session.flush()
    work.session.expire_all()
    chain = f"consent/{code_of(work, enrolment)}/alltogether1"
    bodies = [json.loads(entry.body) for entry in entries(work, enrolment.chain_id)]
    return [(one.seq, one.field) for one in service.check_consent(work, {chain: bodies, "tube/OTHER": []})]


def test_an_untouched_consent_has_no_findings(work, enrolment):
    assert findings(work, enrolment) == []


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (update(Decision).where(Decision.component == "asparaginase").values(answer="yes"), [(3, "decision"), (None, "consent_state")]),
        (update(Signatory).where(Signatory.role == "parent").values(role="guardian"), [(2, "decision"), (3, "decision"), (4, "decision")]),
        (update(Decision).where(Decision.answer == "withdrawn").values(effect="further-use-allowed"), [(5, "decision")]),
        (update(ConsentState).where(ConsentState.reason == "age-gate").values(granted=True, reason=None, roles=""), [(None, "consent_state")]),
        (delete(ConsentState).where(ConsentState.component == "registry"), [(None, "consent_state")]),
    ],
)
def test_a_change_past_the_ledger_is_found(work, enrolment, change, expected):
    work.session.execute(change)
    found = findings(work, enrolment)
    assert found[: len(expected)] == expected


def test_erased_person_facts_leave_the_decisions_verifiable(work, enrolment):
    work.session.execute(delete(ParticipantPerson).where(ParticipantPerson.participant_id == enrolment.participant_id))
    work.session.execute(delete(ConsentState).where(ConsentState.enrolment_id == enrolment.id))
    assert findings(work, enrolment) == []
