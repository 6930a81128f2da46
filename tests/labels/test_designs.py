"""Design and stock files: what is shipped is sound, and a fault names the file, the key and the reason."""

from __future__ import annotations

from pathlib import Path

import pytest

from biobank.labels import queries
from biobank.labels.rules import FIELDS, DesignUnknown, DesignWrong, parse_design, parse_stock
from biobank.labels.rules.fields import TemplateWrong, check_fields, parse_template

STOCK = """
title = "Vial"
size_mm = [40, 12]
[part.side]
box_mm = [0, 0, 25, 12]
[part.cap]
circle_mm = [28, 1, 10]
"""
DESIGN = """
title = "Vial"
for = "specimen"
stock = "vial"
dpi = [300]
[[element]]
kind = "datamatrix"
part = "side"
box_mm = [1, 1, 8, 8]
data = "{code}"
[[element]]
kind = "text"
part = "side"
box_mm = [10, 1, 14, 3]
text = "{code_text}"
size_pt = 7
"""
SHEET = """
[sheet]
page_mm = [210, 297]
columns = 5
rows = 20
margin_mm = [5, 8]
pitch_mm = [40, 14]
"""


def parse(text: str = DESIGN, stock: str = STOCK) -> object:
    return parse_design("vial", "vial.toml", text, {"vial": parse_stock("vial", "stocks/vial.toml", stock)})


def test_the_shipped_designs() -> None:
    designs = queries.designs()
    assert set(designs) == {"cryovial", "tube", "external"}
    for design in designs.values():
        assert design.made_for == "specimen"
        assert design.stock.sheet is not None
        assert set(design.fields) <= set(FIELDS)
    assert designs["cryovial"].fields == ("code", "code_text", "material_short", "event", "drawn_on", "amount", "ordinal", "code_tail")


def test_the_sound_text_is_sound() -> None:
    parse()
    parse(stock=STOCK + SHEET)


@pytest.mark.parametrize(
    ("old", "new", "key", "reason"),
    [
        ('title = "Vial"', 'title = "Vial', "TOML", "line 2"),
        ('title = "Vial"', 'tilte = "Vial"', "title", "is missing"),
        ("dpi = [300]", "dpi = [300]\ncopies = 2", "copies", "there is no such key"),
        ('for = "specimen"', 'for = "mouse"', "for", "specimen, container, card, shipment"),
        ('stock = "vial"', 'stock = "vile"', "stock", "must be one of vial"),
        ("dpi = [300]", "dpi = [150]", "dpi", "203, 300, 600"),
        ("dpi = [300]", 'dpi = "300"', "dpi", "203, 300, 600"),
        ('kind = "datamatrix"', 'kind = "qr"', "element 1: kind", "datamatrix, code128, text"),
        ('part = "side"\nbox_mm = [1,', 'part = "lid"\nbox_mm = [1,', "element 1: part", "side, cap"),
        ("box_mm = [1, 1, 8, 8]", "box_mm = [1, 1, 8]", "element 1: box_mm", "4 numbers in mm"),
        ("box_mm = [1, 1, 8, 8]", "box_mm = [1, 1, 8, 0]", "element 1: box_mm", "above zero"),
        ("box_mm = [1, 1, 8, 8]", "box_mm = [1, 1, 8, inf]", "element 1: box_mm", "at most 500"),
        ("box_mm = [1, 1, 8, 8]", "box_mm = [1, 1, 8, true]", "element 1: box_mm", "4 numbers"),
        ("box_mm = [10, 1, 14, 3]", "box_mm = [20, 1, 14, 3]", "element 2: box_mm", "lies outside the part “side” (25 × 12 mm)"),
        ("box_mm = [10, 1, 14, 3]", "box_mm = [8.5, 1, 14, 3]", "element 2: box_mm", "overlaps element 1"),
        ('data = "{code}"', 'data = "{cod}"', "element 1: data", "“cod”, which is no field; the fields are code,"),
        ('data = "{code}"', 'data = "{code.__class__}"', "element 1: data", "code.__class__"),
        ('data = "{code}"', 'data = "{code[0]}"', "element 1: data", "is no field"),
        ('data = "{code}"', 'data = "{code!r}"', "element 1: data", "only a plain name"),
        ('data = "{code}"', 'data = "{code:>20}"', "element 1: data", "only a plain name"),
        ('data = "{code}"', 'data = "{code:{note}}"', "element 1: data", "only a plain name"),
        ('data = "{code}"', 'data = "{}"', "element 1: data", "is no field"),
        ('data = "{code}"', 'data = "{code"', "element 1: data", "unmatched brace"),
        ('data = "{code}"', 'text = "{code}"', "element 1: data", "is missing"),
        ("size_pt = 7", "size_pt = -7", "element 2: size_pt", "above zero"),
        ("size_pt = 7", "size_pt = 7\nmin_size_pt = 9", "element 2: min_size_pt", "larger than size_pt"),
        ("size_pt = 7", "size_pt = 7\nmin_module_mm = 1", "element 2: min_module_mm", "no such key"),
        ("size_pt = 7", 'size_pt = 7\noptional = "yes"', "element 2: optional", "true or false"),
        ("size_pt = 7", 'size_pt = 7\nalign = "middle"', "element 2: align", "left, centre, right"),
        ('data = "{code}"', 'data = "{code}"\noptional = true', "element", "none is a symbol that must be there"),
    ],
)
def test_a_fault_in_a_design_is_named(old: str, new: str, key: str, reason: str) -> None:
    assert old in DESIGN
    with pytest.raises(DesignWrong) as refused:
        parse(DESIGN.replace(old, new, 1))
    assert refused.value.facts["file"] == "vial.toml"
    assert refused.value.facts["key"] == key
    assert reason in refused.value.facts["reason"]


