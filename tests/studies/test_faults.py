"""A typo in a study file is named with file, key and reason, wherever it stands; all of them at once."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest

from biobank.core.errors import Refusal
from biobank.studies.rules import StudyFileWrong, parse_definition
from biobank.studies.service import check_files
from tests.studies.shipped import FILES, WORDS, data, known

Spoil = Callable[[dict[str, Any]], None]


def put(*path: str | int, value: Any) -> Spoil:
    def spoil(tables: dict[str, Any]) -> None:
        here: Any = tables
        for key in path[:-1]:
            here = here[key]
        here[path[-1]] = value

    return spoil


def drop(*path: str | int) -> Spoil:
    def spoil(tables: dict[str, Any]) -> None:
        here: Any = tables
        for key in path[:-1]:
            here = here[key]
        del here[path[-1]]

    return spoil


def twice(key: str) -> Spoil:
    return lambda tables: tables[key].append(dict(tables[key][0]))


SPOILT: list[tuple[Spoil, str, str]] = [
    (put("titel", value="x"), "titel", "did you mean title"),
    (drop("title"), "title", "missing"),
    (put("title", value="  "), "title", "empty"),
    (put("code", value="all together"), "code", "a code is"),
    (put("version", value="1"), "version", "whole number"),
    (put("version", value=True), "version", "whole number"),
    (put("version", value=0), "version", "at least 1"),
    (put("countries", value=["nl"]), "countries", "two-letter"),
    (put("countries", value="NL"), "countries", "list of words"),
    (put("registry_ids", value={"nct": 4307576}), "registry_ids", "table of texts"),
    (drop("source"), "source", "where this comes from"),
    (put("assumed", value=["titel"]), "assumed", "did you mean title"),
    (put("assumed", value="yes"), "assumed", "true or false"),
    (put("recruitment", value={}), "recruitment", "list of tables"),
    (put("recruitment", 0, "opens_on", value="2020-13-01"), "recruitment[1].opens_on", "a day that exists"),
    (put("recruitment", 0, "opens_on", value="13 July"), "recruitment[1].opens_on", "a day that exists"),
    (put("recruitment", 0, "opens_on", value=datetime(2020, 7, 13)), "recruitment[1].opens_on", "a day that exists"),
    (put("recruitment", 0, "closes_on", value=date(2020, 7, 12)), "recruitment[1].closes_on", "before opens_on"),
    (put("recruitment", 0, "stratum", value="HRR"), "recruitment[1].stratum", "did you mean HR"),
    (drop("recruitment", 0, "opens_on"), "recruitment[1].opens_on", "opens_on, closes_on or both"),
    (twice("strata"), "strata[5].code", "twice"),
    (twice("eligibility"), "eligibility[10].id", "twice"),
    (put("eligibility", 0, "judged_on", value="diagnose"), "eligibility[1].judged_on", "did you mean diagnosis"),
    (drop("eligibility", 0, "judged_on"), "eligibility[1].judged_on", "missing"),
    (put("eligibility", 0, "require", "age", value={"min_year": 1}), "eligibility[1].require.age.min_year", "did you mean min_years"),
    (put("eligibility", 0, "require", "age", value={}), "eligibility[1].require.age", "at least one limit"),
    (put("eligibility", 0, "require", "age", "min_years", value=-1), "eligibility[1].require.age.min_years", "at least 0"),
    (put("eligibility", 0, "require", value={}), "eligibility[1].require", "at least one fact"),
    (put("eligibility", 0, "exclude", value={"genetics": ["KMT2A_r"]}), "eligibility[1].exclude", "make two rules"),
    (put("eligibility", 1, "country", value="Netherlands"), "eligibility[2].country", "two-letter"),
    (put("eligibility", 1, "valid_from", value=date(2023, 1, 1)), "eligibility[2].valid_until", "before valid_from"),
    (put("eligibility", 5, "require", "disease_group", value=["BCP-ALL"]), "eligibility[6].require.disease_group", "did you mean BCP_ALL"),
    (put("eligibility", 7, "exclude", "genetics", value=["KMT2A"]), "eligibility[8].exclude.genetics", "did you mean KMT2A_r"),
    (put("eligibility", 6, "require", "episode_kind", value=["first"]), "eligibility[7].require.episode_kind", "known: primary"),
    (put("eligibility", 6, "require", "relapse", value=["1"]), "eligibility[7].require.relapse", "whole numbers"),
    (put("components", 0, "code", value="regist ry"), "components[1].code", "a code is"),
    (twice("components"), "components[15].code", "twice"),
    (put("components", 1, "code", value="storage"), "purposes[2].components", "no such word"),
    (put("consent_forms", 0, "valid_from", value=True), "consent_forms[1].valid_from", "a day that exists"),
    (put("purposes", 0, "purpose", value="colect"), "purposes[1].purpose", "did you mean collect"),
    (put("purposes", 0, "components", value=[]), "purposes[1].components", "leave the purpose out"),
    (put("purposes", 0, "components", value=["extra_sample"]), "purposes[1].components", "did you mean extra_samples"),
    (put("supply_uses", "genetics", value="genetic"), "supply_uses.genetics", "did you mean genetic"),
    (put("supply_uses", "genetic", value="dna"), "supply_uses.genetic", "no such word"),
    (twice("events"), "events[12].code", "twice"),
    (put("events", 0, "anchor", value="diagnoses"), "events[1].anchor", "did you mean diagnosis"),
    (put("events", 0, "offset_days", value=1.5), "events[1].offset_days", "whole number"),
    (put("events", 0, "offset_days", value=-10**6), "events[1].offset_days", "at least -20000"),
    (put("events", 0, "window_days", value=[0, 10**9]), "events[1].window_days", "none beyond 20000"),
    (drop("events", 0, "offset_days"), "events[1].offset_days", "missing"),
    (put("events", 0, "window_days", value=[3, -3]), "events[1].window_days", "ends before it begins"),
    (put("events", 0, "window_days", value=[3]), "events[1].window_days", "first and the last day"),
    (drop("events", 0, "window_days"), "events[1].window_days", "first and the last day"),
    (put("events", 0, "repeatable", value="yes"), "events[1].repeatable", "true or false"),
    (put("events", 0, "draws", 0, "material", value="BN"), "events[1].draws[1].material", "did you mean BM"),
    (put("events", 0, "draws", 0, "material", value=["BM"]), "events[1].draws[1].material", "word in quotes"),
    (put("events", 0, "draws", 0, "container_type", value="HEPARINE"), "events[1].draws[1].container_type", "did you mean HEPARIN"),
    (put("events", 0, "draws", 0, "purpose", value="rest"), "events[1].draws[1].purpose", "known: residual, extra"),
    (put("events", 0, "draws", 0, "volume", value=2), "events[1].draws[1].volume", "no such key"),
    (put("events", 0, "draws", 0, "min_amount", value={"value": 2}), "events[1].draws[1].min_amount", "a value and a unit"),
    (put("sub_studies", 0, "component", value="asparginase"), "sub_studies[1].component", "did you mean asparaginase"),
    (put("sub_studies", 0, "quota", value=-1), "sub_studies[1].quota", "at least 0"),
    (put("sub_studies", 0, "wanted", 0, "events", value=["ASP_D77"]), "sub_studies[1].wanted[1].events", "did you mean ASP_D7"),
    (put("sub_studies", 0, "wanted", 0, "alternatives", value=["PLASMA"]), "sub_studies[1].wanted[1].alternatives", "no such word"),
    (put("sub_studies", 0, "wanted", 0, "min_amount", value={"value": -1, "unit": "mL"}), "sub_studies[1].wanted[1].min_amount", "above zero"),
]


@pytest.mark.parametrize(("spoil", "key", "reason"), SPOILT, ids=[f"{key}-{reason}".replace(" ", "_") for _, key, reason in SPOILT])
def test_a_fault_names_file_key_and_reason(spoil: Spoil, key: str, reason: str) -> None:
    tables = data("alltogether1")
    spoil(tables)
    with pytest.raises(StudyFileWrong) as refused:
        parse_definition(tables, "alltogether1.toml", known())
    at_key = [fault for fault in refused.value.faults if fault.pointer == f"alltogether1.toml: {key}"]
    assert any(reason in fault.message for fault in at_key), refused.value.detail
    assert f"alltogether1.toml: {key}: " in refused.value.detail


def test_all_faults_are_listed_together() -> None:
    tables = data("alltogether1")
    for spoil, _, _ in (SPOILT[0], SPOILT[4], SPOILT[45]):
        spoil(tables)
    with pytest.raises(StudyFileWrong) as refused:
        parse_definition(tables, "alltogether1.toml", known())
    assert len(refused.value.faults) == 3


def test_files_are_checked_without_a_database(tmp_path: Path) -> None:
    assert [study.code for study in check_files(FILES, WORDS)] == [path.stem for path in FILES]
    text = FILES[0].read_text("utf-8")
    (tmp_path / "a.toml").write_text(text.replace('anchor = "diagnosis"', 'anchor = "diagnose"', 1), "utf-8")
    (tmp_path / "b.toml").write_text("code = ", "utf-8")
    with pytest.raises(StudyFileWrong) as refused:
        check_files([tmp_path / "a.toml", tmp_path / "b.toml", tmp_path / "c.toml"], WORDS)
    detail = refused.value.detail
    assert "a.toml: events[1].anchor: no such word here; did you mean diagnosis?" in detail
    assert "b.toml: this is not TOML" in detail
    assert "c.toml: this file cannot be read" in detail


def test_a_sub_study_code_of_another_study_is_refused(tmp_path: Path) -> None:
    text = FILES[0].read_text("utf-8").replace('code = "alltogether1"', 'code = "mine"', 1)
    (tmp_path / "mine.toml").write_text(text, "utf-8")
    with pytest.raises(Refusal) as refused:
        check_files([FILES[0], tmp_path / "mine.toml"], WORDS)
    assert "sub_studies[1].code" in refused.value.detail
    assert "mine_asparaginase" in refused.value.detail
