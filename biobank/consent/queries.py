"""Reading decisions, the stored fold, and the jurisdictions. The statements of the hot path are built once."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from sqlalchemy import bindparam, select

from biobank.consent.models import ConsentState, Decision, Signatory, VerdictGiven
from biobank.consent.rules import ELSEWHERE, DecisionMade, Jurisdiction, Period, Signature, parse_jurisdiction
from biobank.core.times import stamp
from biobank.core.work import Work
from biobank.ledger.models import Chain
from biobank.settings import shipped
from biobank.subjects import queries as subjects
from biobank.subjects.models import Enrolment, Participant

# Well below what either database takes as parameters of one statement.
BATCH = 2_000

_STATES = (
    select(
        Enrolment.id, Enrolment.study, Enrolment.version, ConsentState.component, ConsentState.from_on, ConsentState.until_on,
        ConsentState.granted, ConsentState.reason, ConsentState.roles, ConsentState.at_birthday,
    )
    .outerjoin(ConsentState, ConsentState.enrolment_id == Enrolment.id)
    .where(Enrolment.id.in_(bindparam("ids", expanding=True)))
    .order_by(Enrolment.id, ConsentState.component, ConsentState.from_on)
)


def states(work: Work, enrolment_ids: Iterable[int]) -> dict[int, tuple[str, int, dict[str, list[Period]]]]:
    """Study, version and the stored periods per component, by enrolment; one statement per 2,000."""
    ids = sorted(set(enrolment_ids))
    found: dict[int, tuple[str, int, dict[str, list[Period]]]] = {}
    connection = work.session.connection()
    for start in range(0, len(ids), BATCH):
        for row in connection.execute(_STATES, {"ids": ids[start : start + BATCH]}):
            _, _, by_component = found.setdefault(row.id, (row.study, row.version, {}))
            if row.component is not None:
                by_component.setdefault(row.component, []).append(_period(row))
    return found


def _period(row: Any) -> Period:
    return Period(row.from_on, row.until_on, row.granted, row.reason, tuple(row.roles.split()), row.at_birthday)


def decisions(work: Work, enrolment_id: int, component: str | None = None) -> list[tuple[Decision, tuple[Signature, ...]]]:
    """Decisions of an enrolment (of one component) with their signatures, in the order of recording."""
    query = select(Decision).where(Decision.enrolment_id == enrolment_id)
    if component is not None:
        query = query.where(Decision.component == component)
    rows = list(work.session.execute(query.order_by(Decision.id)).scalars())
    signed: dict[int, list[Signature]] = {}
    signatories = (
        select(Signatory.decision_id, Signatory.role, Signatory.signed_on)
        .join(Decision, Decision.id == Signatory.decision_id)
        .where(Decision.enrolment_id == enrolment_id)
        .order_by(Signatory.decision_id, Signatory.role)
    )
    for row in work.session.execute(signatories):
        signed.setdefault(row.decision_id, []).append(Signature(row.role, row.signed_on))
    return [(row, tuple(signed.get(row.id, ()))) for row in rows]


def made(rows: Sequence[tuple[Decision, tuple[Signature, ...]]]) -> list[DecisionMade]:
    """Decisions as the rules take them."""
    return [DecisionMade(d.component, d.answer, d.signed_on, d.id, d.form_version, d.authority, signed, d.effect) for d, signed in rows]


def components_decided(work: Work, enrolment_id: int) -> list[str]:
    """The components that anything was decided about."""
    return sorted(work.session.execute(select(Decision.component).where(Decision.enrolment_id == enrolment_id).distinct()).scalars())


def decisions_as_entered(work: Work, enrolment_id: int, chain_id: int) -> dict[tuple[int, str], tuple[Any, ...]]:
    """The decisions by seq and component, as their entries tell them: for verification. One that names another chain counts as none."""
    return {
        (d.seq, d.component): (
            d.answer, d.form_version, d.authority, d.effect, d.signed_on.isoformat(), sorted((s.role, s.signed_on.isoformat()) for s in signed),
            stamp(d.recorded_at),
        )
        for d, signed in decisions(work, enrolment_id)
        if d.chain_id == chain_id
    }


def by_chains(work: Work, refs: Sequence[str]) -> dict[str, Enrolment]:
    """Enrolments by the reference of their consent chain, `<participant code>/<study>`."""
    found: dict[str, Enrolment] = {}
    for start in range(0, len(refs), BATCH):
        query = select(Chain.ref, Enrolment).join(Enrolment, Enrolment.chain_id == Chain.id)
        query = query.where(Chain.kind == "consent", Chain.ref.in_(refs[start : start + BATCH]))
        found.update((row[0], row[1]) for row in work.session.execute(query))
    return found


def verdict_given(work: Work, verdict_id: int) -> VerdictGiven | None:
    """A kept verdict."""
    return work.session.get(VerdictGiven, verdict_id)


def verdicts_given(work: Work, ids: Iterable[int]) -> dict[int, Any]:
    """Kept verdicts that have not been erased, with `participant` (the code) and `study` of whom they were asked, by id."""
    asked = sorted(set(ids))
    found: dict[int, Any] = {}
    for start in range(0, len(asked), BATCH):
        query = (
            select(VerdictGiven.__table__, Participant.code.label("participant"), Enrolment.study)
            .outerjoin(Enrolment, Enrolment.id == VerdictGiven.enrolment_id)
            .outerjoin(Participant, Participant.id == Enrolment.participant_id)
            .where(VerdictGiven.id.in_(asked[start : start + BATCH]))
        )
        found.update((row.id, row) for row in work.session.execute(query))
    return found


def jurisdiction(country: str) -> Jurisdiction:
    """Who must sign in this country; one without a file of its own has the strictest rule (assumed)."""
    known = jurisdictions(shipped("config") / "jurisdictions")
    return known.get(country) or known[ELSEWHERE]


@lru_cache(maxsize=8)
def jurisdictions(folder: Path) -> dict[str, Jurisdiction]:
    """All jurisdictions of a folder by country, read once. Raises JurisdictionFileWrong."""
    read = [parse_jurisdiction(tomllib.loads(path.read_text("utf-8")), path.name) for path in sorted(folder.glob("*.toml"))]
    return {one.country: one for one in read}


@dataclass(frozen=True, slots=True)
class Overview:
    """One enrolment's consent: who must sign there, the decisions, and the stored periods per component.

    `birthdays` tells whether the reader may see the days of age gates, which are birthdays.
    """

    enrolment: Enrolment
    jurisdiction: Jurisdiction
    decisions: list[tuple[Decision, tuple[Signature, ...]]]
    periods: dict[str, list[Period]]
    birthdays: bool


def overview(work: Work, participant_code: str) -> tuple[str, list[Overview]]:
    """The participant's code and the consent of every enrolment that the reader may see. With the permission for person facts, the read is logged.

    Raises CodeMistyped, CodeUnknown, ParticipantUnknown.
    """
    participant = subjects.find(work, participant_code)
    mine = subjects.enrolments(work, participant.id, "read-participants")
    open_to = {one.id for one in subjects.enrolments(work, participant.id, "read-person")}
    if open_to:
        work.reads.append({"participant": participant.code, "what": "birth_date", "why": "days of age gates in the consent"})
    stored = states(work, [one.id for one in mine])
    return participant.code, [
        Overview(one, jurisdiction(one.country), decisions(work, one.id), stored[one.id][2], one.id in open_to) for one in mine
    ]
