"""The list of studies, and one study: its events on a time line, what families are asked, its sub-studies, and what is assumed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from datetime import date
from typing import Any

from flask import render_template

from biobank.core.vocabulary import Term, terms
from biobank.core.work import Work
from biobank.studies import queries
from biobank.studies.rules import Based, Event, StudyDefinition
from biobank.web.blueprint import PageBlueprint
from biobank.web.present import language

pages = PageBlueprint("studies", __name__)

# The picture, in its own units: names at the left, days in the middle, tubes at the right.
WIDTH, LEFT, RIGHT, TUBE = 1100, 350, 930, 30
TOP, ROW, HEADING = 34, 32, 30


@dataclass(frozen=True, slots=True)
class Line:
    """One event in the picture: where its window and its planned day lie, and the families of its tubes."""

    event: Event
    y: int
    start: float
    end: float
    planned: float
    families: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Heading:
    """An anchor and the place of its name in the picture."""

    title: str
    y: int


@dataclass(frozen=True, slots=True)
class TimeLine:
    """Everything the picture needs; lengths in its own units."""

    width: int
    height: int
    left: int
    right: int
    tube: int
    zero: float
    ticks: tuple[tuple[int, float], ...]
    headings: tuple[Heading, ...]
    lines: tuple[Line, ...]


@pages.get("/studies", permission="read-studies", endpoint="studies_page")
def studies_page(work: Work) -> str:
    """Every study in its newest version."""
    rows = [(study, _recruits(study, work.today), len(list(_assumed(study)))) for study in queries.studies(work)]
    return render_template("studies/list.html", rows=rows)


@pages.get("/studies/<study>", permission="read-studies", endpoint="study_page")
def study_page(work: Work, study: str) -> str:
    """One study in its newest version."""
    found = queries.definition(work, study)
    return render_template(
        "studies/study.html",
        study=found,
        versions=queries.versions(work, study),
        recruits=_recruits(found, work.today),
        assumed_count=len(list(_assumed(found))),
        line=time_line(found, terms(work, "material"), _titles(terms(work, "anchor"))),
        materials=terms(work, "material"),
        title_of={name: _titles(terms(work, name)) for name in ("material", "container_type", "anchor")},
        dutch=language() == "nl",
    )


def time_line(study: StudyDefinition, materials: Mapping[str, Term], anchors: Mapping[str, str]) -> TimeLine:
    """Where everything stands in the picture: one row per event, grouped by anchor, on one axis of days since the anchor."""
    days = [event.offset_days + edge for event in study.events for edge in (event.from_days, event.to_days)]
    first, last = min([-7, *days]) - 1, max([28, *days]) + 1
    scale = (RIGHT - LEFT) / (last - first)

    def at(day: float) -> float:
        return round(LEFT + (day - first) * scale, 1)

    headings: list[Heading] = []
    lines: list[Line] = []
    y = TOP
    for anchor in dict.fromkeys(event.anchor for event in study.events):
        headings.append(Heading(anchors.get(anchor, anchor), y + 20))
        y += HEADING
        for event in (event for event in study.events if event.anchor == anchor):
            planned = event.offset_days
            # Half a day to each side, so that a window of one day can be seen.
            start, end = at(planned + event.from_days - 0.5), at(planned + event.to_days + 0.5)
            families = tuple(_family(materials, draw.material) for draw in event.draws)
            lines.append(Line(event, y, start, end, at(planned), families))
            y += ROW
    step = 7 if last - first < 60 else 14
    ticks = tuple((day, at(day)) for day in range(first, last + 1) if day % step == 0)
    return TimeLine(WIDTH, y + 8, LEFT, RIGHT, TUBE, at(0), ticks, tuple(headings), tuple(lines))


def _family(materials: Mapping[str, Term], code: str) -> str:
    term = materials.get(code)
    return str(term.facts["family"]) if term is not None else "other"


def _titles(words: Mapping[str, Term]) -> dict[str, str]:
    dutch = language() == "nl"
    return {code: term.title_nl if dutch else term.title for code, term in words.items()}


def _recruits(study: StudyDefinition, today: date) -> bool:
    return (study.opens_on is None or study.opens_on <= today) and (study.closes_on is None or today <= study.closes_on)


def _assumed(part: Any) -> Iterator[Based]:
    """Every part of a study that is assumed, in whole or in a field."""
    if isinstance(part, tuple):
        for inner in part:
            yield from _assumed(inner)
    elif is_dataclass(part):
        if isinstance(part, Based) and (part.assumed or part.assumed_fields):
            yield part
        for field in fields(part):
            if not field.name.startswith("_"):
                yield from _assumed(getattr(part, field.name))
