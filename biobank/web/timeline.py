"""The picture “everything over time” of a participant: a time axis that is wide around each episode and narrow between, and what lies on it.

The first twelve weeks of each episode are drawn wide, the months between narrow. Plain functions: no request, no language, no colour.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

LEFT, RIGHT = 176.0, 1174.0
BEFORE, WIDE = 7, 91
LABEL_WIDTH = 34


@dataclass(frozen=True, slots=True)
class Mark:
    """Something on a day: `kind` is drawn, open (its window is open today), due, missed or dose."""

    on: date
    kind: str
    label: str
    words: str = ""


@dataclass(frozen=True, slots=True)
class Stretch:
    """Something from a day to another (None: until today); `kind` is yes, no or open for consent."""

    from_on: date
    until: date | None
    kind: str
    label: str


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the picture: its title, family (for materials), and what lies on it."""

    title: str
    family: str = ""
    marks: tuple[Mark, ...] = ()
    stretches: tuple[Stretch, ...] = ()


@dataclass(frozen=True, slots=True)
class Segment:
    """A piece of the axis with one scale."""

    from_on: date
    until: date
    x1: float
    x2: float
    wide: bool
    start: date


@dataclass(slots=True)
class Axis:
    """The whole axis; `x` gives the place of a day, clipped to the ends."""

    segments: list[Segment] = field(default_factory=list)

    def x(self, day: date) -> float:
        """Where a day lies, in pixels."""
        first, last = self.segments[0], self.segments[-1]
        if day <= first.from_on:
            return first.x1
        for segment in self.segments:
            if day <= segment.until:
                length = max((segment.until - segment.from_on).days, 1)
                return round(segment.x1 + (day - segment.from_on).days / length * (segment.x2 - segment.x1), 1)
        return last.x2


def make_axis(starts: Sequence[date], last: date) -> Axis:
    """An axis wide around each start, to `last`."""
    pieces: list[tuple[date, date, bool, date]] = []
    ordered = sorted(set(starts)) or [last - timedelta(days=WIDE)]
    for index, start in enumerate(ordered):
        at_end = max(last, start + timedelta(days=28)) + timedelta(days=3)
        following = ordered[index + 1] - timedelta(days=BEFORE) if index + 1 < len(ordered) else at_end
        from_on = max(start - timedelta(days=BEFORE), pieces[-1][1] if pieces else date.min)
        end = min(start + timedelta(days=WIDE), following)
        if end > from_on:
            pieces.append((from_on, end, True, start))
        if following > end:
            pieces.append((end, following, False, start))
    weights = [(until - from_on).days if wide else min(max((until - from_on).days * 0.12, 45), 170) for from_on, until, wide, _ in pieces]
    scale = (RIGHT - LEFT) / sum(weights)
    axis, at = Axis(), LEFT
    for (from_on, until, wide, start), weight in zip(pieces, weights, strict=True):
        axis.segments.append(Segment(from_on, until, round(at, 1), round(at + weight * scale, 1), wide, start))
        at += weight * scale
    return axis


def ticks(axis: Axis) -> list[dict[str, Any]]:
    """Grid lines: days 0, 29, 57, 84 of each wide piece, years in the narrow ones; {x, day} or {x, years}."""
    found: list[dict[str, Any]] = []
    origin = axis.segments[0].start
    for segment in axis.segments:
        if segment.wide:
            for days in (0, 29, 57, 84):
                on = segment.start + timedelta(days=days)
                if segment.from_on <= on <= segment.until:
                    found.append({"x": axis.x(on), "day": days, "first": segment.start == origin})
        else:
            for years in range(1, 40):
                on = origin + timedelta(days=round(365.25 * years))
                if segment.from_on < on < segment.until:
                    found.append({"x": axis.x(on), "years": years})
    spaced: list[dict[str, Any]] = []
    for tick in found:
        if tick.get("day") == 0 and spaced and tick["x"] - spaced[-1]["x"] < 44:
            spaced.pop()
        if not spaced or tick["x"] - spaced[-1]["x"] >= 44 or tick.get("day") == 0:
            spaced.append(tick)
    return spaced


def timeline(starts: Sequence[date], plain: Sequence[Row], materials: Sequence[Row], consent: Sequence[Row], today: date) -> dict[str, Any]:
    """Lay out the rows: `plain` ones (episodes, studies, doses), one per material family, one per consent component."""
    everything = [mark.on for row in (*plain, *materials) for mark in row.marks]
    axis = make_axis(starts, max([today, *everything]))
    y = 62.0
    drawn: dict[str, Any] = {"plain": [], "materials": [], "consent": []}
    for row in plain:
        drawn["plain"].append(_row(row, axis, y, today))
        y += 31
    drawn["materials_y"] = y + 5
    y += 40
    for row in materials:
        drawn["materials"].append(_row(row, axis, y, today))
        y += 46
    drawn["consent_y"] = y + 4
    y += 38
    for row in consent:
        drawn["consent"].append(_row(row, axis, y, today))
        y += 28
    return drawn | {"height": y + 14, "ticks": ticks(axis), "today": axis.x(today), "segments": axis.segments, "end": RIGHT}


def _row(row: Row, axis: Axis, y: float, today: date) -> dict[str, Any]:
    marks: list[dict[str, Any]] = []
    free_from = 0.0
    for mark in sorted(row.marks, key=lambda one: one.on):
        x = axis.x(mark.on)
        shown = mark.label if x >= free_from and mark.label else ""
        if shown:
            free_from = x + max(LABEL_WIDTH, 7.5 * len(shown) + 4)
        marks.append({"x": x, "kind": mark.kind, "label": shown, "words": mark.words})
    stretches = []
    for one in row.stretches:
        x1, x2 = axis.x(one.from_on), axis.x(one.until or max(today, one.from_on))
        # A label is drawn only where it fits: 7 px a letter.
        label = one.label if x2 - x1 > 7 * len(one.label) + 10 else ""
        stretches.append({"x": x1, "width": max(round(x2 - x1, 1), 3), "kind": one.kind, "label": label})
    return {"title": row.title, "family": row.family, "y": y, "marks": marks, "stretches": stretches}
