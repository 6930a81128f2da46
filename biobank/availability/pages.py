"""The heat map material × event, what narrows it down, why the other tubes do not count, and the way to a request."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import flask
from flask import render_template

from biobank.availability import service
from biobank.availability.queries import PERMISSION
from biobank.availability.rules import USES, Answer, Cell, Criteria, Reason, reason
from biobank.core.vocabulary import Term, terms
from biobank.core.work import Work
from biobank.identity.service import may
from biobank.studies.queries import studies
from biobank.studies.rules import StudyDefinition
from biobank.web import present
from biobank.web.blueprint import PageBlueprint
from biobank.web.language import _

pages = PageBlueprint("availability", "biobank.availability")

# From how much of the largest cell on the hue deepens: four steps, as the stylesheet has them.
STEPS = ((0.6, "q4"), (0.3, "q3"), (0.1, "q2"), (0.0, "q1"))
UNPLANNED = ""


@dataclass(frozen=True, slots=True)
class Square:
    """One cell of the heat map; `item` is how a request names it, `href` chooses it or lets it go."""

    tubes: int
    participants: int
    depth: str
    item: str
    chosen: bool
    href: str


@dataclass(frozen=True, slots=True)
class Row:
    """One row: material and family, with a cell per event; None: not collected at this event."""

    family: str
    title: str
    squares: tuple[Square | None, ...]


@dataclass(frozen=True, slots=True)
class Bar:
    """One line of the waterfall: words, tubes, and where its bar begins and how long it is (of 100)."""

    title: str
    tubes: int
    standing: str
    start: float
    length: float


@pages.get("/availability", permission=PERMISSION)
def availability_page(work: Work) -> str:
    """Exact counts for insiders."""
    known = [study for study in studies(work) if may(work, PERMISSION, study=study.code)]
    criteria = _criteria(known)
    answer = service.count(work, criteria, ("family", "material", "event"))
    by_study = service.count(work, _without(criteria, "studies"), ("study",))
    by_disease = service.count(work, _without(criteria, "diseases"), ("disease",))
    asked = [study for study in known if study.code in criteria.studies] or known
    events = _events(asked, answer)
    chosen = [item for item in flask.request.args.getlist("item") if item.count(":") == 2]
    rows = _rows(answer, events, terms(work, "material"), chosen)
    marked = [(row, place, one) for row in rows for place, one in enumerate(row.squares) if one is not None and one.chosen]
    picked = [one for _row, _place, one in marked]
    return render_template(
        "availability/counts.html", answer=answer, criteria=criteria, purposes=_purposes(known), uses=_uses(), events=events, rows=rows,
        bars=waterfall(answer), studies=_facet(by_study, {study.code: study.short_title for study in known}, criteria.studies),
        diseases=_facet(by_disease, _titles(terms(work, "disease_group")), criteria.diseases), as_of=work.now, chosen=picked,
        chosen_words=[f"{row.title} {events[place][0] or _('unplanned')}" for row, place, _one in marked],
        ask=_ask(criteria, picked) if may(work, "request") else None, one_study=len(criteria.studies) == 1,
    )


def _criteria(known: Sequence[StudyDefinition]) -> Criteria:
    args = flask.request.args
    chosen = tuple(dict.fromkeys(args.getlist("study")))
    # With one study there is nothing to choose.
    if not chosen and len(known) == 1:
        chosen = (known[0].code,)
    purpose = args.get("purpose") or "supply"
    uses = frozenset(args.getlist("uses")) if purpose == "supply" else frozenset()
    return Criteria(purpose, uses, chosen, materials=(), diseases=tuple(dict.fromkeys(args.getlist("disease"))))


def _without(criteria: Criteria, name: str) -> Criteria:
    kept: dict[str, Any] = {"studies": criteria.studies, "diseases": criteria.diseases} | {name: ()}
    return Criteria(criteria.purpose, criteria.uses, **kept)


def _events(asked: Iterable[StudyDefinition], answer: Answer) -> list[tuple[str, str]]:
    """Codes and titles of the events that gave a tube, in the order of the studies; what nobody planned comes last."""
    met = {cell.at[2] for cell in answer.cells}
    titles = {event.code: event.title for study in reversed(list(asked)) for event in study.events}
    order = dict.fromkeys(event.code for study in asked for event in study.events)
    found = [(code, titles[code]) for code in order if code in met]
    found += [(code, "") for code in sorted(code for code in met if code and code not in order)]
    return found + ([(UNPLANNED, _("unplanned"))] if None in met else [])


def _rows(answer: Answer, events: Sequence[tuple[str, str]], materials: Any, chosen: Sequence[str]) -> list[Row]:
    cells = {(cell.at[0] or "other", cell.at[1] or "", cell.at[2] or UNPLANNED): cell for cell in answer.cells}
    largest = max((cell.tubes for cell in answer.cells), default=0)
    order = {code: place for place, code in enumerate(materials)}
    families = {"marrow": 0, "blood": 1, "csf": 2}
    keys = sorted({(family, material) for family, material, _event in cells}, key=lambda key: (families.get(key[0], 3), order.get(key[1], 999)))
    return [
        Row(
            family, _title(materials.get(material), material, family),
            tuple(_square(cells.get((family, material, event)), f"{material}:{event}:{family}", largest, chosen) for event, _words in events),
        )
        for family, material in keys
    ]


def _title(term: Term | None, material: str, family: str) -> str:
    if term is None:
        return material
    title = present.in_language(term.title, term.title_nl)
    if term.facts.get("family") != "inherit":
        return title
    origin = {"marrow": _("from marrow"), "blood": _("from blood"), "csf": _("from CSF")}.get(family)
    return f"{title}, {origin}" if origin else title


def _square(cell: Cell | None, item: str, largest: int, chosen: Sequence[str]) -> Square | None:
    if cell is None:
        return None
    share = cell.tubes / largest if largest else 0
    depth = next((depth for least, depth in STEPS if cell.tubes and share >= least), "")
    is_chosen = item in chosen
    items = [one for one in chosen if one != item] if is_chosen else [*chosen, item]
    return Square(cell.tubes, cell.participants, depth, item, is_chosen, _link("/availability", items))


def _link(path: str, items: Sequence[str]) -> str:
    kept = [(name, value) for name, value in flask.request.args.items(multi=True) if name != "item"]
    return f"{path}?{urlencode([*kept, *(('item', item) for item in items)])}#heat"


def _ask(criteria: Criteria, picked: Sequence[Square]) -> str:
    asked = [("purpose", criteria.purpose), ("uses", ",".join(sorted(criteria.uses)))]
    asked += [("study", study) for study in criteria.studies[:1]] + [("item", square.item) for square in picked]
    return f"/requests/new?{urlencode(asked)}"


def waterfall(answer: Answer) -> list[Bar]:
    """From what exists to what is available: each reason takes its share away, from the right to the left."""
    there = answer.tubes + sum(tubes for _code, tubes in answer.not_available)
    left = there
    bars = [Bar(_("Exist"), there, "neutral", 0.0, 100.0 if there else 0.0)]
    for code, tubes in answer.not_available:
        left -= tubes
        row: Reason = reason(code)
        bars.append(Bar(_(row.title), -tubes, row.standing, round(100 * left / there, 2), round(100 * tubes / there, 2)))
    bars.append(Bar(_("Available"), answer.tubes, "available", 0.0, round(100 * answer.tubes / there, 2) if there else 0.0))
    return bars


def _facet(answer: Answer, titles: dict[str, str], chosen: Sequence[str]) -> list[tuple[str, str, int, bool]]:
    """(code, title, tubes, chosen) of everything that can narrow the question down."""
    tubes = {cell.at[0]: cell.tubes for cell in answer.cells}
    return [(code, title, tubes.get(code, 0), code in chosen) for code, title in titles.items() if code in tubes or code in chosen]


def _titles(words: Any) -> dict[str, str]:
    return {code: present.in_language(term.title, term.title_nl) for code, term in words.items()}


def _purposes(known: Iterable[StudyDefinition]) -> list[tuple[str, str]]:
    named = [("supply", _("supply to a request")), ("export", _("export of data")), ("store", _("storage"))]
    return named + [(f"use:{sub.code}", _("use: %(sub)s", sub=sub.code)) for study in known for sub in study.sub_studies]


def _uses() -> list[tuple[str, str]]:
    return list(zip(USES, (_("genetic"), _("commercial")), strict=True))
