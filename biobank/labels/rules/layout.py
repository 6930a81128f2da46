"""A design filled for one label, in whole dots of one printer: what is drawn where, whatever draws it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from biobank.core.errors import Refusal
from biobank.labels.rules.designs import LEAST_MODULE_MM, Design, Element
from biobank.labels.rules.lettering import ASCENT, DESCENT, text_width
from biobank.labels.rules.refusals import LabelDoesNotFit, LabelFieldMissing
from biobank.labels.rules.symbols import LOST_IN_CODE128, QUIET, code128_pattern, datamatrix_matrix

MM_PER_INCH = 25.4
PT_PER_INCH = 72
ROUNDING = 1e-6


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle in dots from the label's upper left."""

    x: int
    y: int
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Symbol:
    """A symbol: `ink` are its black rectangles, `place` includes the quiet zone, `module` is in dots."""

    kind: str
    payload: str
    place: Box
    module: int
    ink: tuple[Box, ...]


@dataclass(frozen=True, slots=True)
class Words:
    """A line of text: left end and baseline, type size and width, all in dots."""

    text: str
    x: float
    baseline: float
    size: float
    width: float
    bold: bool


@dataclass(frozen=True, slots=True)
class Dropped:
    """An optional element that was left out, and why."""

    element: int
    text: str
    reason: str


@dataclass(frozen=True, slots=True)
class Layout:
    """One label at one resolution. `width` and `height` are in dots; `mm` is the size of the stock."""

    design: str
    dpi: int
    mm: tuple[float, float]
    width: int
    height: int
    symbols: tuple[Symbol, ...]
    words: tuple[Words, ...]
    dropped: tuple[Dropped, ...]


def lay_out(design: Design, fields: Mapping[str, str], dpi: int) -> Layout:
    """Fill the design for one label.

    Symbols get the largest module of whole dots that fits, texts the largest type size. Elements whose fields are unknown are left out.
    A payload that would lose its leading 99 as Code 128 goes as DataMatrix: the one that is on the label already, else one in its place.
    Raises LabelFieldMissing, LabelDoesNotFit, LabelTextUnprintable or SymbolPayloadWrong for an element that is not optional.
    """
    symbols: list[Symbol] = []
    words: list[Words] = []
    dropped: list[Dropped] = []
    matrices = {e.template.fill(fields) for e in design.elements if e.kind == "datamatrix"}
    for number, element in enumerate(design.elements, start=1):
        text = element.template.fill(fields)
        if not text:
            if element.kind != "text" and not element.optional:
                raise LabelFieldMissing(design=design.code, needs=" or ".join(element.template.names))
            continue
        try:
            if element.kind == "text":
                words.append(_words(design, element, text, dpi))
            elif element.kind == "code128" and text.startswith(LOST_IN_CODE128) and text in matrices:
                dropped.append(Dropped(number, text, "it begins with 99, so the DataMatrix alone carries it"))
            else:
                symbols.append(_symbol(design, element, text, dpi))
        except Refusal as refusal:
            if not element.optional:
                raise
            dropped.append(Dropped(number, text, refusal.detail))
    mm = (design.stock.width, design.stock.height)
    return Layout(design.code, dpi, mm, round(dots(mm[0], dpi)), round(dots(mm[1], dpi)), tuple(symbols), tuple(words), tuple(dropped))


def dots(mm: float, dpi: int) -> float:
    """Millimetres in dots."""
    return mm * dpi / MM_PER_INCH


def _snapped(element: Element, dpi: int) -> Box:
    """The whole dots inside the element's box."""
    left, top = math.ceil(dots(element.x, dpi) - ROUNDING), math.ceil(dots(element.y, dpi) - ROUNDING)
    right = math.floor(dots(element.x + element.width, dpi) + ROUNDING)
    bottom = math.floor(dots(element.y + element.height, dpi) + ROUNDING)
    return Box(left, top, right - left, bottom - top)


def _symbol(design: Design, element: Element, text: str, dpi: int) -> Symbol:
    place = _snapped(element, dpi)
    if element.kind == "code128" and not text.startswith(LOST_IN_CODE128):
        return _bars(design, element, text, place, dpi)
    matrix = datamatrix_matrix(text)
    across = len(matrix) + 2 * QUIET["datamatrix"]
    module = min(place.width, place.height) // across
    least = element.min_module if element.kind == "datamatrix" else LEAST_MODULE_MM["datamatrix"]
    _check_module(design, "datamatrix", text, dpi, module, least)
    x = place.x + (place.width - across * module) // 2
    y = place.y + (place.height - across * module) // 2
    ink = tuple(
        Box(x + (start + 1) * module, y + (row + 1) * module, length * module, module)
        for row, line in enumerate(matrix)
        for start, length in _runs(line)
    )
    return Symbol("datamatrix", text, Box(x, y, across * module, across * module), module, ink)


def _bars(design: Design, element: Element, text: str, place: Box, dpi: int) -> Symbol:
    pattern = code128_pattern(text)
    across = len(pattern) + 2 * QUIET["code128"]
    module = place.width // across
    _check_module(design, "code128", text, dpi, module, element.min_module)
    x = place.x + (place.width - across * module) // 2
    ink = tuple(Box(x + (start + QUIET["code128"]) * module, place.y, length * module, place.height) for start, length in _runs(pattern))
    return Symbol("code128", text, Box(x, place.y, across * module, place.height), module, ink)


def _check_module(design: Design, kind: str, text: str, dpi: int, module: int, least: float) -> None:
    size = module * MM_PER_INCH / dpi
    if module < 1 or size + ROUNDING < least:
        reason = f"its modules would be {size:.3f} mm, and less than {least:g} mm cannot be scanned safely"
        raise LabelDoesNotFit(text=text, kind=kind, design=design.code, dpi=dpi, reason=reason)


def _runs(line: str) -> list[tuple[int, int]]:
    """Start and length of each run of black modules; one rectangle per run leaves no hairlines between modules."""
    runs: list[tuple[int, int]] = []
    start = line.find("1")
    while start >= 0:
        end = line.find("0", start)
        end = len(line) if end < 0 else end
        runs.append((start, end - start))
        start = line.find("1", end)
    return runs


def _words(design: Design, element: Element, text: str, dpi: int) -> Words:
    place = _snapped(element, dpi)
    relative = text_width(text, element.bold)
    largest = element.size * dpi / PT_PER_INCH
    size = min(largest, place.width / relative if relative else largest, place.height / (ASCENT + DESCENT))
    if size + ROUNDING < element.min_size * dpi / PT_PER_INCH:
        reason = f"it would have to be set in {size * PT_PER_INCH / dpi:.1f} pt, and less than {element.min_size:g} pt cannot be read"
        raise LabelDoesNotFit(text=text, kind="text", design=design.code, dpi=dpi, reason=reason)
    width = relative * size
    spare = {"left": 0.0, "centre": (place.width - width) / 2, "right": place.width - width}[element.align]
    baseline = place.y + (place.height - (ASCENT + DESCENT) * size) / 2 + ASCENT * size
    return Words(text, place.x + spare, baseline, size, width, element.bold)
