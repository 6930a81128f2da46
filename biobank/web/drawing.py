"""Numbers for the pictures that the server draws: where bands, boxes, bars and marks lie. Templates write them as SVG with classes.

Plain functions: no request, no language, no colour.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

# ---- Lineage: from the draw to the last aliquot -------------------------------------------------------------------------

BOX_WIDTH, BOX_HEIGHT, ROW = 214, 27, 31
FIRST_BAR, FIRST_WIDTH = 140, 12
BATCH_GAP = 18
# From a bar or box to the left edge of the boxes made from it: room for the band and for the words before the next bar.
FIRST_STEP, STEP = 300, 262


@dataclass(slots=True)
class Tube:
    """One tube of the tree, with the words its box shows and says."""

    code: str
    amount: str
    standing: str
    words: str
    href: str
    here: bool = False
    batches: list[Batch] = field(default_factory=list)


@dataclass(slots=True)
class Batch:
    """Tubes made in one step from one parent. `taken` is what it took of the parent's amount, None when that is not known."""

    title: str
    note: str
    tubes: list[Tube]
    taken: int | None = None


@dataclass(slots=True)
class Lineage:
    """The drawing: its size, and lists of bands (path data), bars, boxes and labels."""

    width: float
    height: float
    bands: list[str]
    bars: list[dict[str, float]]
    boxes: list[dict[str, Any]]
    labels: list[dict[str, Any]]


def _rows(tube: Tube) -> float:
    inner = sum(_rows_of(batch) for batch in tube.batches) + BATCH_GAP * max(len(tube.batches) - 1, 0)
    return max(ROW, inner)


def _rows_of(batch: Batch) -> float:
    return max(sum(_rows(tube) for tube in batch.tubes), 2 * ROW - 4)


def _depth(tube: Tube) -> int:
    return 1 + max((_depth(child) for batch in tube.batches for child in batch.tubes), default=0)


def _band(x1: float, top1: float, bottom1: float, x2: float, top2: float, bottom2: float) -> str:
    middle = (x1 + x2) / 2
    return (
        f"M{x1:g} {top1:g}C{middle:g} {top1:g} {middle:g} {top2:g} {x2:g} {top2:g}"
        f"V{bottom2:g}C{middle:g} {bottom2:g} {middle:g} {bottom1:g} {x1:g} {bottom1:g}z"
    )


def lineage(primary: Tube, collected: int | None) -> Lineage:
    """Lay out the tree of a primary tube.

    The width of a band is the share of the parent's amount that went that way, where it is known; else all get the same.
    `collected` is what was drawn, in base units.
    """
    height = max(_rows(primary) + 8, 190)
    width = FIRST_BAR + FIRST_WIDTH + FIRST_STEP + BOX_WIDTH + max(_depth(primary) - 2, 0) * (STEP + BOX_WIDTH) + 8
    drawing = Lineage(width, height, [], [], [], [])
    bar_top, bar_bottom = 4.0, height - 4
    drawing.bars.append({"x": FIRST_BAR, "y": bar_top, "width": FIRST_WIDTH, "height": bar_bottom - bar_top})
    _branches(drawing, primary, FIRST_BAR + FIRST_WIDTH, bar_top, bar_bottom, bar_top, collected, FIRST_STEP)
    return drawing


def _branches(drawing: Lineage, tube: Tube, x: float, top: float, bottom: float, first_row: float, whole: int | None, step: float) -> None:
    shares = _shares(tube.batches, whole)
    at, row = top, first_row
    for batch, share in zip(tube.batches, shares, strict=True):
        room = _rows_of(batch)
        bar_x = x + step - 50
        from_bottom = at + (bottom - top) * share
        drawing.bands.append(_band(x, at, from_bottom, bar_x, row, row + room))
        drawing.bars.append({"x": bar_x, "y": row, "width": 8, "height": room})
        drawing.labels.append({"x": bar_x - 10, "y": row + room / 2 - 3, "title": batch.title, "note": batch.note})
        _boxes(drawing, batch, bar_x + 8, row, room)
        at, row = from_bottom, row + room + BATCH_GAP


def _boxes(drawing: Lineage, batch: Batch, x: float, top: float, room: float) -> None:
    total = sum(_rows(tube) for tube in batch.tubes)
    slack = (room - total) / max(len(batch.tubes), 1)
    row = top
    for tube in batch.tubes:
        own = _rows(tube) + slack
        y = row + (own - BOX_HEIGHT) / 2
        box_x = x + 42
        drawing.bands.append(_band(x, row, row + own, box_x, y, y + BOX_HEIGHT))
        drawing.boxes.append({"x": box_x, "y": y, "tube": tube})
        if tube.batches:
            _branches(drawing, tube, box_x + BOX_WIDTH, y + 3, y + BOX_HEIGHT - 3, row, None, STEP)
        row += own


def _shares(batches: Sequence[Batch], whole: int | None) -> list[float]:
    if not batches:
        return []
    known = [batch.taken for batch in batches]
    if whole and all(part is not None for part in known) and sum(part or 0 for part in known) <= whole:
        # A thread stays visible however little was taken.
        return [max((part or 0) / whole, 0.02) for part in known]
    return [1 / len(batches)] * len(batches)


# ---- Columns over weeks -------------------------------------------------------------------------------------------------

INTAKE_WIDTH, INTAKE_BASE, INTAKE_TOP = 1180, 254, 38


@dataclass(frozen=True, slots=True)
class Column:
    """One stacked column: its label and the counts from bottom to top, each with its family."""

    label: str
    parts: tuple[tuple[str, int], ...]

    @property
    def total(self) -> int:
        """All parts together."""
        return sum(count for _, count in self.parts)


def nice_step(largest: int, lines: int = 3) -> int:
    """A round step so that about `lines` grid lines reach `largest`."""
    rough = max(largest / lines, 1)
    power = 1
    while power * 10 <= rough:
        power *= 10
    return next((factor * power for factor in (1, 2, 5, 10) if factor * power >= rough), 10 * power)


def columns(given: Sequence[Column]) -> dict[str, Any]:
    """Stacked columns with grid lines; heights to the pixel, a number only where it fits."""
    largest = max((column.total for column in given), default=0)
    step = nice_step(largest)
    top = step * max(-(-largest // step), 1)
    scale = (INTAKE_BASE - INTAKE_TOP) / top
    pitch = (INTAKE_WIDTH - 40) / max(len(given), 1)
    wide = min(52, pitch * 0.6)
    drawn = []
    for index, column in enumerate(given):
        x = 40 + index * pitch + (pitch - wide) / 2
        y = float(INTAKE_BASE)
        parts = []
        for family, count in column.parts:
            tall = count * scale
            y -= tall
            if count:
                parts.append({"family": family, "count": count, "y": round(y, 1), "height": round(max(tall - 1, 1), 1), "fits": tall >= 16})
        middle = round(x + wide / 2, 1)
        drawn.append({"x": round(x, 1), "mid": middle, "top": round(y - 8, 1), "label": column.label, "total": column.total, "parts": parts})
    grid = [{"value": value, "y": INTAKE_BASE - value * scale} for value in range(0, top + 1, step)]
    return {"columns": drawn, "grid": grid, "width": INTAKE_WIDTH, "bar": wide}
