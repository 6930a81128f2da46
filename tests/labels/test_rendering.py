"""What leaves as PDF, SVG or PNG is decoded from its rasterised page, at its true size, by decoders that did not draw it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from PIL import Image

from biobank.core.errors import FieldsWrong
from biobank.labels import queries, service
from biobank.labels.printers import proof
from biobank.labels.rules import Box, Design, LabelUnreadable, lay_out
from tests.labels import decoders
from tests.labels.samples import LABEL, label, labels

DESIGNS = sorted(queries.designs())
WANTED = {
    "cryovial": {"side": [("datamatrix", "SB4DR120")], "cap": [("datamatrix", "SB4DR120")]},
    "tube": {"side": [("code128", "SB4DR120"), ("datamatrix", "SB4DR120")]},
    "external": {"side": [("code128", "FX05653780"), ("datamatrix", "SB4DR120")]},
}


def picture(design: Design, form: str, dpi: int, fields: dict[str, str | None] = LABEL) -> Image.Image:
    made = service.render(design, [fields], form, dpi)
    if form == "pdf":
        (page,) = decoders.pages_of_pdf(made, dpi)
        return page
    return {"svg": decoders.picture_of_svg, "png": decoders.picture_of_png}[form](made, dpi)


def parts(design: Design, shown: Image.Image, dpi: int) -> dict[str, Image.Image]:
    return {name: decoders.cut(shown, dpi, p.x, p.y, p.width, p.height) for name, p in design.stock.parts.items()}


@pytest.mark.parametrize("dpi", [203, 300, 600])
@pytest.mark.parametrize("form", service.FORMATS)
@pytest.mark.parametrize("code", DESIGNS)
def test_every_symbol_is_decoded_from_the_page(code: str, form: str, dpi: int) -> None:
    design = queries.design(code)
    shown = picture(design, form, dpi)
    assert shown.size == pytest.approx((design.stock.width * dpi / 25.4, design.stock.height * dpi / 25.4), abs=1.0)
    for name, part in parts(design, shown, dpi).items():
        assert decoders.by_zxing(part) == WANTED[code][name]


@pytest.mark.parametrize("form", service.FORMATS)
@pytest.mark.parametrize("code", DESIGNS)
def test_libdmtx_and_zbar_read_the_page_at_300_dpi(code: str, form: str, tmp_path: object) -> None:
    design = queries.design(code)
    for name, part in parts(design, picture(design, form, 300), 300).items():
        wanted = WANTED[code][name]
        assert decoders.by_libdmtx(part) == [text for kind, text in wanted if kind == "datamatrix"]
        assert decoders.by_zbar(part, str(tmp_path)) == [text for kind, text in wanted if kind == "code128"]


def test_labels_in_one_job_never_carry_each_others_code() -> None:
    design = queries.design("tube")
    wanted = labels(40)
    pages = decoders.pages_of_pdf(service.render(design, wanted, "pdf"), 300)
    met = [decoders.by_zxing(page) for page in pages]
    assert met == [[("code128", each["code"]), ("datamatrix", each["code"])] for each in wanted]


def test_a_sheet_begins_at_the_place_asked_for_and_goes_on_to_the_next_page() -> None:
    design = queries.design("cryovial")
    sheet = design.stock.sheet
    assert sheet is not None
    wanted = labels(20)
    pages = decoders.pages_of_pdf(service.render_sheets(design, wanted, start=91), 300)
    assert len(pages) == 2
    side = design.stock.parts["side"]
    for index, each in enumerate(wanted, start=90):
        page, place = divmod(index, sheet.places)
        x, y = sheet.place(place)
        met = decoders.by_zxing(decoders.cut(pages[page], 300, x + side.x, y + side.y, side.width, side.height))
        assert met == [("datamatrix", each["code"])]
    before = sheet.place(89)
    assert decoders.by_zxing(decoders.cut(pages[0], 300, *before, design.stock.width, design.stock.height)) == []


@pytest.mark.parametrize(("start", "count", "pages"), [(1, 100, 1), (1, 101, 2), (100, 1, 1), (100, 2, 2), (51, 50, 1)])
def test_a_sheet_has_no_empty_page(start: int, count: int, pages: int) -> None:
    design = queries.design("cryovial")
    assert len(decoders.pages_of_pdf(service.render_sheets(design, [LABEL] * count, start), 20)) == pages


def test_the_same_sheet_has_the_same_bytes() -> None:
    design = queries.design("cryovial")
    assert service.render_sheets(design, labels(3)) == service.render_sheets(design, labels(3))


def test_viewers_are_told_not_to_scale_and_each_symbol_is_one_path() -> None:
    pdf = service.render(queries.design("tube"), [LABEL], "pdf")
    assert b"/PrintScaling /None" in pdf
    svg = service.render(queries.design("tube"), [LABEL], "svg").decode()
    assert svg.count("<path") == 2


def test_svg_escapes_what_stands_in_it() -> None:
    svg = service.render(queries.design("tube"), [label("SB4DR120", material="<b>&'\"")], "svg").decode()
    assert "&lt;b&gt;&amp;" in svg
    assert "<b>" not in svg


def test_a_resolution_or_format_that_is_not_there_is_named() -> None:
    design = queries.design("cryovial")
    with pytest.raises(FieldsWrong) as refused:
        service.render(design, [LABEL], "pdf", 150)
    assert refused.value.faults[0].pointer == "/dpi"
    assert "203, 300, 600" in refused.value.faults[0].message
    with pytest.raises(FieldsWrong):
        service.render(design, [LABEL], "gif")
    with pytest.raises(FieldsWrong):
        service.render(design, [LABEL, LABEL], "png")


def test_what_does_not_read_back_is_not_given_out() -> None:
    layout = lay_out(queries.design("cryovial"), {k: v for k, v in LABEL.items() if v}, 300)
    proof.prove(layout)
    other = lay_out(queries.design("cryovial"), {"code": "SK3CN1JP"}, 300)
    swapped = replace(layout.symbols[0], ink=other.symbols[0].ink)
    blot = replace(layout.symbols[0], ink=(*layout.symbols[0].ink, Box(20, 20, 60, 30)))
    for spoilt, read in ((swapped, "SK3CN1JP"), (blot, "nothing")):
        with pytest.raises(LabelUnreadable, match=read):
            proof.prove(replace(layout, symbols=(spoilt, layout.symbols[1])))