def test_a_box_must_lie_inside_the_circle() -> None:
    with pytest.raises(DesignWrong, match="circle of 10 mm"):
        parse(DESIGN.replace('part = "side"\nbox_mm = [1, 1, 8, 8]', 'part = "cap"\nbox_mm = [1, 1, 8, 8]'))
    parse(DESIGN.replace('part = "side"\nbox_mm = [1, 1, 8, 8]', 'part = "cap"\nbox_mm = [1.5, 1.5, 7, 7]'))


@pytest.mark.parametrize(
    ("old", "new", "key", "reason"),
    [
        ("size_mm = [40, 12]", "size_mm = [40]", "size_mm", "2 numbers"),
        ("size_mm = [40, 12]", "size_mm = [30, 12]", "part.cap", "outside the label of 30 × 12 mm"),
        ("circle_mm = [28, 1, 10]", "circle_mm = [24, 1, 10]", "part.cap", "overlaps part.side"),
        ("circle_mm = [28, 1, 10]", "radius = 3", "part.cap.box_mm", "is missing"),
        ("circle_mm = [28, 1, 10]", "circle_mm = [28, 1, 10]\nbox_mm = [28, 1, 10, 10]", "part.cap.box_mm", "no such key"),
        ("columns = 5", "columns = 6", "sheet.page_mm", "6 × 20 labels do not fit"),
        ("columns = 5", "columns = 0", "sheet.columns", "from 1 to 1000"),
        ("columns = 5", "columns = 5.5", "sheet.columns", "a whole number"),
        ("pitch_mm = [40, 14]", "pitch_mm = [39, 14]", "sheet.pitch_mm", "would overlap"),
        ("[sheet]", "[sheets]", "sheets", "there is no such key"),
    ],
)
def test_a_fault_in_a_stock_is_named(old: str, new: str, key: str, reason: str) -> None:
    text = STOCK + SHEET
    assert old in text
    with pytest.raises(DesignWrong) as refused:
        parse_stock("vial", "stocks/vial.toml", text.replace(old, new, 1))
    assert refused.value.facts["file"] == "stocks/vial.toml"
    assert refused.value.facts["key"] == key
    assert reason in refused.value.facts["reason"]


def test_a_lab_adds_a_stock_and_a_design_by_files_alone(tmp_path: Path) -> None:
    (tmp_path / "stocks").mkdir()
    (tmp_path / "stocks" / "vial.toml").write_text(STOCK, "utf-8")
    (tmp_path / "ours.toml").write_text(DESIGN, "utf-8")
    assert list(queries.load_designs(tmp_path)) == ["ours"]


def test_an_unknown_design_names_those_there_are() -> None:
    with pytest.raises(DesignUnknown, match=r"“jar”.*cryovial, external, tube"):
        queries.design("jar")


def test_templates_leave_no_trace_of_unknown_fields() -> None:
    template = parse_template("{event} {drawn_on} ({amount})")
    assert template.fill({"event": "D15", "drawn_on": "2026-11-20", "amount": "1 mL"}) == "D15 2026-11-20 (1 mL)"
    assert parse_template("{event} {drawn_on}").fill({"drawn_on": "2026-11-20"}) == "2026-11-20"
    assert parse_template("{event} {drawn_on} {amount}").fill({"event": "D15", "amount": "1 mL"}) == "D15 1 mL"
    assert parse_template("{event} {drawn_on} {amount}").fill({"event": "D15"}) == "D15"
    assert parse_template("{event} {drawn_on} {amount}").fill({"amount": "1 mL"}) == "1 mL"
    assert parse_template("taken {event}").fill({}) == ""
    assert parse_template("biobank {{1}}").fill({}) == "biobank {1}"
    with pytest.raises(TemplateWrong):
        parse_template("{0}")


def test_a_value_is_kept_to_the_letter() -> None:
    assert parse_template("{external_code}").fill({"external_code": "A  B "}) == "A  B "
    assert parse_template("{note} {external_code}").fill({"external_code": "A  B"}) == "A  B"


def test_a_filled_text_is_never_read_as_a_template() -> None:
    assert parse_template("{note}").fill({"note": "{code} {0.__class__}", "code": "SB4DR120"}) == "{code} {0.__class__}"


def test_fields_outside_the_list_are_a_fault_of_the_caller() -> None:
    with pytest.raises(KeyError):
        check_fields({"name": "x"})
    assert check_fields({"code": "SB4DR120", "note": None, "event": ""}) == {"code": "SB4DR120"}
