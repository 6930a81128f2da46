"""Reading tubes, collections and lineage."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date
from typing import Any

from sqlalchemy import BindParameter, CompoundSelect, and_, bindparam, false, func, literal_column, or_, select, true, union_all

from biobank.core import codes
from biobank.core.db import AnyRow
from biobank.core.units import quantity_json
from biobank.core.work import Work
from biobank.custody import queries as custody
from biobank.custody.models import Standing
from biobank.identity import service as identity
from biobank.identity.rules import PERMISSIONS
from biobank.ledger.models import Note
from biobank.places.models import Container
from biobank.places.rules import position_text
from biobank.specimens.models import Collection, Earmark, ExternalCode, Parent, Specimen
from biobank.studies.models import SubStudyRow
from biobank.studies.queries import definition
from biobank.studies.rules import window
from biobank.subjects.models import Anchor, Enrolment, Participant

# All that a list shows of a tube, in one query.
TUBE = (
    select(
        Specimen.id, Specimen.code, Specimen.kind, Specimen.material, Specimen.family, Specimen.container_type, Specimen.purpose,
        Specimen.ordinal, Specimen.siblings, Specimen.collection_id, Collection.code.label("collection"), Collection.event, Collection.anchor_ordinal,
        Collection.planned_on, Collection.drawn_at, Participant.code.label("participant"), Enrolment.study, Enrolment.organisation,
        *(column for column in Standing.__table__.c if column.name not in {"code", "study"}),
    )
    .join(Standing, Standing.specimen_id == Specimen.id)
    .join(Collection, Collection.id == Specimen.collection_id)
    .join(Enrolment, Enrolment.id == Standing.enrolment_id)
    .join(Participant, Participant.id == Standing.participant_id)
)

# The hot path: built once, sent without the session's own work.
_THESE: BindParameter[Any] = bindparam("ids", expanding=True)
_TUBES = (
    TUBE.outerjoin(Container, Container.id == Standing.container_id)
    .add_columns(Container.code.label("container"))
    .where(Specimen.id.in_(_THESE))
)
_BESIDE: CompoundSelect[*tuple[Any, ...]] = union_all(
    select(Parent.child_id, literal_column("'parent'"), Specimen.code, literal_column("''"))
    .join(Specimen, Specimen.id == Parent.parent_id)
    .where(Parent.child_id.in_(_THESE)),
    select(Earmark.specimen_id, literal_column("'earmark'"), Earmark.sub_study, literal_column("''")).where(Earmark.specimen_id.in_(_THESE)),
    select(ExternalCode.specimen_id, literal_column("'external'"), ExternalCode.issuer, ExternalCode.code)
    .where(ExternalCode.specimen_id.in_(_THESE)),
)


def specimen(work: Work, scanned: str, permission: str = "read-specimens") -> Specimen:
    """The tube with this code. Raises CodeMistyped, or CodeUnknown also for a tube the actor may not see."""
    return work.session.get_one(Specimen, specimen_id(work, scanned, permission))


def specimen_id(work: Work, scanned: str, permission: str = "read-specimens") -> int:
    """The id of the tube with this code, for those who need no more of it. Raises as `specimen`."""
    code, _, ref = codes.resolve(work.session, scanned, "specimen")
    row = standing(work, ref)
    if not may_see(work, row, permission):
        raise codes.CodeUnknown(code=codes.spaced(code), what="specimen", key=code)
    return ref


def may_see(work: Work, row: AnyRow, permission: str = "read-specimens") -> bool:
    """Whether the actor may see a tube: by study, at the organisation that has it or answers for it."""
    return any(identity.may(work, permission, row.study, at) for at in (row.custodian, row.responsible) if at)


def standing(work: Work, specimen_id: int) -> AnyRow:
    """A tube's standing row."""
    return custody.standings(work, [specimen_id])[specimen_id]


def tubes(work: Work, ids: Iterable[int]) -> dict[int, AnyRow]:
    """All that a list shows of these tubes, with `container` (the code), by id, in one query."""
    found = work.session.connection().execute(_TUBES, {"ids": sorted(set(ids))})
    return {row.id: row for row in found}


def collection(work: Work, scanned: str) -> Collection:
    """The collection with this code. Raises CodeMistyped, or CodeUnknown also for one the actor may not see."""
    code, _, ref = codes.resolve(work.session, scanned, "collection")
    found = collection_by_id(work, ref)
    enrolment = work.session.get_one(Enrolment, found.enrolment_id)
    if not identity.may(work, "read-specimens", enrolment.study, enrolment.organisation):
        raise codes.CodeUnknown(code=codes.spaced(code), what="collection", key=code)
    return found


