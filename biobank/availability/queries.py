"""The one plain SQL behind availability: the same text on both databases, one statement and so one moment per question.

Every tube in question is judged in a common table (`judged`): NULL when it is available, else the first reason why not.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, fields
from typing import Any

from sqlalchemy import (
    CTE,
    ColumnElement,
    Integer,
    String,
    and_,
    case,
    cast,
    column,
    distinct,
    false,
    func,
    literal,
    null,
    or_,
    select,
    true,
    union_all,
    values,
)

from biobank.availability.rules import HELD, REASONS, Answer, Cell, Criteria, in_order
from biobank.consent.models import ConsentState
from biobank.core.db import BigInt
from biobank.core.work import Grant, Work
from biobank.custody.models import HoldRow, Standing
from biobank.identity.rules import PERMISSIONS
from biobank.specimens.models import Collection as Draw
from biobank.specimens.models import Specimen
from biobank.studies.models import StudyVersion
from biobank.studies.queries import definition
from biobank.studies.rules import components_for
from biobank.subjects.models import Enrolment, Episode

PERMISSION = "read-availability"
# A plan that came to nothing was never a tube.
NEVER = ("cancelled",)


@dataclass(frozen=True, slots=True)
class AvailableTube:
    """A tube that counts. `set_` names participant, event and material: the tubes that can stand in for one another."""

    specimen_id: int
    code: str
    participant_id: int
    enrolment_id: int
    study: str
    material: str
    event: str | None
    set_: str
    thaws: int
    remaining: int | None
    unit: str


def count(work: Work, criteria: Criteria, by: Sequence[str], within: Iterable[Grant] | None = None) -> Answer:
    """Tubes and participants per cell, their totals, and every other tube under its first reason. `within`: only what these grants show."""
    judged = _judged(work, criteria, within, ("participant_id", *by))
    # First per participant, which both databases do by hashing; distinct participants are then rows, and nothing large is sorted.
    keys = [judged.c.why, judged.c.participant_id, *(judged.c[name] for name in by)]
    each = select(*keys, func.count().label("tubes")).group_by(*keys).cte("each")
    axes = [each.c[name] for name in by]
    blanks = [cast(null(), String).label(name) for name in by]
    free = each.c.why.is_(None)
    tubes = cast(func.coalesce(func.sum(each.c.tubes), 0), BigInt).label("tubes")
    children = func.count(distinct(each.c.participant_id)).label("participants")
    parts: list[Any] = [
        select(literal("total").label("part"), cast(null(), String).label("why"), *blanks, tubes, children).where(free),
        select(literal("why"), each.c.why, *blanks, tubes, literal(0)).where(~free).group_by(each.c.why),
    ]
    if by:
        # Cells without an available tube are told as well: a zero is a real zero.
        some = cast(func.sum(case((free, each.c.tubes), else_=0)), BigInt)
        parts.append(select(literal("cell"), cast(null(), String), *axes, some, func.sum(case((free, 1), else_=0))).group_by(*axes))
    rows = work.session.execute(union_all(*parts)).all()
    total = next(row for row in rows if row.part == "total")
    cells = [Cell(tuple(row[2 : 2 + len(by)]), row.tubes, row.participants) for row in rows if row.part == "cell"]
    why = {row.why: row.tubes for row in rows if row.part == "why"}
    return Answer(
        tuple(by), total.tubes, total.participants, tuple(sorted(cells, key=lambda cell: [word or "" for word in cell.at])),
        tuple((code, why[code]) for code in in_order(why)),
    )


def available_specimens(work: Work, criteria: Criteria, limit: int | None = None, within: Iterable[Grant] | None = None) -> list[AvailableTube]:
    """The tubes that count, by code; at most `limit`."""
    names = [field.name for field in fields(AvailableTube)]
    judged = _judged(work, criteria, within, names)
    shown = [judged.c[name] for name in names]
    query = select(*shown).where(judged.c.why.is_(None)).order_by(judged.c.code).limit(limit)
    return [AvailableTube(*row) for row in work.session.execute(query)]


def why_not(work: Work, criteria: Criteria, codes: Collection[str]) -> dict[str, str | None]:
    """For each of the tubes that the criteria cover: None when it is available, else the reason's code."""
    judged = _judged(work, criteria, None, ("code",))
    return {row.code: row.why for row in work.session.execute(select(judged.c.code, judged.c.why).where(judged.c.code.in_(sorted(codes))))}


def _judged(work: Work, criteria: Criteria, within: Iterable[Grant] | None, columns: Iterable[str]) -> CTE:
    """The tubes in question with the columns asked for and `why`. Only those: the table is kept for several readers, so each column costs."""
    refused = _refused(work, criteria)
    kinds = select(HoldRow.specimen_id, func.min(HoldRow.kind).label("kind")).where(HoldRow.closed_seq.is_(None))
    held = kinds.group_by(HoldRow.specimen_id).cte("held")
    why = case(*_conditions(held), else_=func.substr(refused.c.first, 3)).label("why")
    known = _columns()
    query = (
        select(*(known[name].label(name) for name in dict.fromkeys(columns)), why)
        .select_from(Standing)
        .join(Specimen, Specimen.id == Standing.specimen_id)
        .join(Draw, Draw.id == Specimen.collection_id)
        .join(Enrolment, Enrolment.id == Standing.enrolment_id)
        .outerjoin(held, held.c.specimen_id == Standing.specimen_id)
        .outerjoin(refused, refused.c.enrolment_id == Standing.enrolment_id)
        .where(Standing.status.not_in(NEVER), *_narrowed(criteria))
    )
    if within is not None:
        query = query.where(_shown(within))
    return query.cte("judged")


