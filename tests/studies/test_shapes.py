"""What the API gives of a study is what its file says, marks included."""

from __future__ import annotations

import pytest

from biobank.studies.schemas import EVENTS, STUDIES, STUDY, SUB_STUDIES
from tests.studies.shipped import CODES, data, study


@pytest.mark.parametrize("code", CODES)
def test_a_study_keeps_its_marks(code: str) -> None:
    given, file = STUDY.dump(study(code)), data(code)
    assert (given["code"], given["version"], given["title"]) == (code, 1, file["title"])
    for key in ("eligibility", "components", "purposes", "consent_forms", "recruitment"):
        assert [part["assumed"] for part in given[key]] == [row.get("assumed") is True for row in file[key]]
        marked = [row["assumed"] if isinstance(row.get("assumed"), list) else [] for row in file[key]]
        assert [part["assumed_fields"] for part in given[key]] == marked
    assert given["supply_uses"] == file["supply_uses"]


def test_rules_keep_require_and_exclude() -> None:
    rules = {rule["id"]: rule for rule in STUDY.dump(study("alltogether1"))["eligibility"]}
    assert rules["no-kmt2a-infant"]["require"] is None
    assert rules["no-kmt2a-infant"]["exclude"]["age"]["below_years"] == 1
    assert rules["age-nl-2022"]["valid_until"] == "2022-12-31"


def test_events_and_sub_studies() -> None:
    found = study("alltogether1")
    events = {event["code"]: event for event in EVENTS.dump({"items": found.events, "next": None})["items"]}
    assert (events["ASP_D7"]["from_days"], events["ASP_D7"]["to_days"], events["ASP_D7"]["assumed"]) == (-1, 1, True)
    assert events["DX"]["assumed_fields"] == ["window_days"]
    subs = SUB_STUDIES.dump({"items": found.sub_studies, "next": None})["items"]
    assert subs[0]["wanted"][0]["min_amount"] == {"value": 300, "unit": "uL", "base": 300_000, "base_unit": "nL"}
    assert subs[2]["wanted"][0]["min_amount"] is None


def test_the_list_tells_days_of_recruitment() -> None:
    given = STUDIES.dump({"items": [study("interfant06")], "next": None})["items"][0]
    assert (given["opens_on"], given["closes_on"]) == ("2006-02-01", "2016-08-31")
    assert "eligibility" not in given
