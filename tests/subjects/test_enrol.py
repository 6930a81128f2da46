"""Registering and enrolling: judged on the day of enrolment by the study's rules."""

from __future__ import annotations

import json
from datetime import date, timedelta

import pytest

from biobank.core.errors import FieldsWrong, Forbidden, NotFound
from biobank.core.work import Actor, Grant
from biobank.ledger.queries import entries
from biobank.subjects import queries, service
from biobank.subjects.rules import AlreadyEnrolled, NewEpisode, NotEligible, NotEnrolled, SubjectNumberTaken
from tests.subjects.given import HERE, child, code_of, enrolling


def test_a_child_gets_a_code_an_enrolment_and_the_diagnosis_anchor(work):
    enrolment = child(work)
    code = code_of(work, enrolment)
    assert len(code) == 8
    whole = queries.whole(work, code.lower(), person=False)
    assert [(e.study, e.version, e.country, e.override_reason_given) for e in whole.enrolments] == [("alltogether1", 1, "NL", False)]
    assert [(a.kind, a.ordinal, a.at) for a, _ in whole.anchors] == [("diagnosis", 1, date(2026, 3, 1))]


def test_the_first_entry_of_the_consent_chain_tells_the_enrolment_and_never_a_birth_date(work):
    enrolment = child(work)
    (entry,) = entries(work, enrolment.chain_id)
    assert (entry.chain, entry.seq, entry.act) == (f"consent/{code_of(work, enrolment)}/alltogether1", 1, "enrol")
    assert b"2018-06-15" not in entry.body and b"T-001" not in entry.body


@pytest.mark.parametrize(("born", "eligible"), [(date(2000, 3, 3), True), (date(2000, 3, 2), False)])
def test_an_unmet_rule_with_a_source_is_refused_and_names_what_was_met_and_asked(work, born, eligible):
    if eligible:
        child(work, born=born)
        return
    with pytest.raises(NotEligible) as refused:
        child(work, born=born)
    (fault,) = refused.value.faults
    assert fault.pointer == "/rules/age-nl"
    assert "26 years" in fault.message and "0 to 25 years" in fault.message and "override_reason" in fault.message


def test_with_a_reason_it_is_accepted_and_shown_for_ever(work):
    enrolment = child(work, born=date(1999, 1, 1), override_reason="The trial office agreed by letter.")
    assert enrolment.override_reason_given
    kept = {warning["rule"]: warning["overridden"] for warning in json.loads(enrolment.warnings)}
    assert kept["age-nl"] is True
    (entry,) = entries(work, enrolment.chain_id)
    assert json.loads(entry.body)["facts"]["unmet"] == ["age-nl"]
    assert entry.notes == {"override_reason": "The trial office agreed by letter."}
    assert b"agreed" not in entry.body


def test_the_warnings_kept_do_not_tell_the_age(work):
    enrolment = child(work, born=date(1999, 1, 1), override_reason="Agreed.")
    assert "years at" not in enrolment.warnings and "days at" not in enrolment.warnings


def test_a_day_of_enrolment_lies_between_birth_and_today(work):
    for wrong in (work.today + timedelta(days=1), date(2018, 6, 14)):
        with pytest.raises(FieldsWrong) as refused:
            child(work, enrolled_on=wrong)
        assert refused.value.faults[0].pointer == "/enrolled_on"
        assert "2018-06-15" not in str(refused.value.faults)


@pytest.mark.parametrize(
    ("episode", "pointer"),
    [
        (NewEpisode("primarry", date(2026, 3, 1), "BCP_ALL"), "/episode/kind"),
        (NewEpisode("primary", date(2026, 3, 1), "BCPALL"), "/episode/disease_group"),
        (NewEpisode("primary", date(2026, 3, 1), "BCP_ALL", ("nothing",)), "/episode/genetics/0"),
        (NewEpisode("primary", date(2027, 3, 1), "BCP_ALL"), "/episode/diagnosed_on"),
    ],
)
def test_a_wrong_word_or_day_in_the_episode_is_named(work, episode, pointer):
    with pytest.raises(FieldsWrong) as refused:
        child(work, episode=episode)
    assert refused.value.faults[0].pointer == pointer


def test_a_subject_number_is_used_once_per_study_and_a_participant_enrols_once(work):
    code = code_of(work, child(work))
    with pytest.raises(SubjectNumberTaken):
        child(work)
    with pytest.raises(AlreadyEnrolled):
        service.enrol(work, code, enrolling("T-002"))


def test_a_relapse_enrolment_sets_the_relapse_in_both_studies(work):
    code = code_of(work, child(work))
    relapse = NewEpisode("relapse", date(2026, 10, 1), "BCP_ALL", ())
    second = service.enrol(work, code, enrolling("R-1", study="intreall2020", enrolled_on=date(2026, 10, 3), episode=relapse))
    whole = queries.whole(work, code, person=False)
    found = {(a.enrolment_id == second.id, a.kind, a.ordinal): a.at for a, _ in whole.anchors}
    assert found == {
        (False, "diagnosis", 1): date(2026, 3, 1), (False, "relapse", 1): date(2026, 10, 1),
        (True, "diagnosis", 1): date(2026, 3, 1), (True, "relapse", 1): date(2026, 10, 1),
    }
    service.add_episode(work, code, NewEpisode("relapse", date(2026, 11, 1), "BCP_ALL"))
    assert queries.anchor_of(work, second, "relapse").ordinal == 2
    assert queries.anchor_of(work, second, "subsequent_relapse").at == date(2026, 11, 1)


def test_who_has_a_role_in_another_study_or_hospital_sees_nobody(work):
    code = code_of(work, child(work))
    for grant in (Grant("technician", study="interfant21"), Grant("technician", organisation="elsewhere")):
        work.actor = Actor(2, "other", HERE, (grant,))
        with pytest.raises(NotFound):
            queries.find(work, code)
        assert queries.page_of(work, None, 10) == []
        with pytest.raises(Forbidden):
            service.enrol(work, code, enrolling("T-9"))
    work.actor = Actor(3, "here", HERE, (Grant("technician", "alltogether1", HERE),))
    assert queries.find(work, code).code == code
    assert [row.code for row in queries.page_of(work, None, 10)] == [code]
    with pytest.raises(NotEnrolled):
        queries.enrolment_of(work, code, "interfant21")


def test_every_read_of_a_birth_date_is_named_for_the_access_log(work):
    code = code_of(work, child(work))
    work.reads.clear()
    assert queries.whole(work, code, person=True).person.birth_date == date(2018, 6, 15)
    assert work.reads == [{"participant": code, "what": "birth_date", "why": "participant shown"}]
    work.reads.clear()
    work.actor = Actor(3, "technician", HERE, (Grant("technician"),))
    assert queries.whole(work, code, person=True).person is None
    assert work.reads == []
