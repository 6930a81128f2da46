"""Nothing is given out that was not read back: the label is painted in the printer's dots, and each symbol decoded where it stands."""

from __future__ import annotations

from typing import Any

import zxingcpp
from PIL import Image

from biobank.labels.printers.png import WHITE, paint
from biobank.labels.rules import LabelUnreadable, Layout, Symbol

FORMATS: dict[str, Any] = {"code128": zxingcpp.BarcodeFormat.Code128, "datamatrix": zxingcpp.BarcodeFormat.DataMatrix}
# How much of its neighbourhood is shown to the decoder, in modules. Not the whole label: the decoder looks for a DataMatrix
# along few lines of a picture only, and now and then misses the second one on it (zxing-cpp issues 189 and 386).
AROUND = 2


def prove(layout: Layout) -> Image.Image:
    """The painted label, each symbol of which reads, with its neighbours' ink, as what it was made of. Raises LabelUnreadable."""
    painted = paint(layout)
    for symbol in layout.symbols:
        read = _read(painted, symbol)
        if read != [symbol.payload]:
            met = ", ".join(f"“{text}”" for text in read) or "nothing"
            raise LabelUnreadable(design=layout.design, dpi=layout.dpi, read=met, meant=f"“{symbol.payload}”")
    return painted


def _read(painted: Image.Image, symbol: Symbol) -> list[str]:
    edge = AROUND * symbol.module
    place = symbol.place
    seen = Image.new("L", (place.width + 2 * edge, place.height + 2 * edge), WHITE)
    seen.paste(painted, (edge - place.x, edge - place.y))
    found = zxingcpp.read_barcodes(
        seen,
        formats=FORMATS[symbol.kind],
        text_mode=zxingcpp.TextMode.Plain,
        try_rotate=False,
        try_downscale=False,
        try_invert=False,
    )
    return [barcode.text for barcode in found]
