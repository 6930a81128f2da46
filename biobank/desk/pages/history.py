"""The picture “everything over time” of a participant: what was planned, drawn, missed, given and decided."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from biobank.consent.rules import Period
from biobank.core.vocabulary import terms
from biobank.core.work import Work
from biobank.desk.pages import words
from biobank.desk.queries import CollectionRow
from biobank.studies.rules import Event, StudyDefinition, window
from biobank.web import present
from biobank.web.language import _
from biobank.web.timeline import Mark, Row, Stretch, timeline

if TYPE_CHECKING:
    from biobank.subjects.models import Anchor, Dose, Enrolment, Episode

FAMILIES = ("marrow", "blood", "csf")


@dataclass(frozen=True, slots=True)
class Life:
    """All that is drawn of a participant. `states`: the stored consent periods by enrolment and component."""

    enrolments: Sequence[Enrolment]
    studies: dict[int, StudyDefinition]
    episodes: Sequence[Episode]
    anchors: Sequence[tuple[Anchor, Dose | None]]
    draws: Sequence[CollectionRow]
    states: dict[int, dict[str, list[Period]]]


@dataclass(frozen=True, slots=True)
class Due:
    """A draw of the protocol that is planned, open or missed: where it belongs and when."""

    enrolment: Enrolment
    event: Event
    anchor: Anchor
    planned: date
    first: date
    last: date
    kind: str


def dues(work: Work, life: Life) -> list[Due]:
    """What the protocols ask for and no draw answers: open now, due later, or missed. By day."""
    done = {(draw.enrolment_id, draw.event, draw.anchor_ordinal) for draw in life.draws}
    found: list[Due] = []
    for enrolment in life.enrolments:
        for event in life.studies[enrolment.id].events:
            for anchor, _dose in life.anchors:
                if anchor.enrolment_id != enrolment.id or not _counts_from(event, anchor) or (enrolment.id, event.code, anchor.ordinal) in done:
                    continue
                planned, first, last = window(event, anchor.at)
                kind = "missed" if last < work.today else "open" if first <= work.today else "due"
                found.append(Due(enrolment, event, anchor, planned, first, last, kind))
    return sorted(found, key=lambda due: due.planned)


def _counts_from(event: Event, anchor: Anchor) -> bool:
    if anchor.kind != event.anchor:
        return False
    if event.anchor_ordinal is not None:
        return anchor.ordinal == event.anchor_ordinal
    return event.repeatable or anchor.ordinal == 1


def picture(work: Work, life: Life, due: Sequence[Due]) -> dict[str, Any]:
    """The laid-out picture and the same as table rows."""
    starts = [episode.diagnosed_on for episode in life.episodes] or [enrolment.enrolled_on for enrolment in life.enrolments]
    materials = _materials(work, life, due)
    doses = tuple(Mark(anchor.at, "dose", "", words.term_title(work, "product", dose.product)) for anchor, dose in life.anchors if dose)
    plain = [_episodes(work, life), _enrolments(work, life)] + ([Row(_("Asparaginase"), marks=doses)] if doses else [])
    drawn = timeline(starts, plain, materials, _consent(work, life), work.today)
    rows = sorted(
        ((mark.on, row.title, mark.label, mark.kind) for row in (*materials, Row(_("Asparaginase"), marks=doses)) for mark in row.marks),
        key=lambda one: (one[0], one[1]),
    )
    return {"drawing": drawn, "rows": rows, "kinds": mark_words()}


def mark_words() -> dict[str, str]:
    """The words for the marks of the picture."""
    return {
        "drawn": _("drawn"), "open": _("open now"), "due": _("planned"), "missed": _("missed"), "dose": _("dose"), "waiting": _("planned"),
    }


def _episodes(work: Work, life: Life) -> Row:
    stretches = []
    for index, episode in enumerate(life.episodes):
        until = life.episodes[index + 1].diagnosed_on if index + 1 < len(life.episodes) else None
        told = (words.term_title(work, "episode_kind", episode.kind), words.term_title(work, "disease_group", episode.disease_group))
        label = ", ".join(filter(None, told))
        stretches.append(Stretch(episode.diagnosed_on, until, "ep" if index == 0 else "ep ep-2", label))
    return Row(_("Episode"), stretches=tuple(stretches))


def _enrolments(work: Work, life: Life) -> Row:
    ordered = list(life.enrolments)
    stretches = [
        Stretch(one.enrolled_on, ordered[index + 1].enrolled_on if index + 1 < len(ordered) else None, "study", life.studies[one.id].short_title)
        for index, one in enumerate(ordered)
    ]
    return Row(_("Study"), stretches=tuple(stretches))


def _materials(work: Work, life: Life, due: Sequence[Due]) -> list[Row]:
    marks: dict[str, list[Mark]] = {family: [] for family in FAMILIES}
    spoken = mark_words()
    for draw in life.draws:
        on = work_day(work, draw)
        if on is None or (draw.cancelled and not draw.arrived and not draw.expected):
            continue
        late = draw.planned_on is not None and draw.planned_on < work.today
        kind = "drawn" if draw.arrived else "missed" if late else "due"
        for family in draw.families:
            if family in marks:
                marks[family].append(Mark(on, kind, draw.event or "", f"{draw.event or ''} {spoken[kind]}"))
    known = terms(work, "material")
    for one in due:
        families = {str(known[draw.material].facts.get("family")) for draw in one.event.draws if draw.material in known}
        for family in families & set(FAMILIES):
            # Drawn in its window under another study: the child was pricked once, and nothing is missed.
            if any(mark.kind == "drawn" and mark.label == one.event.code and one.first <= mark.on <= one.last for mark in marks[family]):
                continue
            marks[family].append(Mark(one.planned, one.kind, one.event.code, f"{one.event.code} {spoken[one.kind]}"))
    titles = {"marrow": _("Marrow"), "blood": _("Blood"), "csf": present.mark_first(_("CSF"))}
    return [Row(titles[family], family, tuple(_merged(marks[family]))) for family in FAMILIES]


def _merged(marks: list[Mark]) -> list[Mark]:
    """One mark per day and kind: several tubes of a family at one draw are one mark."""
    seen: dict[tuple[date, str], Mark] = {}
    for mark in marks:
        seen.setdefault((mark.on, mark.kind), mark)
    return list(seen.values())


def work_day(work: Work, draw: CollectionRow) -> date | None:
    """The civil day of a draw at the site: when it was drawn, else when it is planned."""
    return draw.drawn_at.astimezone(work.zone).date() if draw.drawn_at else draw.planned_on


def _consent(work: Work, life: Life) -> list[Row]:
    rows: list[Row] = []
    several = len(life.enrolments) > 1
    by_component: dict[str, list[Stretch]] = {}
    titles: dict[str, str] = {}
    for enrolment in life.enrolments:
        for component in life.studies[enrolment.id].components:
            title = present.in_language(component.title, component.title_nl)
            key = f"{component.code}/{enrolment.study}" if several else component.code
            titles[key] = _short(title, 23)
            for period in life.states.get(enrolment.id, {}).get(component.code, []):
                by_component.setdefault(key, []).append(_stretch(period, work.today))
    for key, stretches in by_component.items():
        kept = tuple(stretch for stretch in stretches if stretch.from_on <= work.today)
        if any(stretch.kind != "open" for stretch in kept):
            rows.append(Row(titles[key], stretches=kept))
    return rows


def _stretch(period: Period, today: date) -> Stretch:
    # The first day of an age gate is a birthday: only its month is drawn.
    from_on = period.from_on.replace(day=1) if period.at_birthday else period.from_on
    until = min(period.until_on, today + timedelta(days=1)) if period.until_on else None
    if period.granted:
        return Stretch(from_on, until, "yes", _("yes"))
    waiting = period.reason in {"no-decision", "signatory-missing"}
    return Stretch(from_on, until, "open" if waiting else "no", words.reason(period.reason or ""))


def _short(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1].rstrip() + "…"
