"""Open vocabularies: what the files may say, and how an unknown word is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from biobank.core.errors import FieldsWrong
from biobank.core.vocabulary import VocabularyFileWrong, load_vocabularies, read_vocabularies, term, terms
from biobank.core.work import Work
from biobank.settings import shipped

WORDS = shipped("config") / "vocabularies"
GOOD = """
[colour.facts]
kind = ["warm", "cold"]
mixes = "codes"
dark = "yes-no"

[[colour.terms]]
code = "RED"
title = "Red"
title_nl = "Rood"
kind = "warm"
mixes = ["BLUE"]
dark = false
source = ["S1"]

[[colour.terms]]
code = "BLUE"
title = "Blue"
title_nl = "Blauw"
kind = "cold"
assumed = true
"""


def write(folder: Path, text: str) -> Path:
    (folder / "colours.toml").write_text(text, "utf-8")
    return folder


def test_shipped_words_hold_together() -> None:
    found = read_vocabularies(WORDS)
    assert {"material", "container_type", "anchor", "disease_group", "genetics", "episode_kind", "product"} <= set(found)
    containers = found["container_type"]
    for material in found["material"].values():
        assert material.facts.get("container_type", "EDTA") in containers
        assert material.facts["primary"] or material.facts["made_from"]
    assert {found["material"][code].facts["thaw_class"] for code in ("DNA_TUMOUR", "DNA_GERMLINE", "RNA")} == {"nucleic"}
    assert len({m.facts["short"] for m in found["material"].values()}) == len(found["material"])


@pytest.mark.parametrize(
    ("old", "new", "place", "reason"),
    [
        ('kind = "warm"', 'kind = "warmm"', "terms[1] (RED).kind", "did you mean warm"),
        ('kind = "warm"', 'knd = "warm"', "terms[1] (RED).knd", "did you mean kind"),
        ('mixes = ["BLUE"]', 'mixes = ["BLU"]', "terms[1] (RED).mixes", "did you mean BLUE"),
        ("dark = false", 'dark = "no"', "terms[1] (RED).dark", "yes-no"),
        ('title_nl = "Rood"', "", "terms[1] (RED).title_nl", "missing"),
        ('code = "BLUE"', 'code = "RED"', "terms[2].code", "twice"),
        ('code = "BLUE"', 'code = "B L"', "terms[2].code", "give a code"),
        ('source = ["S1"]', "", "terms[1] (RED).assumed", "name a source"),
        ('dark = "yes-no"', 'dark = "bool"', "facts.dark", "one of"),
        ("[colour.facts]", "[colour.fact]", "colour", "`facts`"),
        ("[colour.facts]", "[colour.facts", "colours.toml", "not TOML"),
    ],
)
def test_a_fault_names_file_place_and_reason(tmp_path: Path, old: str, new: str, place: str, reason: str) -> None:
    read_vocabularies(write(tmp_path, GOOD))
    assert old in GOOD
    with pytest.raises(VocabularyFileWrong) as refused:
        read_vocabularies(write(tmp_path, GOOD.replace(old, new, 1)))
    assert "colours.toml" in refused.value.detail
    assert any(place in fault.pointer and reason in fault.message for fault in refused.value.faults), refused.value.detail


def test_terms_are_loaded_changed_and_kept(work: Work, tmp_path: Path) -> None:
    assert load_vocabularies(work.session, write(tmp_path, GOOD)) == 2
    assert load_vocabularies(work.session, tmp_path) == 0
    assert list(terms(work, "colour")) == ["RED", "BLUE"]
    assert term(work, "colour", "RED", "/colour").facts["mixes"] == ["BLUE"]
    work.memo.clear()
    assert load_vocabularies(work.session, write(tmp_path, GOOD.replace('title = "Red"', 'title = "Scarlet"'))) == 1
    assert term(work, "colour", "RED", "/colour").title == "Scarlet"
    assert term(work, "colour", "BLUE", "/colour").assumed


def test_an_unknown_word_is_refused_with_its_neighbours(work: Work, tmp_path: Path) -> None:
    load_vocabularies(work.session, write(tmp_path, GOOD))
    with pytest.raises(FieldsWrong) as refused:
        term(work, "colour", "blu", "/colour")
    (fault,) = refused.value.faults
    assert (fault.pointer, fault.met) == ("/colour", "blu")
    assert "did you mean BLUE? known: RED, BLUE" in fault.message
