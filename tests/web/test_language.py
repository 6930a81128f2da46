"""English and Dutch: every text that people read stands in the catalogue, and the compiled catalogue is the written one."""

from __future__ import annotations

import io
import re
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

PACKAGE = Path(__file__).parents[2] / "biobank"
DUTCH = PACKAGE / "translations" / "nl" / "LC_MESSAGES" / "messages"
METHODS = [("**.py", "python"), ("**/templates/**.html", "jinja2")]
KEYWORDS = {"_": None, "N_": None, "gettext": None, "lazy_gettext": None, "ngettext": (1, 2)}


def dutch() -> Catalog:
    with DUTCH.with_suffix(".po").open("rb") as handle:
        return read_po(handle, locale="nl")


def test_every_text_has_its_dutch() -> None:
    known = {message.id[0] if isinstance(message.id, tuple) else message.id: message.string for message in dutch()}
    asked = set()
    for _, _, text, _, _ in extract_from_dir(str(PACKAGE), METHODS, {"**/templates/**.html": {"trimmed": "true"}}, KEYWORDS):
        asked.add(text[0] if isinstance(text, tuple) else text)
    assert sorted(text for text in asked if not known.get(text)) == []


def test_the_dutch_keeps_every_place_for_a_fact() -> None:
    for message in dutch():
        if isinstance(message.id, str) and message.id:
            assert sorted(re.findall(r"%\(\w+\)s", message.id)) == sorted(re.findall(r"%\(\w+\)s", str(message.string))), message.id


def test_the_compiled_catalogue_is_the_written_one() -> None:
    written = io.BytesIO()
    write_mo(written, dutch())
    assert written.getvalue() == DUTCH.with_suffix(".mo").read_bytes(), "run: pybabel compile -d biobank/translations"
