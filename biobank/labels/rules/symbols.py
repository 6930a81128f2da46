"""The bars of a Code 128 and the modules of a DataMatrix. They are made here and drawn by us, because library writers round unevenly."""

from __future__ import annotations

from typing import Any

import zxingcpp
from barcode.codex import Code128

from biobank.labels.rules.refusals import NotForCode128, SymbolPayloadWrong

# White modules that must stay around a symbol, on each side.
QUIET = {"code128": 10, "datamatrix": 1}
# python-barcode 0.16.1 takes a leading pair 99 for a change of code set and drops it (its issue 251).
LOST_IN_CODE128 = "99"


def check_payload(text: str) -> str:
    """`text`, if scanners of every make can pass it on. Raises SymbolPayloadWrong for none, control characters and non-ASCII."""
    if not text or not text.isascii() or not text.isprintable():
        raise SymbolPayloadWrong(text=text)
    return text


def code128_pattern(text: str) -> str:
    """The modules of a Code 128 from left to right without quiet zones: 1 black, 0 white.

    Raises SymbolPayloadWrong, and NotForCode128 for a payload beginning with 99.
    """
    if check_payload(text).startswith(LOST_IN_CODE128):
        raise NotForCode128(text=text)
    # The library's object carries state from one build to the next, so it is made anew for each label.
    pattern: str = Code128(text).build()[0]
    return pattern


def datamatrix_matrix(text: str) -> tuple[str, ...]:
    """The rows of a square DataMatrix without quiet zone: 1 black, 0 white.

    Raises SymbolPayloadWrong, also for more than any symbol holds.
    """
    check_payload(text)
    try:
        symbol = zxingcpp.create_barcode(text, zxingcpp.BarcodeFormat.DataMatrix, force_square=True)
    except ValueError:
        raise SymbolPayloadWrong(text=text[:40] + "…") from None
    image: Any = symbol.to_image(scale=1, add_quiet_zones=False)
    rows: Any = memoryview(image).tolist()
    return tuple("".join("1" if value == 0 else "0" for value in row) for row in rows)
