"""A tube that nobody planned: it is here, so it is recorded; what is wrong with it opens a hold."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from biobank.core import codes
from biobank.core.errors import Fault, FieldsWrong
from biobank.core.times import not_ahead, stamp
from biobank.core.units import Quantity
from biobank.core.vocabulary import Term, term
from biobank.core.work import Work
from biobank.custody.service import Birth, Doing, Recorded, bear, record
from biobank.identity import service as identity
from biobank.specimens import queries
from biobank.specimens.models import Collection, ExternalCode, Specimen
from biobank.specimens.rules import ExternalCodeTaken, Purpose, SpecimenKind
from biobank.specimens.service.planning import identity_facts
from biobank.subjects import queries as subjects
from biobank.subjects.models import Enrolment


@dataclass(frozen=True, slots=True)
class NewArrival:
    """An unplanned tube in the hand. `external` is issuer and code as they stand on it."""

    participant: str
    study: str
    material: str
    container_type: str
    purpose: str
    collected_at: datetime
    amount: Quantity | None = None
    external: tuple[str, str] | None = None


def register_arrival(work: Work, new: NewArrival) -> tuple[Specimen, Recorded]:
    """Register and receive, in good condition, a tube that was not planned; held when consent does not grant `store`.

    Raises NotEnrolled, ExternalCodeTaken, FieldsWrong, Forbidden.
    """
    enrolment = subjects.enrolment_of(work, new.participant, new.study)
    identity.require(work, "handle", enrolment.study)
    if new.purpose not in set(Purpose):
        raise FieldsWrong([Fault("/purpose", f"use one of {', '.join(Purpose)}", new.purpose)])
    material = term(work, "material", new.material, "/material")
    term(work, "container_type", new.container_type, "/container_type")
    drawn_at = not_ahead(new.collected_at, work.now, "/collected_at")
    if new.amount is not None and new.amount.unit != material.facts["unit"]:
        raise FieldsWrong([Fault("/volume/unit", f"{new.material} is measured in {material.facts['unit']}", new.amount.unit)])
    if new.external is not None:
        _check_external(work, *new.external)
    collection, tube = _write(work, new, enrolment, material, drawn_at)
    participant = subjects.participant(work, enrolment.participant_id)
    facts = identity_facts(tube, participant.code, enrolment.study, collection) | {
        "external_code": list(new.external) if new.external else None, "drawn_at": stamp(drawn_at),
    }
    birth = Birth(
        specimen_id=tube.id, code=tube.code, participant_id=enrolment.participant_id, enrolment_id=enrolment.id, study=enrolment.study, facts=facts,
        unit=material.facts["unit"], residual=new.purpose == Purpose.RESIDUAL, responsible=enrolment.organisation,
        custodian=work.who.organisation, status="expected",
    )
    bear(work, [birth])
    received = record(work, [Doing(tube.id, "receive", {"condition": "good", "unplanned": True}, amount=new.amount)])[0]
    return tube, received


def _write(work: Work, new: NewArrival, enrolment: Enrolment, material: Term, drawn_at: datetime) -> tuple[Collection, Specimen]:
    fresh = codes.new_codes(work.session, work.random, 2)
    collection = Collection(
        code=fresh[0], enrolment_id=enrolment.id, event=None, anchor_kind=None, anchor_ordinal=None, planned_on=None, drawn_at=drawn_at,
        organisation=enrolment.organisation,
    )
    work.session.add(collection)
    work.session.flush()
    tube = Specimen(
        code=fresh[1], collection_id=collection.id, kind=SpecimenKind.PRIMARY, material=new.material, family=material.facts["family"],
        container_type=new.container_type, purpose=new.purpose, ordinal=1, siblings=1,
    )
    work.session.add(tube)
    work.session.flush()
    if new.external is not None:
        work.session.add(ExternalCode(issuer=new.external[0], code=new.external[1], specimen_id=tube.id))
        work.session.flush()
    codes.bind_codes(work.session, "collection", [(collection.code, collection.id)])
    codes.bind_codes(work.session, "specimen", [(tube.code, tube.id)])
    return collection, tube


def _check_external(work: Work, issuer: str, code: str) -> None:
    for pointer, text in (("/external_code/issuer", issuer), ("/external_code/code", code)):
        if not text.strip() or not text.isprintable():
            raise FieldsWrong([Fault(pointer, "give the text as it stands on the tube, printable characters only", text[:80])])
    holder = queries.by_external_code(work, issuer, code)
    if holder is not None:
        seen = queries.may_see(work, queries.standing(work, holder.id))
        raise ExternalCodeTaken(issuer=issuer, code=code, holder=codes.spaced(holder.code) if seen else "a tube that you may not see")
