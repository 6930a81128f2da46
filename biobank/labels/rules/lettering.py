"""Widths of letters, so that a text is fitted before it is drawn. The font is Bitstream Vera, which comes with reportlab and is free."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import reportlab
from reportlab.pdfbase.ttfonts import TTFont

from biobank.labels.rules.refusals import LabelTextUnprintable

FONTS = {False: "Vera", True: "VeraBd"}
# Parts of the type size: the highest accent above the baseline, the deepest descender below it.
ASCENT = 0.93
DESCENT = 0.24


def font_file(bold: bool) -> Path:
    """The TrueType file of a weight."""
    return Path(reportlab.__file__).parent / "fonts" / f"{FONTS[bold]}.ttf"


@lru_cache(maxsize=2)
def advances(bold: bool) -> dict[int, float]:
    """Each character's width as part of the type size."""
    widths = TTFont(f"{FONTS[bold]} metrics", str(font_file(bold))).face.charWidths
    return {point: width / 1000 for point, width in widths.items() if chr(point).isprintable()}


def text_width(text: str, bold: bool) -> float:
    """The width of `text` as part of the type size. Raises LabelTextUnprintable for a character that the font lacks."""
    widths = advances(bold)
    total = 0.0
    for character in text:
        width = widths.get(ord(character))
        if width is None:
            raise LabelTextUnprintable(text=text, character=f"U+{ord(character):04X}")
        total += width
    return total
