"""Tubes that turned out to be of another draw: their rows follow the `reassign` entries that custody wrote."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

from sqlalchemy import delete, tuple_, update

from biobank.core import codes
from biobank.core.work import Work
from biobank.specimens.models import Collection, Earmark, Specimen


def open_draw(work: Work, enrolment_id: int, organisation: str, drawn_at: datetime | None) -> Collection:
    """An unplanned draw of a child, for tubes that have none there yet."""
    collection = Collection(
        code=codes.new_codes(work.session, work.random, 1)[0], enrolment_id=enrolment_id, event=None, anchor_kind=None, anchor_ordinal=None,
        planned_on=None, drawn_at=drawn_at, organisation=organisation,
    )
    work.session.add(collection)
    work.session.flush()
    codes.bind_codes(work.session, "collection", [(collection.code, collection.id)])
    return collection


def rehome(work: Work, draws: Mapping[int, int], ended: Iterable[tuple[int, str]]) -> None:
    """Put tubes into draws (ids by tube id), and end earmarks (tube id and sub-study)."""
    for collection_id in sorted(set(draws.values())):
        ids = sorted(tube for tube, draw in draws.items() if draw == collection_id)
        work.session.execute(update(Specimen).where(Specimen.id.in_(ids)).values(collection_id=collection_id))
    marks = sorted(ended)
    if marks:
        work.session.execute(delete(Earmark).where(tuple_(Earmark.specimen_id, Earmark.sub_study).in_(marks)))
    work.session.flush()
