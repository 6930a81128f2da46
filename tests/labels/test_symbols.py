"""Patterns of bars and modules: what goes in comes out of other decoders, and what would not is refused."""

from __future__ import annotations

import string

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image

from biobank.core.errors import Refusal
from biobank.labels import queries, service
from biobank.labels.rules import NotForCode128, SymbolPayloadWrong, code128_pattern, datamatrix_matrix, lay_out
from tests.labels import decoders
from tests.labels.samples import LABEL, label

ASCII = st.text(string.digits + string.ascii_letters + string.punctuation + " ", min_size=1, max_size=24)
DIGITS = st.text(string.digits, min_size=1, max_size=16)


def picture(rows: list[str], module: int = 3, quiet: int = 10, height: int = 1) -> Image.Image:
    small = Image.new("L", (len(rows[0]) + 2 * quiet, len(rows) * height + 2 * quiet), 255)
    for y, row in enumerate(rows):
        for x, dark in enumerate(row):
            if dark == "1":
                small.paste(0, (x + quiet, y * height + quiet, x + quiet + 1, (y + 1) * height + quiet))
    return small.resize((small.width * module, small.height * module), Image.Resampling.NEAREST)


@given(ASCII | DIGITS)
@example("9A99")
@example("1")
@example("A99")
@example("SB4DR120")
@settings(max_examples=200, deadline=None)
def test_code128_carries_its_payload_or_is_refused(text: str) -> None:
    if text.startswith("99"):
        with pytest.raises(NotForCode128):
            code128_pattern(text)
        return
    assert decoders.by_zxing(picture([code128_pattern(text)], height=30)) == [("code128", text)]


@given(ASCII | DIGITS)
@example("99")
@settings(max_examples=200, deadline=None)
def test_datamatrix_carries_its_payload(text: str) -> None:
    rows = list(datamatrix_matrix(text))
    assert len(rows) == len(rows[0])
    assert decoders.by_zxing(picture(rows)) == [("datamatrix", text)]


@given(st.text(string.digits, min_size=2, max_size=14))
@settings(max_examples=60, deadline=None)
def test_the_same_pattern_twice(text: str) -> None:
    if not text.startswith("99"):
        assert code128_pattern(text) == code128_pattern(text)


def test_the_identifier_fits_fourteen_modules() -> None:
    for code in ("SB4DR120", "SK3CN1JP", "C612FF2G", "P72KF1NH", "HNND171X", "XK49F4K6"):
        assert len(datamatrix_matrix(code)) == 14


@pytest.mark.parametrize("text", ["", "a\nb", "\x1d10", "Ärmel", "٣٤", "x" * 4000])
def test_what_scanners_lose_is_refused(text: str) -> None:
    with pytest.raises(SymbolPayloadWrong):
        datamatrix_matrix(text)
    if len(text) < 100:
        with pytest.raises(SymbolPayloadWrong):
            code128_pattern(text)


@pytest.mark.parametrize("external", ["99", "990363132553", "99ABC"])
@pytest.mark.parametrize("form", service.FORMATS)
def test_a_payload_beginning_with_99_becomes_a_datamatrix(external: str, form: str, tmp_path: object) -> None:
    design = queries.design("external")
    fields = label("SB4DR120", external_code=external)
    layout = lay_out(design, {name: value for name, value in fields.items() if value}, 300)
    assert [(symbol.kind, symbol.payload) for symbol in layout.symbols] == [("datamatrix", "SB4DR120"), ("datamatrix", external)]
    made = service.render(design, [fields], form)
    shown = {
        "pdf": lambda: decoders.pages_of_pdf(made, 300)[0],
        "png": lambda: decoders.picture_of_png(made, 300),
        "svg": lambda: decoders.picture_of_svg(made, 300),
    }[form]()
    assert decoders.by_zxing(decoders.cut(shown, 300, 0, 8.8, 50, 7.8)) == [("datamatrix", external)]
    assert decoders.by_zbar(shown, str(tmp_path)) == []


def test_the_code128_is_left_out_where_a_datamatrix_says_the_same() -> None:
    layout = lay_out(queries.design("tube"), {"code": "99123456"}, 300)
    assert [symbol.kind for symbol in layout.symbols] == ["datamatrix"]
    assert "begins with 99" in layout.dropped[0].reason


@given(st.text(string.digits + string.ascii_uppercase + "-./+$% ", min_size=1, max_size=20))
@settings(max_examples=60, deadline=None)
def test_the_printed_text_is_the_decoded_text_or_the_label_is_refused(external: str) -> None:
    design = queries.design("external")
    fields = {name: value for name, value in (LABEL | {"external_code": external}).items() if value}
    try:
        layout = service.proven(design, fields, 300).layout
    except Refusal:
        assert len(external) > 8
        return
    assert layout.symbols[1].payload == layout.words[-1].text == external
