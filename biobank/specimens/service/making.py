"""Tubes made from a tube: aliquots stay in the parent's lot, derivatives open a lot of their own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from biobank.core import codes
from biobank.core.errors import Fault, FieldsWrong
from biobank.core.units import Quantity
from biobank.core.vocabulary import Term, term
from biobank.core.work import Work
from biobank.custody.service import Birth, Doing, Recorded, bear, record
from biobank.specimens import queries
from biobank.specimens.models import Parent, Processing, Specimen
from biobank.specimens.rules import SpecimenKind
from biobank.specimens.service.planning import identity_facts

# The usual tube of the freezer (config/vocabularies/containers.toml).
ALIQUOT_TUBE = "CRYOVIAL"


@dataclass(frozen=True, slots=True)
class NewAliquots:
    """`count` tubes of `amount` each, of the parent's material; `measured` corrects the parent's amount first, in the same entry."""

    count: int
    amount: Quantity
    measured: Quantity | None = None
    container_type: str = ALIQUOT_TUBE
    occurred_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class NewDerivatives:
    """`count` tubes of another material, `amount` each (None: not known yet); `used` of the parent goes into it (None: all that is free).

    `processing` holds g, minutes and temperature in tenths of °C, as far as told.
    """

    material: str
    count: int
    amount: Quantity | None = None
    used: Quantity | None = None
    processing: dict[str, int] = field(default_factory=dict)
    container_type: str = ALIQUOT_TUBE
    occurred_at: datetime | None = None


def aliquot(work: Work, code: str, new: NewAliquots) -> tuple[Recorded, list[Specimen]]:
    """Take aliquots. Raises OverDraw, AmountUnknown, NotReleased, ConsentRefused, NotInThisState, FieldsWrong."""
    parent = queries.specimen(work, code)
    _check_count(new.count)
    term(work, "container_type", new.container_type, "/container_type")
    facts = {"count": new.count}
    taken = record(work, [Doing(parent.id, "aliquot", facts, amount=new.amount, measured=new.measured, occurred_at=new.occurred_at)])[0]
    _read_again(work, parent)
    material = term(work, "material", parent.material, "/material")
    made = _make(work, taken, parent, SpecimenKind.ALIQUOT, material, new.count, new.container_type)
    _bear(work, taken, parent, made, material, new.amount.amount, "aliquoted", lot_id=taken.row.lot_id, occurred_at=new.occurred_at)
    return taken, made


def derive(work: Work, code: str, new: NewDerivatives) -> tuple[Recorded, list[Specimen]]:
    """Make derivatives of another material; the parent's used amount is processed, the new lot's amount is its yield.

    Raises as `aliquot`, and FieldsWrong for a material that this one does not give.
    """
    parent = queries.specimen(work, code)
    _check_count(new.count)
    term(work, "container_type", new.container_type, "/container_type")
    material = term(work, "material", new.material, "/material")
    _check_made_from(material, parent.material)
    if new.amount is not None and new.amount.unit != material.facts["unit"]:
        raise FieldsWrong([Fault("/volume/unit", f"{new.material} is measured in {material.facts['unit']}", new.amount.unit)])
    facts = {"material": new.material, "count": new.count, "processing": dict(new.processing)}
    taken = record(work, [Doing(parent.id, "derive", facts, amount=new.used, occurred_at=new.occurred_at)])[0]
    _read_again(work, parent)
    made = _make(work, taken, parent, SpecimenKind.DERIVATIVE, material, new.count, new.container_type)
    _bear(work, taken, parent, made, material, new.amount.amount if new.amount else None, "yield", lot_id=None, occurred_at=new.occurred_at)
    if new.processing:
        work.session.add_all(
            Processing(
                specimen_id=tube.id, g=new.processing.get("g"), minutes=new.processing.get("minutes"), temp_dc=new.processing.get("temp_dc"),
                at=new.occurred_at or work.now,
            )
            for tube in made
        )
        work.session.flush()
    return taken, made


def _read_again(work: Work, parent: Specimen) -> None:
    # Before its lock the tube may have been of a draw that it has left since: its children are of the draw it is of now.
    work.session.refresh(parent, ["collection_id"])


def _check_count(count: int) -> None:
    if not 1 <= count <= 96:
        raise FieldsWrong([Fault("/count", "give a whole number from 1 to 96", count)])


def _check_made_from(material: Term, parent: str) -> None:
    allowed = material.facts.get("made_from") or ()
    if parent not in allowed:
        right = f"{material.code} is made from {', '.join(allowed) or 'nothing here'}, not from {parent}"
        raise FieldsWrong([Fault("/material", right, material.code)])


def _make(
    work: Work, taken: Recorded, parent: Specimen, kind: SpecimenKind, material: Term, count: int, container_type: str
) -> list[Specimen]:
    family = material.facts["family"]
    before = queries.children_count(work, parent.id)
    tubes = [
        Specimen(
            code=code, collection_id=parent.collection_id, kind=kind, material=material.code,
            family=parent.family if family == "inherit" else family, container_type=container_type, purpose=parent.purpose,
            ordinal=before + number, siblings=before + count,
        )
        for number, code in enumerate(codes.new_codes(work.session, work.random, count), start=1)
    ]
    work.session.add_all(tubes)
    work.session.flush()
    codes.bind_codes(work.session, "specimen", [(tube.code, tube.id) for tube in tubes])
    work.session.add_all(Parent(child_id=tube.id, parent_id=parent.id) for tube in tubes)
    work.session.flush()
    return tubes


def _bear(
    work: Work, taken: Recorded, parent: Specimen, made: Sequence[Specimen], material: Term, amount: int | None, account: str, *,
    lot_id: int | None, occurred_at: datetime | None,
) -> None:
    """The children's first entries; they inherit the parent's holds, its release, and within a material class its thaws."""
    row, standing = taken.row, taken.standing
    parent_class = term(work, "material", parent.material, "/material").facts["thaw_class"]
    thaws = standing.thaws if material.facts["thaw_class"] == parent_class else 0
    participant = queries.participant_code(work, row.participant_id)
    collection = queries.collection_by_id(work, parent.collection_id)
    made_by: dict[str, Any] = {"chain": taken.entry.chain, "seq": taken.entry.seq}
    bear(
        work,
        [
            Birth(
                specimen_id=tube.id, code=tube.code, participant_id=row.participant_id, enrolment_id=row.enrolment_id, study=row.study,
                facts=identity_facts(tube, participant, row.study, collection, (parent.code,)) | {"made_by": made_by},
                unit=material.facts["unit"], residual=standing.residual, responsible=standing.responsible or work.who.organisation,
                custodian=standing.custodian or work.who.organisation, status="in_custody", released_on=standing.released_on, amount=amount,
                from_account=account, lot_id=lot_id, thaws=thaws, holds=standing.holds, occurred_at=occurred_at,
            )
            for tube in made
        ],
    )
