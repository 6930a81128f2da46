"""A label as SVG: one unit is one printer dot, the size on paper is in mm."""

from __future__ import annotations

from xml.sax.saxutils import escape

from biobank.labels.rules import Layout, Symbol, Words

MM_PER_INCH = 25.4
# Viewers without the first take a wide relative; `textLength` keeps every one of them to the fitted width.
FAMILY = "Bitstream Vera Sans, DejaVu Sans, Verdana, sans-serif"


def draw(layout: Layout) -> bytes:
    """An SVG of one label."""
    width, height = (f"{side:g}mm" for side in layout.mm)
    box = " ".join(f"{side * layout.dpi / MM_PER_INCH:.3f}" for side in layout.mm)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {box}">',
        f'<rect width="{layout.width}" height="{layout.height}" fill="#fff"/>',
        *(_symbol(symbol) for symbol in layout.symbols),
        *(_words(words) for words in layout.words),
        "</svg>",
    ]
    return "\n".join(lines).encode()


def _symbol(symbol: Symbol) -> str:
    path = "".join(f"M{box.x} {box.y}h{box.width}v{box.height}h-{box.width}z" for box in symbol.ink)
    return f'<path d="{path}" shape-rendering="crispEdges"/>'


def _words(words: Words) -> str:
    weight = ' font-weight="bold"' if words.bold else ""
    return (
        f'<text x="{words.x:.2f}" y="{words.baseline:.2f}" font-family="{FAMILY}" font-size="{words.size:.2f}"{weight}'
        f' textLength="{words.width:.2f}" lengthAdjust="spacingAndGlyphs" xml:space="preserve">{escape(words.text)}</text>'
    )
