"""Whether an act may be done: the tube's state first, then consent."""

from __future__ import annotations

from datetime import date, timedelta

from biobank.consent.rules import Verdict
from biobank.consent.service import verdict as ask_consent
from biobank.core.codes import spaced
from biobank.core.db import AnyRow
from biobank.core.errors import Fault, FieldsWrong
from biobank.core.units import UNITS, Quantity
from biobank.core.work import Work
from biobank.custody.rules import HERE, Act, ConsentRefused, Held, HoldKind, Kind, NotInThisState, NotReleased, Standing
from biobank.custody.service.doing import Doing

# Taking residual material apart is only right once the diagnostic laboratory has let it go.
WANTS_RELEASE = frozenset({"aliquot", "derive"})


def judge_unit(amount: Quantity | None, measured: Quantity | None, unit: str) -> None:
    """Raises FieldsWrong when an amount is told in another kind of unit than the tube's."""
    for name, quantity in (("amount", amount), ("measured", measured)):
        if quantity is not None and quantity.unit != unit:
            fitting = ", ".join(name for name, (base, _) in UNITS.items() if base == unit)
            raise FieldsWrong([Fault(f"/{name}/unit", f"this tube is measured in {unit}; use one of {fitting}", quantity.unit)])


def judge_state(act: Act, standing: Standing, code: str, *, for_use: bool) -> bool:
    """Whether the tube's status is one the act expects; False only for reports, which are recorded all the same.

    Raises NotInThisState, Held or NotReleased.
    """
    # A tube that was only just registered has no status yet: what gives it one names no status to come from.
    fits = standing.status in act.from_ or (not standing.status and not act.from_)
    if not fits:
        if act.kind is Kind.REPORT:
            return False
        allowed = " or ".join(sorted(status.replace("_", " ") for status in act.from_))
        raise NotInThisState(code=spaced(code), status=standing.status.replace("_", " "), act=act.name, allowed=allowed, state=standing.status)
    if for_use and standing.holds:
        kinds = [hold.kind for hold in standing.holds]
        raise Held(code=spaced(code), holds=", ".join(kinds), kinds=kinds, act=act.name)
    if (for_use or act.name in WANTS_RELEASE) and act.name != "earmark" and standing.residual and standing.released_on is None:
        raise NotReleased(code=spaced(code))
    return True


def judge_consent(
    work: Work, act: Act, kind: Kind, doing: Doing, row: AnyRow, standing: Standing
) -> tuple[Verdict | None, HoldKind | None]:
    """The verdict that was asked (None: the act asks nothing) and the hold to open for want of a grant.

    Raises ConsentRefused for a use without a grant, and for a preserve act against more than a missing decision or signature,
    or after the deadline for them.
    """
    if act.asks is None:
        return None, None
    asked, on = doing.purpose or act.asks, doing.asked_on or work.today
    if asked == "store":
        verdict = ask_keeping(work, row.enrolment_id, on, residual=standing.residual, new=standing.status not in HERE)
    else:
        verdict = ask_consent(work, row.enrolment_id, asked, on, doing.uses)
    if verdict.granted:
        return verdict, None
    if kind is Kind.REPORT:
        return verdict, act.refused_opens
    if kind is Kind.PRESERVE and verdict.only_waiting and _deadline_open(work, standing):
        return verdict, None if standing.status in {"", "expected"} else HoldKind.NO_CONSENT
    why = ", ".join(f"{reason} for {reason.component}" if reason.component else str(reason) for reason in verdict.reasons)
    raise ConsentRefused(code=spaced(row.code), purpose=verdict.purpose, why=why, reasons=[reason.as_json() for reason in verdict.reasons])


def ask_keeping(work: Work, enrolment_id: int, on: date, *, residual: bool, new: bool = False) -> Verdict:
    """Whether a tube may be kept: `store`, and for extra material `collect` as well, which is then the verdict's purpose.

    `new`: a tube that is not here yet; of a child whose family stopped collecting none may come.
    """
    store = ask_consent(work, enrolment_id, "store", on, new=new)
    if residual:
        return store
    collect = ask_consent(work, enrolment_id, "collect", on, new=new)
    stops = [day for day in (store.stopped_on, collect.stopped_on) if day is not None]
    return Verdict(store.granted and collect.granted, store.reasons + collect.reasons, "collect", on, stopped_on=max(stops, default=None))


def hold_for(verdict: Verdict) -> HoldKind | None:
    """The hold that a verdict on keeping a tube asks for; None when it may be kept."""
    if verdict.granted:
        return None
    return HoldKind.WITHDRAWN if "withdrawn" in verdict.codes else HoldKind.NO_CONSENT


def _deadline_open(work: Work, standing: Standing) -> bool:
    since = next((hold.since for hold in standing.holds if hold.kind == HoldKind.NO_CONSENT), None)
    return since is None or work.today <= date.fromisoformat(since) + timedelta(days=work.limits["delayed_consent_days"])
