"""Labels as PDF: pages of the label's own size, or sheets. Dots stay exact, each symbol is one path, viewers are told not to scale."""

from __future__ import annotations

import io
from collections.abc import Sequence
from functools import cache

from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.pdfgen.canvas import Canvas
from reportlab.pdfgen.pathobject import PDFPathObject

from biobank.labels.rules import Layout, Sheet, Symbol
from biobank.labels.rules.lettering import FONTS, font_file

MM_PER_INCH = 25.4
PT_PER_INCH = 72
PT_PER_MM = PT_PER_INCH / MM_PER_INCH


def draw(layouts: Sequence[Layout], title: str, sheet: Sheet | None = None, start: int = 1) -> bytes:
    """A PDF of the labels in order: one per page, or on sheets beginning at place `start` (from 1, row by row).

    The same labels always give the same bytes.
    """
    out = io.BytesIO()
    canvas = Canvas(out, pagesize=_page(layouts[0], sheet), pageCompression=1, invariant=1, initialFontName="Helvetica")
    canvas.setTitle(title)
    canvas.setViewerPreference("PrintScaling", "None")
    _register_fonts()
    if sheet is None:
        for layout in layouts:
            _label(canvas, layout, 0.0, 0.0, _page(layout, None)[1])
            canvas.showPage()
    else:
        _sheets(canvas, layouts, sheet, start)
    canvas.save()
    return out.getvalue()


@cache
def _register_fonts() -> None:
    # Once: a font object keeps its subsets apart by document, while a second object of the same name would mix them up between threads.
    for bold, name in FONTS.items():
        pdfmetrics.registerFont(TTFont(name, str(font_file(bold))))


def _page(layout: Layout, sheet: Sheet | None) -> tuple[float, float]:
    width, height = layout.mm if sheet is None else (sheet.width, sheet.height)
    return width * PT_PER_MM, height * PT_PER_MM


def _sheets(canvas: Canvas, layouts: Sequence[Layout], sheet: Sheet, start: int) -> None:
    page_height = sheet.height * PT_PER_MM
    for index, layout in enumerate(layouts, start=start - 1):
        place = index % sheet.places
        if place == 0 and index >= start:
            canvas.showPage()
        # The corner snaps to the dots of the printer too, or the modules would not.
        x, y = (round(mm * layout.dpi / MM_PER_INCH) * PT_PER_INCH / layout.dpi for mm in sheet.place(place))
        _label(canvas, layout, x, y, page_height)
    canvas.showPage()


def _label(canvas: Canvas, layout: Layout, x: float, y: float, page_height: float) -> None:
    """One label with its upper left at `x`, `y` points from the page's upper left."""
    point = PT_PER_INCH / layout.dpi
    canvas.saveState()
    # One unit is one dot from here, counted downwards: whole numbers in the file, nothing rounded.
    canvas.transform(point, 0, 0, -point, x, page_height - y)
    for symbol in layout.symbols:
        _symbol(canvas, symbol)
    canvas.restoreState()
    for words in layout.words:
        canvas.setFont(FONTS[words.bold], words.size * point)
        canvas.drawString(x + words.x * point, page_height - y - words.baseline * point, words.text)


def _symbol(canvas: Canvas, symbol: Symbol) -> None:
    # The operators written out: dots are whole numbers, and reportlab's formatting of floats takes most of the time otherwise.
    ink = [f"{box.x} {box.y} {box.width} {box.height} re" for box in symbol.ink]
    canvas.drawPath(PDFPathObject(code=ink), stroke=0, fill=1)
