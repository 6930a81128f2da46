"""Loading study files into the database: versions, no-ops, and nothing written when anything is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import delete, func, select

from biobank.core.errors import FieldsWrong, NotFound
from biobank.core.vocabulary import load_vocabularies
from biobank.core.work import Work
from biobank.studies import queries
from biobank.studies.models import StudyVersion, SubStudyRow
from biobank.studies.rules import StudyFileWrong, StudyVersionChanged
from biobank.studies.service import load_studies
from tests.studies.shipped import CODES, FILES, WORDS, study


@pytest.fixture
def empty(work: Work) -> Work:
    """A unit in which the vocabularies are loaded and no study is."""
    work.session.execute(delete(SubStudyRow))
    work.session.execute(delete(StudyVersion))
    load_vocabularies(work.session, WORDS)
    work.memo.clear()
    return work


def edited(tmp_path: Path, code: str, *changes: tuple[str, str]) -> Path:
    text = (FILES[0].parent / f"{code}.toml").read_text("utf-8")
    for old, new in changes:
        assert old in text
        text = text.replace(old, new, 1)
    path = tmp_path / f"{code}.toml"
    path.write_text(text, "utf-8")
    return path


def count(work: Work) -> int:
    return work.session.execute(select(func.count()).select_from(StudyVersion)).scalar_one()


def test_all_six_load_and_read_back_as_their_files_say(empty: Work) -> None:
    report = load_studies(empty, FILES)
    assert [(one.study, one.version, one.outcome) for one in report.files] == [(code, 1, "loaded") for code in CODES]
    queries._PARSED.clear()
    for code in CODES:
        assert queries.definition(empty, code) == study(code)
    assert [found.code for found in queries.studies(empty)] == list(CODES)
    assert empty.session.get(StudyVersion, ("interfant06", 1)).closes_on == study("interfant06").closes_on  # type: ignore[union-attr]


def test_unchanged_content_is_left_alone_and_comments_do_not_count(empty: Work, tmp_path: Path) -> None:
    load_studies(empty, FILES)
    path = edited(tmp_path, "alltogether1", ('code = "alltogether1"', '# a word\ncode   =   "alltogether1"'))
    assert [one.outcome for one in load_studies(empty, [path]).files] == ["unchanged"]
    assert count(empty) == 6


def test_changed_content_wants_a_higher_version(empty: Work, tmp_path: Path) -> None:
    load_studies(empty, FILES)
    changed = ('min_years = 1, max_years = 18', 'min_years = 1, max_years = 17')
    with pytest.raises(StudyVersionChanged) as refused:
        load_studies(empty, [edited(tmp_path, "alltogether1", changed)])
    assert "alltogether1 version 1" in refused.value.detail and "above 1" in refused.value.detail
    load_studies(empty, [edited(tmp_path, "alltogether1", changed, ("version = 1", "version = 3"))])
    assert queries.versions(empty, "alltogether1") == [1, 3]
    assert queries.definition(empty, "alltogether1").version == 3
    assert queries.definition(empty, "alltogether1", 1) == study("alltogether1")
    with pytest.raises(StudyVersionChanged):
        load_studies(empty, [edited(tmp_path, "alltogether1", changed, ("version = 1", "version = 2"))])


def test_one_wrong_file_keeps_all_others_out(empty: Work, tmp_path: Path) -> None:
    wrong = edited(tmp_path, "interfant21", ('anchor = "diagnosis"', 'anchor = "diagnose"'))
    with pytest.raises(StudyFileWrong) as refused:
        load_studies(empty, [FILES[0], wrong])
    assert "interfant21.toml: events[1].anchor" in refused.value.detail
    assert count(empty) == 0


def test_a_sub_study_of_a_loaded_study_cannot_be_taken(empty: Work, tmp_path: Path) -> None:
    load_studies(empty, FILES)
    other = edited(tmp_path, "alltogether1", ('code = "alltogether1"', 'code = "mine"'))
    with pytest.raises(StudyFileWrong) as refused:
        load_studies(empty, [other])
    assert "alltogether1 has this one" in refused.value.detail
    assert count(empty) == 6


def test_sub_studies_are_found_by_their_code_alone(empty: Work) -> None:
    load_studies(empty, FILES)
    whole, sub = queries.sub_study(empty, "csf_flow")
    assert (whole.code, sub.component) == ("interfant21", "csf_flow")
    with pytest.raises(NotFound) as unknown:
        queries.sub_study(empty, "csf_flaw")
    assert "did you mean csf_flow" in unknown.value.detail
    with pytest.raises(FieldsWrong):
        queries.sub_study(empty, "csf_flaw", "/sub_study")


def test_an_unknown_study_is_named_with_its_neighbours(empty: Work) -> None:
    load_studies(empty, FILES)
    with pytest.raises(NotFound) as unknown:
        queries.definition(empty, "alltogether")
    assert "did you mean alltogether1" in unknown.value.detail
    with pytest.raises(NotFound) as version:
        queries.definition(empty, "alltogether1", 9)
    assert "version 9" in version.value.detail
    with pytest.raises(FieldsWrong) as field:
        queries.definition(empty, "alltogether", pointer="/study")
    assert field.value.faults[0].pointer == "/study"