def collection_by_id(work: Work, collection_id: int) -> Collection:
    """The collection with this id."""
    return work.session.get_one(Collection, collection_id)


def of_collection(work: Work, collection_id: int) -> list[AnyRow]:
    """The tubes of a collection in the order they were made."""
    return list(work.session.execute(TUBE.where(Specimen.collection_id == collection_id).order_by(Specimen.id)))


def children_count(work: Work, parent_id: int) -> int:
    """How many tubes were made from this one."""
    return int(work.session.execute(select(func.count()).select_from(Parent).where(Parent.parent_id == parent_id)).scalar_one())


def parents(work: Work, ids: Iterable[int]) -> dict[int, list[str]]:
    """Codes of the parents, by child id."""
    return {one: codes_ for one, (codes_, _, _) in _beside(work, ids).items() if codes_}


def lineage(work: Work, tube: Specimen) -> tuple[list[AnyRow], list[tuple[int, int]]]:
    """Every tube of the same collection, and the pairs (parent id, child id) among them: the whole tree in two queries."""
    rows = of_collection(work, tube.collection_id)
    ids = [row.id for row in rows]
    pairs = work.session.execute(select(Parent.parent_id, Parent.child_id).where(Parent.child_id.in_(ids)).order_by(Parent.child_id))
    return rows, [(pair.parent_id, pair.child_id) for pair in pairs]


def earmarks(work: Work, ids: Iterable[int]) -> dict[int, list[str]]:
    """Sub-studies that tubes are earmarked for, by tube id."""
    return {one: marks for one, (_, marks, _) in _beside(work, ids).items() if marks}


def external_codes(work: Work, ids: Iterable[int]) -> dict[int, list[dict[str, str]]]:
    """Foreign codes with their issuers, by tube id."""
    return {one: foreign for one, (_, _, foreign) in _beside(work, ids).items() if foreign}


def _beside(work: Work, ids: Iterable[int]) -> dict[int, tuple[list[str], list[str], list[dict[str, str]]]]:
    """Parents' codes, earmarks and foreign codes of tubes, each in order, by tube id: three tables in one query."""
    found: dict[int, tuple[list[str], list[str], list[dict[str, str]]]] = {}
    rows = work.session.connection().execute(_BESIDE, {"ids": sorted(set(ids))})
    for id_, what, first, second in sorted(tuple(row) for row in rows):
        above, marks, foreign = found.setdefault(id_, ([], [], []))
        if what == "external":
            foreign.append({"issuer": first, "code": second})
        else:
            (above if what == "parent" else marks).append(first)
    return found


def by_external_code(work: Work, issuer: str, code: str) -> Specimen | None:
    """The tube that bears a foreign code."""
    query = select(Specimen).join(ExternalCode, ExternalCode.specimen_id == Specimen.id)
    return work.session.execute(query.where(ExternalCode.issuer == issuer, ExternalCode.code == code)).scalar_one_or_none()


def participant_code(work: Work, participant_id: int) -> str:
    """The participant's code."""
    return work.session.get_one(Participant, participant_id).code


def study_of_sub_study(work: Work, sub_study: str) -> str | None:
    """The study a sub-study belongs to."""
    return work.session.execute(select(SubStudyRow.study).where(SubStudyRow.code == sub_study)).scalar_one_or_none()


def page_of(work: Work, conditions: Sequence[Any], after: str | None, limit: int) -> list[AnyRow]:
    """Tubes that meet the conditions, by code, at most `limit + 1` after the code `after`."""
    query = TUBE.where(*conditions).order_by(Specimen.code).limit(limit + 1)
    return list(work.session.execute(query.where(Specimen.code > after) if after else query))


def shown(work: Work, ids: Sequence[int]) -> list[dict[str, Any]]:
    """Tubes as the API and the pages show them, in the order of `ids`, in a fixed number of queries."""
    rows = tubes(work, ids)
    beside = _beside(work, ids)
    held = [row.id for row in rows.values() if row.open_holds]
    holds = custody.open_holds(work, held) if held else {}
    reasons = _hold_reasons(work, held) if held else {}
    return [
        _shown(rows[one], *beside.get(one, ([], [], [])), holds.get(one, []), reasons)
        for one in ids
    ]


