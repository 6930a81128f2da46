"""Who fits a study, judged on civil dates at the limits of its rules."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest

from biobank.studies.rules import StratumUnknown, Unmet, check_eligibility, check_stratum, whole_years
from tests.studies.shipped import study

FITS: dict[str, dict[str, Any]] = {
    "alltogether1": {
        "birth_date": date(2020, 5, 5), "enrolled_on": date(2025, 3, 3), "disease_group": "BCP_ALL", "genetics": [], "episode_kind": "primary",
    },
    "interfant21": {
        "birth_date": date(2025, 1, 1), "enrolled_on": date(2025, 3, 3), "disease_group": "BCP_ALL", "genetics": ["KMT2A_r"],
        "episode_kind": "primary",
    },
    "interfant06": {
        "birth_date": date(2012, 1, 1), "enrolled_on": date(2012, 3, 3), "disease_group": "T_MPAL", "genetics": [], "episode_kind": "primary",
    },
    "blinfant": {
        "birth_date": date(2019, 1, 1), "enrolled_on": date(2019, 3, 3), "disease_group": "BCP_ALL", "genetics": ["KMT2A_r"],
        "episode_kind": "primary",
    },
    "intreall2010": {
        "birth_date": date(2010, 1, 1), "enrolled_on": date(2019, 3, 3), "disease_group": "T_ALL", "genetics": [], "episode_kind": "relapse",
        "relapse": 1, "stratum": "HR",
    },
    "intreall2020": {
        "birth_date": date(2015, 1, 1), "enrolled_on": date(2025, 3, 3), "disease_group": "BCP_ALL", "genetics": [], "episode_kind": "relapse",
        "relapse": 1, "stratum": "SR",
    },
}


def judged(code: str, **changed: Any) -> list[Unmet]:
    facts: dict[str, Any] = {"country": "NL", "stratum": None} | FITS[code] | changed
    facts.setdefault("diagnosed_on", facts["enrolled_on"])
    return check_eligibility(study(code), **facts)


def ids(unmet: list[Unmet]) -> list[str]:
    return [rule.rule_id for rule in unmet]


@pytest.mark.parametrize("code", ["alltogether1", "interfant21", "interfant06", "blinfant", "intreall2010"])
def test_a_child_that_fits_meets_every_rule(code: str) -> None:
    assert judged(code) == []


def test_intreall2020_accepts_any_country_with_a_warning() -> None:
    for country in ("NL", "US"):
        (warning,) = judged("intreall2020", country=country)
        assert (warning.rule_id, warning.assumed, warning.warns_only) == ("country", True, True)


@pytest.mark.parametrize(
    ("birth", "on", "years"),
    [
        (date(2008, 2, 29), date(2009, 2, 28), 0),
        (date(2008, 2, 29), date(2009, 3, 1), 1),
        (date(2008, 2, 29), date(2012, 2, 28), 3),
        (date(2008, 2, 29), date(2012, 2, 29), 4),
        (date(2007, 3, 1), date(2008, 2, 29), 0),
        (date(2007, 6, 15), date(2025, 6, 14), 17),
        (date(2007, 6, 15), date(2025, 6, 15), 18),
    ],
)
def test_completed_years(birth: date, on: date, years: int) -> None:
    assert whole_years(birth, on) == years


@pytest.mark.parametrize(
    ("birth", "enrolled", "unmet"),
    [
        # 1 to 18 years until 2022-12-31: from the first birthday to the day before the nineteenth.
        (date(2021, 6, 2), date(2022, 6, 1), ["age-nl-2022"]),
        (date(2021, 6, 1), date(2022, 6, 1), []),
        (date(2003, 6, 2), date(2022, 6, 1), []),
        (date(2003, 6, 1), date(2022, 6, 1), ["age-nl-2022"]),
        (date(2022, 6, 1), date(2022, 12, 31), ["age-nl-2022"]),
        # 0 to 25 years from 2023-01-01.
        (date(2022, 6, 1), date(2023, 1, 1), []),
        (date(1997, 1, 2), date(2023, 1, 1), []),
        (date(1997, 1, 1), date(2023, 1, 1), ["age-nl"]),
        (date(2023, 1, 1), date(2023, 1, 1), []),
        # under 46 years is the protocol's own limit.
        (date(1977, 1, 1), date(2023, 1, 1), ["age-protocol", "age-nl"]),
        (date(1977, 1, 2), date(2023, 1, 1), ["age-nl"]),
    ],
)
def test_ages_in_the_netherlands(birth: date, enrolled: date, unmet: list[str]) -> None:
    found = judged("alltogether1", birth_date=birth, enrolled_on=enrolled)
    assert ids(found) == unmet
    assert not any(rule.assumed or rule.unknown for rule in found)


def test_a_rule_of_one_country_leaves_the_others_alone() -> None:
    thirty = {"birth_date": date(1994, 1, 1), "enrolled_on": date(2024, 6, 1)}
    assert ids(judged("alltogether1", country="SE", **thirty)) == []
    assert ids(judged("alltogether1", country="GB", **thirty)) == ["age-gb"]
    assert ids(judged("alltogether1", country="NL", **thirty)) == ["age-nl"]
    assert ids(judged("alltogether1", country="US")) == ["country"]


@pytest.mark.parametrize(("code", "oldest"), [("interfant21", 365), ("interfant06", 365), ("blinfant", 364)])
def test_infants_are_judged_at_diagnosis(code: str, oldest: int) -> None:
    born = FITS[code]["birth_date"]
    enrolled = born + timedelta(days=400)
    assert ids(judged(code, diagnosed_on=born + timedelta(days=oldest), enrolled_on=enrolled)) == []
    (unmet,) = judged(code, diagnosed_on=born + timedelta(days=oldest + 1), enrolled_on=enrolled)
    assert unmet.rule_id == "age" and unmet.met == f"{oldest + 1} days at diagnosis"
    assert not unmet.warns_only and unmet.source


def test_a_child_not_yet_born_fits_no_age() -> None:
    (unmet,) = judged("intreall2020", birth_date=date(2026, 1, 1), country="NL")[:1]
    assert (unmet.rule_id, unmet.met, unmet.warns_only) == ("age", "not yet born at enrolment", True)


@pytest.mark.parametrize(
    ("code", "enrolled", "strict", "warned"),
    [
        ("alltogether1", date(2020, 7, 12), 1, 0),
        ("alltogether1", date(2020, 7, 13), 0, 0),
        ("interfant21", date(2022, 12, 14), 1, 0),
        ("interfant06", date(2006, 1, 31), 0, 1),
        ("interfant06", date(2006, 2, 1), 0, 0),
        ("interfant06", date(2016, 8, 31), 0, 0),
        ("interfant06", date(2016, 9, 1), 0, 1),
        ("interfant06", date(2023, 1, 2), 1, 1),
        ("blinfant", date(2018, 7, 1), 0, 0),
        ("blinfant", date(2022, 1, 1), 0, 1),
        ("blinfant", date(2026, 1, 1), 1, 1),
        ("intreall2020", date(2023, 4, 30), 0, 1),
        ("intreall2020", date(2023, 5, 1), 0, 0),
        ("intreall2020", date(2028, 5, 1), 0, 1),
    ],
)
def test_recruitment_is_judged_on_the_day_of_enrolment(code: str, enrolled: date, strict: int, warned: int) -> None:
    found = [rule for rule in judged(code, enrolled_on=enrolled) if rule.rule_id == "recruitment"]
    assert (sum(not rule.warns_only for rule in found), sum(rule.warns_only for rule in found)) == (strict, warned)
    assert all(enrolled.isoformat() in rule.met for rule in found)


@pytest.mark.parametrize(
    ("stratum", "enrolled", "unmet", "unknown"),
    [
        ("SR", date(2014, 4, 30), 1, 0),
        ("SR", date(2014, 5, 1), 0, 0),
        ("SR", date(2020, 7, 31), 0, 0),
        ("SR", date(2020, 8, 1), 1, 0),
        ("HR", date(2017, 8, 31), 1, 0),
        ("HR", date(2017, 9, 1), 0, 0),
        ("HR", date(2026, 1, 1), 0, 0),
        (None, date(2018, 1, 1), 0, 0),
        (None, date(2015, 1, 1), 0, 1),
        (None, date(2022, 1, 1), 0, 1),
        (None, date(2013, 1, 1), 2, 0),
    ],
)
def test_each_stratum_recruits_in_its_own_time(stratum: str | None, enrolled: date, unmet: int, unknown: int) -> None:
    found = [rule for rule in judged("intreall2010", stratum=stratum, enrolled_on=enrolled) if rule.rule_id == "recruitment"]
    assert sum(not rule.unknown for rule in found) == unmet
    assert sum(rule.unknown for rule in found) == unknown


def test_the_countries_of_hr_are_assumed_and_those_of_sr_are_not() -> None:
    (sr,) = judged("intreall2010", stratum="SR", country="US")
    (hr,) = judged("intreall2010", stratum="HR", country="US")
    assert (sr.rule_id, sr.warns_only, hr.rule_id, hr.warns_only) == ("country-sr", False, "country-hr", True)
    assert all(rule.unknown for rule in judged("intreall2010", stratum=None, country="US"))


def test_an_infant_with_kmt2a_goes_to_interfant() -> None:
    infant = {"birth_date": date(2024, 8, 1), "genetics": ["KMT2A_r"]}
    (unmet,) = judged("alltogether1", **infant)
    assert (unmet.rule_id, unmet.source, unmet.warns_only) == ("no-kmt2a-infant", ("S31",), False)
    assert unmet.met == "214 days at enrolment; disease group BCP_ALL; genetics KMT2A_r"
    assert judged("alltogether1", birth_date=date(2023, 8, 1), genetics=["KMT2A_r"]) == []
    assert judged("alltogether1", birth_date=date(2024, 8, 1), genetics=["KMT2A_r"], disease_group="T_ALL") == []


def test_what_is_not_known_warns_and_says_so() -> None:
    found = judged("interfant21", genetics=None, disease_group=None, diagnosed_on=None)
    assert ids(found) == ["age", "disease", "kmt2a", "no-kmt2a-germline"]
    assert all(rule.unknown and rule.warns_only and "unknown" in rule.met for rule in found)
    # Where another part decides already, nothing is asked.
    assert judged("alltogether1", genetics=None) == []
    assert ids(judged("alltogether1", genetics=None, birth_date=date(2024, 8, 1))) == ["no-kmt2a-infant"]


def test_relapse_studies_want_the_first_relapse() -> None:
    assert ids(judged("intreall2010", episode_kind="primary", relapse=None)) == ["relapse", "first-relapse"]
    (second,) = judged("intreall2010", relapse=2)
    assert (second.rule_id, second.met, second.warns_only) == ("first-relapse", "relapse 2", False)
    assert ids(judged("intreall2010", genetics=["BCR_ABL1"])) == ["no-bcr-abl"]


def test_disease_of_another_kind() -> None:
    (unmet,) = judged("alltogether1", disease_group="AML")
    assert (unmet.rule_id, unmet.met, unmet.source, unmet.warns_only) == ("disease", "disease group AML", ("S31",), False)


def test_no_refusal_tells_a_birth_date() -> None:
    told = judged("alltogether1", birth_date=date(1960, 7, 17), disease_group="AML", country="US", enrolled_on=date(2019, 1, 1))
    assert len(told) >= 4
    assert "1960" not in repr([(rule.met, rule.text) for rule in told])


def test_strata() -> None:
    check_stratum(study("intreall2010"), "SR")
    check_stratum(study("intreall2010"), None)
    with pytest.raises(StratumUnknown) as refused:
        check_stratum(study("intreall2010"), "VHR")
    assert "VHR" in refused.value.detail and "SR, HR" in refused.value.detail
