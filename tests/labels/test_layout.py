"""A label in whole dots: the largest module that fits, texts fitted, optional things dropped, the rest refused."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import ImageOps

from biobank.labels import queries
from biobank.labels.printers.png import paint
from biobank.labels.rules import (
    Design,
    LabelDoesNotFit,
    LabelFieldMissing,
    LabelTextUnprintable,
    SymbolPayloadWrong,
    lay_out,
    parse_design,
    parse_stock,
)
from biobank.labels.rules.fields import parse_template
from tests.labels.samples import LABEL

FIELDS = {name: value for name, value in LABEL.items() if value}
STOCK = 'title = "Strip"\nsize_mm = [%s, 12.7]\n[part.side]\nbox_mm = [0, 0, %s, 12.7]'
STRIP = """
title = "Strip"
for = "specimen"
stock = "strip"
[[element]]
kind = "code128"
part = "side"
box_mm = [0, 1, %s, 6]
data = "{code}"
min_module_mm = %s
[[element]]
kind = "text"
part = "side"
box_mm = [0, 8, %s, 3]
text = "{note}"
size_pt = 8
min_size_pt = 6
"""


def strip(width: float = 25.4, least: float = 0.16) -> Design:
    return parse_design("strip", "strip.toml", STRIP % (width, least, width), {"strip": parse_stock("strip", "s", STOCK % (width, width))})


@pytest.mark.parametrize(("dpi", "modules"), [(203, [4, 3]), (300, [5, 4]), (600, [12, 9])])
def test_the_largest_module_of_whole_dots(dpi: int, modules: list[int]) -> None:
    layout = lay_out(queries.design("cryovial"), FIELDS, dpi)
    assert [symbol.module for symbol in layout.symbols] == modules
    for symbol in layout.symbols:
        assert symbol.place.width == symbol.place.height == 16 * symbol.module
        for box in symbol.ink:
            assert (box.x - symbol.place.x) % symbol.module == (box.y - symbol.place.y) % symbol.module == 0
            assert box.width % symbol.module == 0
            assert box.height == symbol.module
        assert min(box.x for box in symbol.ink) == symbol.place.x + symbol.module


def test_eight_characters_of_code128_fit_an_inch_at_300_dpi() -> None:
    (symbol,) = lay_out(strip(), FIELDS, 300).symbols
    assert symbol.module == 2
    assert symbol.place.width == 2 * 143


def test_modules_below_the_least_are_refused_and_the_size_is_said() -> None:
    with pytest.raises(LabelDoesNotFit, match=r"modules would be 0\.125 mm, and less than 0\.16 mm"):
        lay_out(strip(), FIELDS, 203)
    with pytest.raises(LabelDoesNotFit, match=r"less than 0\.2 mm"):
        lay_out(strip(least=0.2), FIELDS, 300)
    with pytest.raises(LabelDoesNotFit, match=r"modules would be 0\.000 mm"):
        lay_out(strip(width=5), FIELDS, 300)


def test_optional_elements_are_dropped_and_it_is_said_why() -> None:
    design = strip()
    optional = replace(design, elements=tuple(replace(element, optional=True) for element in design.elements))
    layout = lay_out(optional, FIELDS | {"note": "far too long for one inch of text, " * 4}, 203)
    assert layout.symbols == layout.words == ()
    assert [drop.element for drop in layout.dropped] == [1, 2]
    assert "0.125 mm" in layout.dropped[0].reason
    assert "less than 6 pt cannot be read" in layout.dropped[1].reason


def test_a_text_that_does_not_fit_is_refused_and_never_clipped() -> None:
    with pytest.raises(LabelDoesNotFit, match="cannot be read"):
        lay_out(strip(), FIELDS | {"note": "x" * 80}, 300)


def test_an_absent_text_leaves_its_place_empty_and_an_absent_code_is_refused() -> None:
    assert lay_out(strip(), FIELDS, 300).words == ()
    with pytest.raises(LabelFieldMissing, match="needs external_code"):
        lay_out(queries.design("external"), {name: value for name, value in FIELDS.items() if name != "external_code"}, 300)


@pytest.mark.parametrize(("text", "character"), [("白血病", "U+767D"), ("Kraków ńż", "U+0144"), ("a\x00b", "U+0000"), ("a\nb", "U+000A")])
def test_a_character_the_font_lacks_is_refused_by_name(text: str, character: str) -> None:
    with pytest.raises(LabelTextUnprintable, match=character.replace("+", r"\+")):
        lay_out(strip(), FIELDS | {"note": text}, 300)


def test_western_letters_and_units_are_printed() -> None:
    (words,) = lay_out(strip(40), FIELDS | {"note": "250 µL · Zoë Łß · ≥ 5 °C"}, 300).words
    assert words.text == "250 µL · Zoë Łß · ≥ 5 °C"


def test_control_characters_never_come_into_a_symbol() -> None:
    with pytest.raises(SymbolPayloadWrong):
        lay_out(queries.design("external"), FIELDS | {"external_code": "A\x1dB"}, 300)


@given(
    note=st.text(st.characters(codec="latin-1", categories=("L", "N", "P", "S")), min_size=1, max_size=18),
    dpi=st.sampled_from([203, 300, 600]),
    bold=st.booleans(),
)
@settings(max_examples=150, deadline=None)
def test_the_ink_of_a_text_stays_in_its_box(note: str, dpi: int, bold: bool) -> None:
    design = strip(40)
    element = replace(design.elements[1], bold=bold, min_size=1, template=parse_template("{note}"))
    layout = lay_out(replace(design, elements=(element,)), {"note": note}, dpi)
    box = ImageOps.invert(paint(layout)).getbbox()
    if box is None:
        return
    scale = dpi / 25.4
    # One dot is the rounding of a letter's place, and glyphs may reach a hair beyond their own advance.
    slack = 1 + 0.08 * layout.words[0].size
    assert box[0] >= element.x * scale - slack
    assert box[2] <= (element.x + element.width) * scale + slack
    assert box[1] >= element.y * scale - slack
    assert box[3] <= (element.y + element.height) * scale + slack