def _shown(
    row: AnyRow, above: list[str], marks: list[str], foreign: list[dict[str, str]], holds: Sequence[AnyRow],
    reasons: dict[tuple[int, int], str],
) -> dict[str, Any]:
    place = f"{row.container}:{position_text(row.row, row.column)}" if row.container_id is not None else None
    return {
        "code": row.code, "kind": row.kind, "material": row.material, "family": row.family, "container_type": row.container_type,
        "purpose": row.purpose, "participant": row.participant, "study": row.study, "collection": row.collection, "event": row.event,
        "parent": above[0] if above else None,
        "ordinal": row.ordinal, "siblings": row.siblings, "drawn_at": row.drawn_at, "status": row.status, "reason": row.reason,
        "custodian": row.custodian, "responsible": row.responsible, "released_on": row.released_on, "position": place, "is_out": row.is_out,
        "remaining": quantity_json(None if row.certainty == "unknown" else row.remaining, row.unit),
        "reserved": quantity_json(row.reserved, row.unit), "certainty": row.certainty, "thaws": row.thaws,
        "holds": [{"kind": hold.kind, "since": hold.since, "reason": reasons.get((row.id, hold.opened_seq))} for hold in holds],
        "earmarks": marks, "external_codes": foreign, "last_seen_at": row.last_seen_at, "etag": str(row.seq),
    }


def _hold_reasons(work: Work, ids: Sequence[int]) -> dict[tuple[int, int], str]:
    """The texts given when holds were opened, by tube id and seq, as far as they have not been erased."""
    query = (
        select(Standing.specimen_id, Note.seq, Note.text)
        .join(Note, Note.chain_id == Standing.chain_id)
        .where(Standing.specimen_id.in_(ids), Note.name == "reason")
    )
    return {(row.specimen_id, row.seq): row.text for row in work.session.execute(query)}


def conditions(filters: dict[str, Any]) -> list[Any]:
    """Query conditions of the list's filters. Raises CodeMistyped for a participant's code."""
    if filters.get("participant"):
        filters = filters | {"participant": codes.parse_code(filters["participant"])}
    columns = {
        "study": Standing.study, "participant": Participant.code, "material": Specimen.material, "event": Collection.event,
        "status": Standing.status,
    }
    found: list[Any] = [columns[name] == value for name, value in filters.items() if name in columns and value is not None]
    if filters.get("earmark"):
        found.append(Specimen.id.in_(select(Earmark.specimen_id).where(Earmark.sub_study == filters["earmark"])))
    return found


def visible(work: Work, permission: str = "read-specimens") -> Any:
    """A condition: the tubes the actor may see."""
    roles = PERMISSIONS[permission]
    each = [
        and_(
            true() if grant.study is None else Standing.study == grant.study,
            true() if grant.organisation is None else or_(Standing.custodian == grant.organisation, Standing.responsible == grant.organisation),
        )
        for grant in (work.actor.grants if work.actor else ())
        if grant.role in roles
    ]
    return or_(*each) if each else false()


def shown_collection(work: Work, found: Collection) -> dict[str, Any]:
    """A draw as the API and the pages show it: its window as far as the anchor is known, and its tubes."""
    enrolment = work.session.get_one(Enrolment, found.enrolment_id)
    days = window_of(work, found, enrolment)
    return {
        "code": found.code, "participant": participant_code(work, enrolment.participant_id), "study": enrolment.study, "event": found.event,
        "anchor": found.anchor_ordinal, "planned_on": found.planned_on, "drawn_at": found.drawn_at,
        "window": {"from_day": days[1], "to_day": days[2]} if days else None,
        "in_window": days[1] <= found.planned_on <= days[2] if days and found.planned_on else None,
        "specimens": shown(work, [row.id for row in of_collection(work, found.id)]),
    }


def window_of(work: Work, found: Collection, enrolment: Enrolment) -> tuple[date, date, date] | None:
    """(planned day, first day, last day) of a draw's event; None for an unplanned draw or while its anchor is not known."""
    event = definition(work, enrolment.study, enrolment.version).event(found.event) if found.event else None
    if event is None or found.anchor_ordinal is None:
        return None
    query = select(Anchor.at).where(Anchor.enrolment_id == enrolment.id, Anchor.kind == found.anchor_kind, Anchor.ordinal == found.anchor_ordinal)
    day = work.session.execute(query).scalar_one_or_none()
    return window(event, day) if day else None
