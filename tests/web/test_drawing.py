"""The numbers behind the pictures."""

from __future__ import annotations

import itertools
from datetime import date, timedelta

from hypothesis import given
from hypothesis import strategies as st

from biobank.web.drawing import Batch, Column, Tube, columns, lineage, nice_step
from biobank.web.timeline import LEFT, RIGHT, Mark, Row, make_axis, timeline


def tube(*batches: Batch) -> Tube:
    return Tube("SB4DR120", "1 mL", "available", "words", "/", batches=list(batches))


def test_every_tube_of_a_lineage_gets_its_own_box_inside_the_drawing() -> None:
    inner = tube(Batch("Aliquots", "2 ×", [tube(), tube()], 100))
    drawn = lineage(tube(Batch("Cells", "", [tube() for _ in range(4)], 1_000), Batch("Aliquots", "", [inner, tube()], 500)), 4_000)
    assert len(drawn.boxes) == 8
    assert all(box["y"] >= 0 and box["y"] + 27 <= drawn.height and box["x"] + 214 <= drawn.width for box in drawn.boxes)
    places = sorted((box["x"], box["y"]) for box in drawn.boxes)
    assert all(a[0] != b[0] or b[1] - a[1] >= 27 for a, b in itertools.pairwise(places))


@given(st.lists(st.integers(0, 5_000), min_size=1, max_size=12))
def test_columns_stay_below_the_highest_grid_line(counts: list[int]) -> None:
    drawn = columns([Column(str(n), (("marrow", n),)) for n in counts])
    top = drawn["grid"][-1]
    assert top["value"] >= max(counts) and len(drawn["grid"]) <= 6
    assert all(part["y"] >= top["y"] - 0.1 for column in drawn["columns"] for part in column["parts"])


@given(st.integers(0, 10**6))
def test_a_grid_step_is_round(largest: int) -> None:
    step = nice_step(largest)
    assert step * 3 >= largest and str(step).rstrip("0") in {"1", "2", "5"}


@given(st.lists(st.integers(0, 6_000), min_size=1, max_size=4), st.integers(0, 400))
def test_a_time_axis_never_runs_backwards(starts: list[int], after: int) -> None:
    origin = date(2015, 1, 1)
    days = [origin + timedelta(days=one) for one in starts]
    last = max(days) + timedelta(days=after)
    axis = make_axis(days, last)
    places = [axis.x(min(days) + timedelta(days=n)) for n in range(-10, (last - min(days)).days + 10, 7)]
    assert places == sorted(places) and places[0] >= LEFT and places[-1] <= RIGHT


def test_labels_of_close_marks_do_not_overlap() -> None:
    day = date(2026, 3, 1)
    marks = tuple(Mark(day + timedelta(days=n), "drawn", f"D{n}") for n in range(20))
    drawn = timeline([day], [], [Row("Marrow", "marrow", marks)], [], day + timedelta(days=30))
    shown = [mark["x"] for mark in drawn["materials"][0]["marks"] if mark["label"]]
    assert len(drawn["materials"][0]["marks"]) == 20
    assert all(b - a >= 20 for a, b in itertools.pairwise(shown))