def _columns() -> dict[str, ColumnElement[Any]]:
    return {
        "specimen_id": _plain(Standing.specimen_id), "code": _plain(Standing.code), "participant_id": _plain(Standing.participant_id),
        "enrolment_id": _plain(Standing.enrolment_id), "study": _plain(Standing.study), "organisation": _plain(Enrolment.organisation),
        "family": _plain(Specimen.family), "material": _plain(Specimen.material), "event": _plain(Draw.event), "disease": _disease(),
        "set_": _set(), "thaws": _plain(Standing.thaws), "unit": _plain(Standing.unit),
        "remaining": case((Standing.certainty != "unknown", Standing.remaining)),
    }


def _plain(attribute: Any) -> ColumnElement[Any]:
    found: ColumnElement[Any] = attribute.expression
    return found


def _conditions(held: CTE) -> list[tuple[ColumnElement[bool], ColumnElement[Any]]]:
    """The conditions of `rules.REASONS`, in that order."""
    met: dict[str, ColumnElement[bool]] = {
        "not-received": Standing.status == "expected",
        "gone": Standing.status == "gone",
        "with-recipient": Standing.status == "with_recipient",
        "held": Standing.open_holds > 0,
        "not-released": and_(Standing.residual.is_(True), Standing.released_on.is_(None)),
        "out": Standing.is_out.is_(True),
        "reserved": Standing.open_reservations > 0,
        # Nobody has measured a tube of unknown amount; it is there all the same.
        "nothing-left": and_(Standing.certainty != "unknown", Standing.remaining <= 0),
    }
    words = {"held": literal(HELD).concat(func.coalesce(held.c.kind, "hold"))}
    return [(met[reason.code], words.get(reason.code, literal(reason.code))) for reason in REASONS]


def _refused(work: Work, criteria: Criteria) -> CTE:
    """Enrolments whose consent refuses the purpose today, with the first reason: the component's place, then its reason."""
    needed = _needed(work, criteria)
    state = ConsentState
    on_the_day = and_(
        state.enrolment_id == Enrolment.id, state.component == needed.c.component, state.from_on <= work.today,
        or_(state.until_on.is_(None), state.until_on > work.today),
    )
    first = func.min(needed.c.place.concat(func.coalesce(state.reason, needed.c.without)))
    return (
        select(Enrolment.id.label("enrolment_id"), first.label("first"))
        .join(needed, and_(needed.c.study == Enrolment.study, needed.c.version == Enrolment.version))
        .outerjoin(state, on_the_day)
        .where(or_(state.granted.is_(None), state.granted.is_(False)))
        .group_by(Enrolment.id)
        .cte("refused")
    )


def _needed(work: Work, criteria: Criteria) -> CTE:
    """Which components each study version asks for the purpose, in order; a version without the purpose asks what nobody has."""
    rows: list[tuple[str, int, str, str, str]] = []
    for study, version in sorted(work.session.execute(select(StudyVersion.study, StudyVersion.version))):
        components = components_for(definition(work, study, version), criteria.purpose, criteria.uses)
        if components is None:
            rows.append((study, version, "00", "", "not-offered"))
        else:
            rows += [(study, version, f"{place:02}", component, "no-decision") for place, component in enumerate(components)]
    shape = values(
        column("study", String), column("version", Integer), column("place", String), column("component", String), column("without", String),
        name="needed_rows",
    )
    return shape.data(rows or [("", 0, "", "", "")]).cte("needed")


def _set() -> ColumnElement[str]:
    """Participant, occasion and material. An occasion is an event with its anchor; an unplanned draw is one by itself."""
    occasion = case(
        (Draw.event.is_(None), literal("#").concat(cast(Draw.id, String))),
        else_=Draw.event.concat(":").concat(func.coalesce(cast(Draw.anchor_ordinal, String), "")),
    )
    return cast(Standing.participant_id, String).concat("|").concat(occasion).concat("|").concat(Specimen.material)


def _disease() -> ColumnElement[str | None]:
    """The disease of the newest episode diagnosed by the day of the draw; before any, that of the first."""
    of_the_child = Episode.participant_id == Standing.participant_id
    drawn = func.coalesce(Draw.drawn_at, Draw.planned_on)
    known = select(func.max(Episode.ordinal)).where(of_the_child, Episode.diagnosed_on <= drawn).correlate(Standing, Draw).scalar_subquery()
    first = select(func.min(Episode.ordinal)).where(of_the_child).correlate(Standing).scalar_subquery()
    return (
        select(Episode.disease_group)
        .where(of_the_child, Episode.ordinal == func.coalesce(known, first))
        .correlate(Standing, Draw)
        .scalar_subquery()
    )


def _narrowed(criteria: Criteria) -> list[ColumnElement[bool]]:
    pairs: list[tuple[Any, tuple[str, ...]]] = [
        (Standing.study, criteria.studies), (Enrolment.organisation, criteria.organisations), (Specimen.material, criteria.materials),
        (Specimen.family, criteria.families),
        (Draw.event, criteria.events), (_disease(), criteria.diseases),
    ]
    return [given.in_(words) for given, words in pairs if words]


def _shown(grants: Iterable[Grant]) -> ColumnElement[bool]:
    """What the grants show: their study's tubes that their organisation has or answers for."""
    shown: list[ColumnElement[bool]] = [false()]
    for grant in grants:
        if grant.role in PERMISSIONS[PERMISSION]:
            study = Standing.study == grant.study if grant.study else true()
            place = or_(Standing.custodian == grant.organisation, Standing.responsible == grant.organisation) if grant.organisation else true()
            shown.append(and_(study, place))
    return or_(*shown)
