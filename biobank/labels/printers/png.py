"""A label as pixels, one per printer dot, black or white and nothing between."""

from __future__ import annotations

import io
from functools import lru_cache

from PIL import Image, ImageDraw, ImageFont

from biobank.labels.rules import Layout, Words
from biobank.labels.rules.lettering import advances, font_file

BLACK, WHITE = 0, 255


def paint(layout: Layout) -> Image.Image:
    """The label as a greyscale picture that has only black and white pixels."""
    picture = Image.new("L", (layout.width, layout.height), WHITE)
    pencil = ImageDraw.Draw(picture)
    pencil.fontmode = "1"
    for symbol in layout.symbols:
        for box in symbol.ink:
            pencil.rectangle((box.x, box.y, box.x + box.width - 1, box.y + box.height - 1), fill=BLACK)
    for words in layout.words:
        _write(pencil, words)
    return picture


def draw(painted: Image.Image, dpi: int) -> bytes:
    """A PNG of one painted label with one bit per dot; it says its resolution, so that it prints at its true size."""
    out = io.BytesIO()
    painted.convert("1", dither=Image.Dither.NONE).save(out, "PNG", dpi=(dpi, dpi))
    return out.getvalue()


def _write(pencil: ImageDraw.ImageDraw, words: Words) -> None:
    # Letter by letter: the font engine would round each advance to whole pixels and overrun the fitted width.
    font = _font(words.bold, round(words.size, 2))
    widths = advances(words.bold)
    x = words.x
    for character in words.text:
        pencil.text((round(x), round(words.baseline)), character, font=font, fill=BLACK, anchor="ls")
        x += widths[ord(character)] * words.size


@lru_cache(maxsize=64)
def _font(bold: bool, size: float) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(str(font_file(bold)), size, layout_engine=ImageFont.Layout.BASIC)
