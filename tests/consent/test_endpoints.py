"""Decisions, consent and verdicts through the API."""

from __future__ import annotations

import pytest

from tests.subjects.test_endpoints import CHILD

SAID = {
    "study": "alltogether1", "component": "residual_storage", "answer": "yes", "form_version": "v1", "signed_on": "2026-03-03", "authority": "joint",
    "signatories": [{"role": "parent", "signed_on": "2026-03-03"}],
}
SECOND = {**SAID, "signatories": [{"role": "second-parent", "signed_on": "2026-03-10"}]}


@pytest.fixture
def path(api):
    """A participant who turns twelve on 15 June 2026."""
    return f"/participants/{api('manager').made('/participants', CHILD)['code']}"


def reasons(client, path, **asked):
    found = client.read(f"{path}/verdict", **{"study": "alltogether1", "purpose": "store", **asked})
    return [(one["code"], one.get("roles")) for one in found["reasons"]]


def test_the_verdict_follows_the_signatures_and_the_twelfth_birthday(api, path):
    officer = api("consent")
    assert reasons(officer, path, on="2026-03-03") == [("no-decision", None)]
    assert officer.made(f"{path}/consent-decisions", SAID)["entry"]["seq"] == 2
    assert reasons(officer, path, on="2026-03-03") == [("signatory-missing", ["second-parent"])]
    officer.made(f"{path}/consent-decisions", SECOND)
    assert reasons(officer, path, on="2026-03-09") == [("signatory-missing", ["second-parent"])]
    assert reasons(officer, path, on="2026-06-14") == []
    assert reasons(officer, path) == [("age-gate", ["participant"])]
    api("manager").made(f"{path}/death", {"deceased_on": "2026-06-01"})
    assert reasons(officer, path) == []


def test_a_supply_asks_its_uses_and_the_country_it_goes_to(api, path):
    asked = {"purpose": "supply", "uses": "genetic, commercial"}
    found = api("manager").read(f"{path}/verdict", study="alltogether1", to="boston", **asked)
    assert found["uses"] == ["commercial", "genetic", "outside_eea"]
    assert {one["component"] for one in found["reasons"]} == {"residual_storage", "extra_use", "commercial", "genetic", "outside_eea"}
    found = api("manager").read(f"{path}/verdict", study="alltogether1", to="karolinska", **asked)
    assert found["uses"] == ["commercial", "genetic"]


@pytest.mark.parametrize(
    ("asked", "pointer"),
    [
        ({"purpose": "storage"}, "/purpose"), ({"purpose": "use"}, "/purpose"), ({"purpose": "use:nothing"}, "/purpose"),
        ({"purpose": "store:asparaginase"}, "/purpose"), ({"uses": "cloning"}, "/uses"),
        ({"to": "mars"}, "/to"), ({"on": "soon"}, "/on"), ({"at": "x"}, "/at"),
    ],
)
def test_a_wrong_question_is_named(api, path, asked, pointer):
    refused = api("manager").get(f"{path}/verdict", **{"study": "alltogether1", "purpose": "supply", **asked})
    assert (refused.status_code, [one["pointer"] for one in refused.get_json()["faults"]]) == (422, [pointer])


def test_the_overview_tells_decisions_periods_and_today_and_hides_birthdays(api, path):
    officer = api("consent")
    officer.made(f"{path}/consent-decisions", {**SAID, "signatories": SAID["signatories"] + [{"role": "second-parent", "signed_on": "2026-03-03"}]})
    (study,) = officer.read(f"{path}/consent")["studies"]
    storage = next(one for one in study["components"] if one["component"] == "residual_storage")
    assert (study["jurisdiction"]["country"], study["jurisdiction"]["source"], len(storage["decisions"])) == ("NL", ["S70"], 1)
    assert [(one["from_on"], one["until_on"], one["granted"]) for one in storage["periods"]] == [
        ("2026-03-03", "2026-06-15", True), ("2026-06-15", None, False),
    ]
    (study,) = api("technician").read(f"{path}/consent")["studies"]
    storage = next(one for one in study["components"] if one["component"] == "residual_storage")
    assert [(one["from_on"], one["until_on"], one["until_birthday"]) for one in storage["periods"]] == [
        ("2026-03-03", None, True), (None, None, False),
    ]
    assert storage["today"]["reasons"][0]["code"] == "age-gate"


@pytest.mark.parametrize(
    ("change", "status", "kind"),
    [
        ({"component": "storage"}, 422, "component-unknown"),
        ({"form_version": "v9"}, 422, "form-version-unknown"),
        ({"signed_on": "2019-01-01"}, 422, "form-version-unknown"),
        ({"answer": "perhaps"}, 422, "fields-wrong"),
        ({"signatories": [{"role": "parent", "signed_on": "2014-06-14"}]}, 422, "signed-before-birth"),
        ({"study": "interfant21"}, 404, "not-enrolled"),
    ],
)
def test_a_wrong_decision_is_refused_and_nothing_is_written(api, path, change, status, kind):
    refused = api("consent").post(f"{path}/consent-decisions", {**SAID, **change})
    assert (refused.status_code, refused.get_json()["type"]) == (status, f"/problems/{kind}")
    assert reasons(api("consent"), path) == [("no-decision", None)]


def test_only_who_may_record_consent_does(api, path):
    assert api("technician").post(f"{path}/consent-decisions", SAID).status_code == 403
    assert api("infants-only").post(f"{path}/consent-decisions", SAID).status_code == 404
