"""Participants through the API."""

from __future__ import annotations

import pytest

EPISODE = {"kind": "primary", "diagnosed_on": "2026-03-01", "disease_group": "BCP_ALL", "genetics": []}
CHILD = {
    "study": "alltogether1", "organisation": "maxima", "subject_number": "A-1", "birth_date": "2014-06-15", "sex": "female",
    "enrolled_on": "2026-03-02", "episode": EPISODE,
}


@pytest.fixture
def manager(api):
    return api("manager")


@pytest.fixture
def code(manager):
    """A participant in ALLTogether1."""
    return manager.made("/participants", CHILD)["code"]


def test_person_facts_are_shown_to_who_may_read_them_and_not_in_answers_that_are_kept(manager, api, code):
    assert manager.post("/participants", {**CHILD, "subject_number": "A-2"}).get_json()["person"] is None
    path = f"/participants/{code[:4].lower()}%20{code[4:]}"
    assert manager.read(path)["person"] == {"birth_date": "2014-06-15", "sex": "female", "deceased_on": None}
    assert api("technician").read(path)["person"] is None


def test_who_has_no_role_in_the_study_or_hospital_meets_nothing(api, code):
    for login in ("infants-only", "elsewhere"):
        assert api(login).get(f"/participants/{code}").status_code == 404
        assert api(login).read("/participants")["items"] == []
    assert api("researcher").get(f"/participants/{code}").status_code == 403


def test_the_list_is_paged_by_code(manager):
    codes = sorted(manager.made("/participants", {**CHILD, "subject_number": f"L-{n}"})["code"] for n in range(3))
    first = manager.read("/participants", limit=2)
    assert [item["code"] for item in first["items"]] == codes[:2]
    assert first["next"] == f"/api/v1/participants?limit=2&after={codes[1]}"
    second = manager.read("/participants", limit=2, after=codes[1])
    assert ([item["code"] for item in second["items"]], second["next"]) == (codes[2:], None)
    assert manager.read("/participants", study="interfant21")["items"] == []


def test_an_ineligible_child_is_refused_with_the_rule_and_accepted_with_a_reason_for_ever_visible(manager):
    grown = {**CHILD, "birth_date": "1999-06-15"}
    refused = manager.post("/participants", grown)
    assert (refused.status_code, refused.get_json()["type"]) == (422, "/problems/not-eligible")
    assert refused.get_json()["faults"][0]["met"] == "26 years at enrolment"
    made = manager.made("/participants", {**grown, "override_reason": "The trial office agreed."})
    (enrolment,) = made["enrolments"]
    assert enrolment["override_reason_given"]
    assert [(one["rule"], one["overridden"], one["source"]) for one in enrolment["warnings"]] == [("age-nl", True, ["S33"])]


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"sex": "x"}, "/sex"),
        ({"study": "alltogether"}, "/study"),
        ({"organisation": "nowhere"}, "/organisation"),
        ({"birth_date": "2027-01-01"}, "/birth_date"),
        ({"enrolled_on": "2027-01-01"}, "/enrolled_on"),
        ({"subject_number": "§"}, "/subject_number"),
        ({"episode": {**EPISODE, "kind": "primry"}}, "/episode/kind"),
        ({"hospital": "maxima"}, "/hospital"),
    ],
)
def test_a_wrong_field_is_named_and_nothing_changes(manager, change, pointer):
    refused = manager.post("/participants", {**CHILD, **change})
    assert (refused.status_code, [fault["pointer"] for fault in refused.get_json()["faults"]]) == (422, [pointer])
    assert manager.read("/participants")["items"] == []


def test_a_second_enrolment_an_episode_a_dose_and_an_anchor(manager, code):
    relapse = {"kind": "relapse", "diagnosed_on": "2026-10-01", "disease_group": "BCP_ALL", "genetics": None}
    body = {"study": "intreall2020", "organisation": "maxima", "subject_number": "R-1", "enrolled_on": "2026-10-02", "episode": relapse}
    made = manager.made(f"/participants/{code}/enrolments", body)
    assert [one["study"] for one in made["enrolments"]] == ["alltogether1", "intreall2020"]
    again = manager.post(f"/participants/{code}/enrolments", {**body, "subject_number": "R-2"})
    assert (again.status_code, again.get_json()["type"]) == (409, "/problems/already-enrolled")
    dose = {"study": "alltogether1", "at": "2026-03-10T23:30:00Z", "product": "PEG_Ecoli", "units_per_m2": 1500, "route": "IV"}
    assert manager.made(f"/participants/{code}/doses", dose) == {
        "study": "alltogether1", "kind": "asparaginase_dose", "ordinal": 1, "at": "2026-03-11", "moment": "2026-03-10T23:30:00+00:00",
        "dose": {"product": "PEG_Ecoli", "units_per_m2": 1500, "route": "IV"},
    }
    for at in ("2026-03-10T23:30:00", "0001-01-01T00:00:00+14:00", "yesterday", 5):
        wrong = manager.post(f"/participants/{code}/anchors", {"study": "alltogether1", "kind": "remission", "at": at})
        assert (wrong.status_code, wrong.get_json()["faults"][0]["pointer"]) == (422, "/at")
    assert manager.made(f"/participants/{code}/episodes", {**relapse, "diagnosed_on": "2026-11-01"})["ordinal"] == 3


def test_a_death_can_be_recorded_and_taken_back(manager, code):
    manager.made(f"/participants/{code}/death", {"deceased_on": "2026-11-01"})
    assert manager.read(f"/participants/{code}")["person"]["deceased_on"] == "2026-11-01"
    manager.made(f"/participants/{code}/death", {"deceased_on": None})
    assert manager.read(f"/participants/{code}")["person"]["deceased_on"] is None


def test_who_reads_a_birth_date_stands_in_the_access_log(manager, code, settings):
    manager.read(f"/participants/{code}")
    last = settings.access_log.read_text("utf-8").splitlines()[-1]
    assert '"actor": "manager"' in last and code in last and "participant shown" in last and "2014" not in last.split('"reads"')[1]


def test_the_same_key_enrols_once(manager):
    first, second = (manager.post("/participants", CHILD, key="once") for _ in range(2))
    assert first.get_json() == second.get_json()
    assert len(manager.read("/participants")["items"]) == 1
