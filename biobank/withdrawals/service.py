"""Applying a withdrawal under the participant's lock: decisions first, then every tube, all in one transaction."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from biobank.consent import service as consent
from biobank.core.errors import Fault, FieldsWrong
from biobank.core.work import Work
from biobank.custody import queries as custody
from biobank.custody.rules import HoldKind
from biobank.custody.service import Doing, reconsider, record, wanted_hold
from biobank.identity import service as identity
from biobank.subjects import queries as subjects
from biobank.withdrawals.rules import EFFECTS


@dataclass(frozen=True, slots=True)
class Withdrawn:
    """What was withdrawn, where it stands in the enrolment's chain, and what was done to each tube."""

    chain: str
    seq: int
    components: Mapping[str, str]
    tubes: list[tuple[str, str]]


def withdraw(work: Work, participant: str, study: str, effects: Mapping[str, str], signed_on: date | None = None) -> Withdrawn:
    """Withdraw consent components, each with the participant's choice. Never refused for what a tube is doing: it bites there too.

    `stop-collection` and `further-use-allowed`, of what is collected and kept, cancel the draws to come and leave what is here as it stands.
    Of a component that is only about a use they end that use: new material would come under it all the same.

    Raises NotEnrolled, ComponentUnknown, FieldsWrong, Forbidden.
    """
    if not effects:
        raise FieldsWrong([Fault("/components", "name at least one component with the participant's choice")])
    enrolment = subjects.enrolment_of(work, participant, study)
    identity.require(work, "withdraw", enrolment.study, enrolment.organisation)
    subjects.lock_participant(work, enrolment.participant_id, share=False)
    written = consent.withdraw_components(work, enrolment, effects, signed_on)
    before = custody.held_by_consent(work, enrolment.id)
    held = reconsider(work, enrolment.id)
    touched = {one.row.code: EFFECTS[one.before.status] for one in held}
    gone = {residual for residual in (True, False) if wanted_hold(work, enrolment.id, residual=residual, new=True) is HoldKind.WITHDRAWN}
    planned = [Doing(row.specimen_id, "cancel", {"because": "withdrawn"}) for row in before if row.status == "expected" and row.residual in gone]
    touched |= {one.row.code: EFFECTS["expected"] for one in (record(work, planned) if planned else [])}
    return Withdrawn(written.chain, written.seq, dict(effects), sorted(touched.items()))
