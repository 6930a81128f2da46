"""Tubes with their standing, collection and child, in few statements; and what the lineage picture needs."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, false, func, or_, select, true

from biobank.core.codes import CodeUnknown, resolve, spaced
from biobank.core.work import Work
from biobank.custody.models import Posting, Standing
from biobank.custody.rules.shown import shown_standing
from biobank.identity.rules import PERMISSIONS
from biobank.ledger.models import Entry
from biobank.places.models import Container
from biobank.specimens.models import Collection, Parent, Processing, Specimen
from biobank.subjects.models import Enrolment, Participant


@dataclass(frozen=True, slots=True)
class TubeRow:
    """A tube with all that one row tells. Amounts are in base units of `unit`; `parent_id` None for a primary."""

    id: int
    code: str
    kind: str
    material: str
    family: str
    container_type: str
    purpose: str
    ordinal: int
    siblings: int
    parent_id: int | None
    collection_id: int
    collection: str
    event: str | None
    planned_on: date | None
    drawn_at: datetime | None
    participant: str
    participant_id: int
    enrolment_id: int
    study: str
    version: int
    organisation: str
    chain_id: int
    lot_id: int
    status: str
    reason: str | None
    custodian: str | None
    responsible: str | None
    residual: bool
    released_on: date | None
    unit: str
    remaining: int
    reserved: int
    certainty: str
    thaws: int
    container_id: int | None
    container: str | None
    row: int | None
    column: int | None
    placed_at: datetime | None
    is_out: bool
    last_seen_at: datetime | None
    open_holds: int
    open_reservations: int

    @property
    def standing(self) -> str:
        """The one word for its standing."""
        return shown_standing(self)

    @property
    def position(self) -> str | None:
        """`D5` in its box, None without a place."""
        return f"{chr(64 + self.row)}{self.column}" if self.row is not None else None

    @property
    def amount(self) -> int | None:
        """What is left, None while nobody has measured it."""
        return None if self.certainty == "unknown" else self.remaining


_TUBES = (
    select(
        Specimen.id, Specimen.code, Specimen.kind, Specimen.material, Specimen.family, Specimen.container_type, Specimen.purpose,
        Specimen.ordinal, Specimen.siblings, Parent.parent_id, Specimen.collection_id, Collection.code.label("collection"), Collection.event,
        Collection.planned_on, Collection.drawn_at, Participant.code.label("participant"), Standing.participant_id, Standing.enrolment_id,
        Enrolment.study, Enrolment.version, Enrolment.organisation, Standing.chain_id, Standing.lot_id, Standing.status, Standing.reason,
        Standing.custodian, Standing.responsible, Standing.residual, Standing.released_on, Standing.unit, Standing.remaining, Standing.reserved,
        Standing.certainty, Standing.thaws, Standing.container_id, Container.code.label("container"), Standing.row, Standing.column,
        Standing.placed_at, Standing.is_out, Standing.last_seen_at, Standing.open_holds, Standing.open_reservations,
    )
    .join(Standing, Standing.specimen_id == Specimen.id)
    .join(Collection, Collection.id == Specimen.collection_id)
    .join(Enrolment, Enrolment.id == Standing.enrolment_id)
    .join(Participant, Participant.id == Standing.participant_id)
    .outerjoin(Container, Container.id == Standing.container_id)
    .outerjoin(Parent, Parent.child_id == Specimen.id)
)


def seen_tubes(work: Work) -> ColumnElement[bool]:
    """Which standings the actor may see: by study, at the organisation that has the tube or answers for it."""
    roles = PERMISSIONS["read-specimens"]
    each: list[ColumnElement[bool]] = []
    for grant in work.actor.grants if work.actor else ():
        if grant.role not in roles:
            continue
        study = true() if grant.study is None else Standing.study == grant.study
        at = grant.organisation
        each.append(and_(study, true() if at is None else or_(Standing.custodian == at, Standing.responsible == at)))
    return or_(*each) if each else false()


def tubes_of(work: Work, *where: ColumnElement[bool], limit: int | None = None) -> list[TubeRow]:
    """Tubes that fit the conditions and that the actor may see, in the order of their making. A pooled tube shows its first parent."""
    query = _TUBES.where(seen_tubes(work), *where).order_by(Specimen.id, Parent.parent_id).limit(limit)
    found: dict[int, TubeRow] = {}
    rows: list[Any] = list(work.session.execute(query))
    for row in rows:
        found.setdefault(row.id, TubeRow(*row))
    return list(found.values())


def tubes_by_id(work: Work, ids: Iterable[int]) -> dict[int, TubeRow]:
    """These tubes as far as the actor may see them, by id."""
    return {row.id: row for row in tubes_of(work, seen_tubes(work), Specimen.id.in_(sorted(set(ids))))}


def held_tubes(work: Work, limit: int) -> list[TubeRow]:
    """Tubes on hold that are here, expected or with a recipient."""
    return tubes_of(work, Standing.open_holds > 0, Standing.status.in_(("in_custody", "with_recipient", "expected")), limit=limit)


def find_tube(work: Work, scanned: str) -> TubeRow:
    """The tube with this code. Raises CodeMistyped, or CodeUnknown also when the actor may not see it."""
    code, _, ref = resolve(work.session, scanned, "specimen")
    found = tubes_of(work, Specimen.id == ref)
    if not found:
        raise CodeUnknown(code=spaced(code), what="specimen", key=code)
    return found[0]


def family_tree(work: Work, tube: TubeRow) -> list[TubeRow]:
    """Every tube that comes from the same primary, the primary first."""
    all_of_draw = tubes_of(work, Specimen.collection_id == tube.collection_id)
    by_id = {one.id: one for one in all_of_draw} | {tube.id: tube}
    root = tube
    while root.parent_id in by_id:
        root = by_id[root.parent_id]
    kept = {root.id}
    for one in sorted(by_id.values(), key=lambda each: each.id):
        if one.parent_id in kept:
            kept.add(one.id)
    return [by_id[root.id], *(one for one in sorted(by_id.values(), key=lambda each: each.id) if one.id in kept and one.id != root.id)]


def collected_amounts(work: Work, tube_ids: Iterable[int]) -> dict[int, int]:
    """What each tube held when it began (the first amount posted to it), in base units."""
    ids = sorted(set(tube_ids))
    first = (
        select(Posting.specimen_id, func.min(Posting.seq).label("seq"))
        .where(Posting.specimen_id.in_(ids), Posting.account == "tube", Posting.amount > 0)
        .group_by(Posting.specimen_id)
        .subquery()
    )
    query = (
        select(Posting.specimen_id, func.sum(Posting.amount))
        .join(first, (first.c.specimen_id == Posting.specimen_id) & (first.c.seq == Posting.seq))
        .where(Posting.account == "tube")
        .group_by(Posting.specimen_id)
    )
    return {int(row[0]): int(row[1]) for row in work.session.execute(query) if row[0] is not None}


def births_of(work: Work, chain_ids: Iterable[int]) -> dict[int, dict[str, Any]]:
    """The facts of the first entries of chains: what made each tube, among others; by chain id."""
    query = select(Entry.chain_id, Entry.body).where(Entry.chain_id.in_(sorted(set(chain_ids))), Entry.seq == 1)
    return {int(row.chain_id): json.loads(row.body)["facts"] for row in work.session.execute(query)}


def taken_by_entries(work: Work, chain_ids: Iterable[int]) -> dict[tuple[int, int], int]:
    """What aliquoting and deriving took from tubes: base units by (chain id, seq)."""
    query = (
        select(Posting.chain_id, Posting.seq, func.sum(Posting.amount))
        .where(Posting.chain_id.in_(sorted(set(chain_ids))), Posting.account.in_(("aliquoted", "processed")), Posting.amount > 0)
        .group_by(Posting.chain_id, Posting.seq)
    )
    return {(int(row[0]), int(row[1])): int(row[2]) for row in work.session.execute(query)}


def processing_of(work: Work, tube_ids: Iterable[int]) -> dict[int, Processing]:
    """How derivatives were made, by tube."""
    query = select(Processing).where(Processing.specimen_id.in_(sorted(set(tube_ids))))
    return {row.specimen_id: row for row in work.session.execute(query).scalars()}
