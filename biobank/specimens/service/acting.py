"""The acts of the bench that make no new tube, and corrections."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from biobank.core import codes
from biobank.core.errors import Fault, FieldsWrong
from biobank.core.times import not_ahead
from biobank.core.units import parse_quantity
from biobank.core.vocabulary import term
from biobank.core.work import Work
from biobank.custody.rules import ACTS, NotInThisState, Status
from biobank.custody.service import Doing, Recorded, record
from biobank.custody.service.reading import read_doing
from biobank.specimens import queries
from biobank.specimens.models import Collection, Earmark, Specimen
from biobank.specimens.rules import AMENDABLE, EarmarkedAlready, NotWanted, Purpose
from biobank.studies.queries import definition
from biobank.subjects import queries as subjects


def do(work: Work, specimen_id: int, act: str, facts: Mapping[str, Any], occurred_at: datetime | None = None) -> Recorded:
    """An act that changes one tube and makes none: receive, release, check-out, return, thaw, measure, hold, dispose … undo.

    Raises the refusals of `custody.rules` and FieldsWrong for facts that are not the act's.
    """
    doing = read_doing(work, specimen_id, ACTS[act], facts, not_ahead(occurred_at, work.now))
    if act == "check-out" and str(doing.facts.get("for", "work")) != "work":
        doing = replace(doing, purpose=doing.facts["for"])
    if act in {"measure", "spill"} and doing.amount is None:
        raise FieldsWrong([Fault("/facts/volume", f"“{act}” needs an amount: give volume, cells or pieces")])
    done = record(work, [doing])[0]
    if act == "collect":
        _set_drawn_at(work, specimen_id, doing.occurred_at or work.now)
    return done


def _set_drawn_at(work: Work, specimen_id: int, at: datetime) -> None:
    """The draw's time is told by the first tube of it that is collected."""
    tube = work.session.get_one(Specimen, specimen_id)
    collection = work.session.get_one(Collection, tube.collection_id)
    collection.drawn_at = collection.drawn_at or at
    work.session.flush()


def earmark(work: Work, code: str, sub_study: str) -> Recorded:
    """Link a tube to a sub-study of its child's study. An earmark carries no amount and excludes nobody.

    Raises FieldsWrong for an unknown sub-study, NotWanted, EarmarkedAlready, ConsentRefused, Held, NotInThisState.
    """
    tube = queries.specimen(work, code)
    row = queries.standing(work, tube.id)
    enrolment = subjects.enrolment(work, row.enrolment_id)
    study = definition(work, enrolment.study, enrolment.version)
    if study.sub_study(sub_study) is None:
        known = ", ".join(sub.code for sub in study.sub_studies) or "none"
        elsewhere = queries.study_of_sub_study(work, sub_study)
        if elsewhere is None:
            raise FieldsWrong([Fault("/sub_study", f"there is no such sub-study; those of {enrolment.study}: {known}", sub_study)])
        raise NotWanted(sub_study=sub_study, of=elsewhere, study=enrolment.study, known=known)
    if sub_study in queries.earmarks(work, [tube.id]).get(tube.id, ()):
        raise EarmarkedAlready(code=codes.spaced(tube.code), sub_study=sub_study)
    done = record(work, [Doing(tube.id, "earmark", {"sub_study": sub_study}, purpose=f"use:{sub_study}")])[0]
    work.session.add(Earmark(specimen_id=tube.id, sub_study=sub_study, made_at=work.now))
    work.session.flush()
    return done


def amend(work: Work, code: str, entry: int, field: str, value: Any, reason: str) -> Recorded:
    """Correct what an earlier entry says; the old value stays visible in the chain.

    `field` is amount (a quantity), material, container_type or purpose. Raises FieldsWrong that names what would be right.
    """
    tube = queries.specimen(work, code)
    row = queries.standing(work, tube.id)
    if not 1 <= entry <= row.seq:
        raise FieldsWrong([Fault("/entry", f"give the number of an entry of this tube, 1 to {row.seq}", entry)])
    if field not in AMENDABLE:
        raise FieldsWrong([Fault("/field", f"use one of {', '.join(AMENDABLE)}; code and kind are fixed", field)])
    facts: dict[str, Any] = {"entry": entry, "field": field, "reason": reason, "value": "-"}
    doing = read_doing(work, tube.id, ACTS["amend"], facts)
    kept = {"entry": entry, "field": field}
    if field == "amount":
        if row.status != Status.IN_CUSTODY:
            now = row.status.replace("_", " ")
            raise NotInThisState(code=codes.spaced(tube.code), status=now, act="amend amount", allowed="in custody", state=row.status)
        quantity = parse_quantity(value, "/value", row.unit, zero=True)
        kept |= {"old": row.remaining, "new": quantity.amount}
        return record(work, [replace(doing, facts=kept, amount=quantity)])[0]
    _check_value(work, tube.material, field, value)
    kept |= {"old": getattr(tube, field), "new": value}
    done = record(work, [replace(doing, facts=kept)])[0]
    setattr(tube, field, value)
    if field == "material":
        family = term(work, "material", value, "/value").facts["family"]
        tube.family = tube.family if family == "inherit" else family
    work.session.flush()
    return done


def _check_value(work: Work, material: str, field: str, value: Any) -> None:
    if not isinstance(value, str):
        raise FieldsWrong([Fault("/value", f"give the right {field} as text", None)])
    if field == "purpose" and value not in set(Purpose):
        raise FieldsWrong([Fault("/value", f"use one of {', '.join(Purpose)}", value)])
    if field == "container_type":
        term(work, "container_type", value, "/value")
    if field == "material":
        now, then = term(work, "material", value, "/value"), term(work, "material", material, "/value")
        if now.facts["unit"] != then.facts["unit"]:
            raise FieldsWrong([Fault("/value", f"{value} is measured in {now.facts['unit']}, this tube in {then.facts['unit']}", value)])
