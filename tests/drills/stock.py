"""Tubes to drill with, made through the use cases before the load begins."""

from __future__ import annotations

from dataclasses import dataclass

from biobank.core.work import Work
from biobank.places.service import NewContainer, add_container
from biobank.specimens import queries as specimens
from biobank.specimens.service import NewCollection, plan_collection
from tests.availability.stock import STUDY, aliquots, child, draw
from tests.drills.server import Server


@dataclass(frozen=True, slots=True)
class Stock:
    """Codes: tubes in custody (of several children), tubes that are expected, and boxes of 9 by 9."""

    tubes: list[str]
    expected: list[str]
    boxes: list[str]


def box(work: Work, title: str, rows: int = 9, columns: int = 9) -> str:
    """A new box; its code."""
    return add_container(work, NewContainer("box", title, rows, columns)).code


def lay_in(server: Server, *, first: int, children: int, each: int, draws: int, boxes: int) -> Stock:
    """`children` with `each` aliquots, `draws` planned draws of three tubes, and boxes. `first` numbers the children: no two drills share one."""

    def lay(work: Work) -> Stock:
        tubes: list[str] = []
        expected: list[str] = []
        for number in range(first, first + children):
            code = child(work, number)
            primary = draw(work, code, volume=20_000_000)
            tubes += aliquots(work, primary, each)
            for _ in range(draws):
                planned = plan_collection(work, NewCollection(code, STUDY, "DX", work.today))
                expected += [row.code for row in specimens.of_collection(work, planned.id)]
        return Stock(tubes, expected, [box(work, f"Drill {number}") for number in range(boxes)])

    return server.as_("manager", lay)


def primaries(server: Server, first: int, count: int, volume: int = 1_000_000) -> list[tuple[str, str]]:
    """`count` children with one released marrow tube each: pairs of participant and tube."""

    def lay(work: Work) -> list[tuple[str, str]]:
        made = []
        for number in range(first, first + count):
            code = child(work, number)
            made.append((code, draw(work, code, volume=volume)))
        return made

    return server.as_("manager", lay)
