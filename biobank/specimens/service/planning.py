"""Planning a draw: its tubes exist, with codes and so with labels, before anything is drawn."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from biobank.core import codes
from biobank.core.errors import Fault, FieldsWrong
from biobank.core.vocabulary import term
from biobank.core.work import Work
from biobank.custody.service import Birth, Doing, bear, record
from biobank.identity import service as identity
from biobank.specimens.models import Collection, Specimen
from biobank.specimens.rules import SpecimenKind
from biobank.studies.queries import definition
from biobank.studies.rules import Draw, Event, event_named
from biobank.subjects import queries as subjects
from biobank.subjects.models import Enrolment


@dataclass(frozen=True, slots=True)
class NewCollection:
    """A draw to plan. `anchor` is the ordinal of the event's anchor (None: the latest)."""

    participant: str
    study: str
    event: str
    planned_on: date
    anchor: int | None = None


def plan_collection(work: Work, new: NewCollection) -> Collection:
    """A collection with its expected tubes, as the study's event says.

    A day outside the window or an anchor not told yet is shown, not refused: the ward decides when it draws.
    Raises NotEnrolled, ConsentRefused, FieldsWrong for an unknown event or anchor, Forbidden.
    """
    enrolment = subjects.enrolment_of(work, new.participant, new.study)
    identity.require(work, "plan-collection", enrolment.study, enrolment.organisation)
    event = event_named(definition(work, enrolment.study, enrolment.version), new.event)
    collection = Collection(
        code=codes.new_codes(work.session, work.random, 1)[0], enrolment_id=enrolment.id, event=event.code, anchor_kind=event.anchor,
        anchor_ordinal=_anchor(work, enrolment, event, new.anchor), planned_on=new.planned_on, drawn_at=None, organisation=enrolment.organisation,
    )
    work.session.add(collection)
    work.session.flush()
    codes.bind_codes(work.session, "collection", [(collection.code, collection.id)])
    _expect(work, enrolment, collection, event.draws)
    return collection


def _anchor(work: Work, enrolment: Enrolment, event: Event, ordinal: int | None) -> int | None:
    known = sorted(anchor.ordinal for anchor, _ in subjects.anchors(work, [enrolment.id]) if anchor.kind == event.anchor)
    if ordinal is None:
        return event.anchor_ordinal or (known[-1] if known else None)
    if ordinal not in known:
        told = ", ".join(map(str, known)) or "none"
        raise FieldsWrong([Fault("/anchor", f"there is no “{event.anchor}” with this ordinal; there are: {told}", ordinal)])
    return ordinal


def _expect(work: Work, enrolment: Enrolment, collection: Collection, draws: tuple[Draw, ...]) -> None:
    fresh = codes.new_codes(work.session, work.random, len(draws))
    participant = subjects.participant(work, enrolment.participant_id)
    tubes, births = [], []
    for number, (code, draw) in enumerate(zip(fresh, draws, strict=True), start=1):
        material = term(work, "material", draw.material, "/event")
        tubes.append(
            Specimen(
                code=code, collection_id=collection.id, kind=SpecimenKind.PRIMARY, material=draw.material, family=material.facts["family"],
                container_type=draw.container_type, purpose=draw.purpose, ordinal=number, siblings=len(draws),
            )
        )
    work.session.add_all(tubes)
    work.session.flush()
    codes.bind_codes(work.session, "specimen", [(tube.code, tube.id) for tube in tubes])
    for tube in tubes:
        births.append(
            Birth(
                specimen_id=tube.id, code=tube.code, participant_id=enrolment.participant_id, enrolment_id=enrolment.id, study=enrolment.study,
                facts=identity_facts(tube, participant.code, enrolment.study, collection),
                unit=term(work, "material", tube.material, "/event").facts["unit"],
                residual=tube.purpose == "residual", responsible=enrolment.organisation, custodian=enrolment.organisation,
            )
        )
    bear(work, births)
    # A draw of the past is judged as of its day: that the child has come of age since then bites at arrival and at every use.
    asked_on = min(collection.planned_on or work.today, work.today)
    record(work, [Doing(tube.id, "expect", {"planned_on": str(collection.planned_on)}, asked_on=asked_on) for tube in tubes])


def identity_facts(tube: Specimen, participant: str, study: str, collection: Collection, parents: tuple[str, ...] = ()) -> dict[str, object]:
    """What entry 1 says a tube is: all of it may be amended, none of it is personal."""
    return {
        "participant": participant, "study": study, "collection": collection.code, "event": collection.event, "kind": str(tube.kind),
        "material": tube.material, "container_type": tube.container_type, "purpose": tube.purpose, "parents": list(parents),
    }
