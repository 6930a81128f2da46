"""The one way a tube changes: locked, judged, written to its chain, and its standing moved by the same effect."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from biobank.consent.rules import Verdict
from biobank.consent.service import keep_verdict
from biobank.core.codes import CodeUnknown, spaced
from biobank.core.db import AnyRow
from biobank.core.errors import Forbidden, Overtaken
from biobank.core.times import not_ahead, stamp
from biobank.core.work import Work
from biobank.custody import queries
from biobank.custody.rules import ACTS, Act, Asked, HoldKind, Kind, Standing, apply, effect_of
from biobank.custody.service import writing
from biobank.custody.service.doing import Belonging, Doing
from biobank.custody.service.judging import ask_keeping, hold_for, judge_consent, judge_state, judge_unit
from biobank.custody.service.undoing import effect_of_undo
from biobank.identity import service as identity
from biobank.ledger import service as ledger
from biobank.ledger.rules import Head, Line, Written


@dataclass(frozen=True, slots=True)
class Recorded:
    """What became of it: the standing after, the entry, the verdict that was asked, and the kinds of hold that this act opened."""

    specimen_id: int
    row: AnyRow
    before: Standing
    standing: Standing
    entry: Written
    verdict: Verdict | None
    opened: tuple[str, ...]

    @property
    def outcome(self) -> str:
        """`held` when this act put the tube on hold, else `done`."""
        return "held" if self.opened else "done"


def record(work: Work, doings: Sequence[Doing]) -> list[Recorded]:
    """Do acts on tubes: at most one per tube in a call. All or none.

    Raises the refusals of `custody.rules`, CodeUnknown for a tube the actor may not see, Forbidden without the act's permission,
    Overtaken when a tube became another child's while its own was being locked.
    """
    ids = [doing.specimen_id for doing in doings]
    children = queries.lock_participants(work, ids) if any(ACTS[doing.act].asks for doing in doings) else None
    rows = queries.locked(work, ids)
    for row in rows.values():
        if children is not None and row.participant_id not in children:
            raise Overtaken
    folds = queries.folds(work, list(rows.values()))
    decided = [_decide(work, doing, rows[doing.specimen_id], folds[doing.specimen_id]) for doing in doings]
    heads = {row.chain_id: Head(f"{row.kind}/{row.ref}", row.last_seq, row.last_hash, row.last_at) for row in rows.values()}
    written = ledger.append(work, [one.line for one in decided], heads)
    recorded = []
    changes = []
    for one, entry in zip(decided, written, strict=True):
        after = apply(one.before, one.effect, stamp(one.occurred_at))
        changes.append(writing.Change(one.row, one.before, after, entry.seq, one.effect, one.container_id, one.belongs))
        opened = tuple(hold["kind"] for hold in one.effect.get("open", ()))
        recorded.append(Recorded(one.row.specimen_id, one.row, one.before, after, entry, one.verdict, opened))
    writing.write_changes(work, changes)
    return recorded


@dataclass(frozen=True, slots=True)
class _Decided:
    row: AnyRow
    before: Standing
    effect: dict[str, Any]
    line: Line
    verdict: Verdict | None
    occurred_at: datetime
    container_id: int | None
    belongs: Belonging | None


def _decide(work: Work, doing: Doing, row: AnyRow, standing: Standing) -> _Decided:
    act = ACTS[doing.act]
    if doing.facts.get("because") is None:
        # What follows by itself from a decision needs no further permission than the decision's own.
        _check_permission(work, act, row)
    judge_unit(doing.amount, doing.measured, standing.unit)
    occurred_at = not_ahead(doing.occurred_at, work.now)
    asked = Asked(
        code=spaced(row.code), today=work.today.isoformat(), here=work.who.organisation,
        amount=doing.amount.amount if doing.amount else None, measured=doing.measured.amount if doing.measured else None,
        place=doing.place, late=row.placed_at is not None and occurred_at < row.placed_at, promise=doing.promise, facts=doing.facts,
    )
    facts = dict(doing.facts)
    expected = judge_state(act, standing, row.code, for_use=_kind(act, doing) is Kind.USE)
    enrolment_id = doing.belongs.enrolment_id if doing.belongs else row.enrolment_id
    verdict, opening = judge_consent(work, act, _kind(act, doing), doing, row, standing)
    if doing.anew:
        verdict = ask_keeping(work, enrolment_id, work.today, residual=standing.residual)
        asked = replace(asked, wanted=hold_for(verdict))
    if act.name == "undo":
        effect, facts["undoes"] = effect_of_undo(work, row)
    elif expected:
        effect = effect_of(act.name, standing, asked)
    else:
        effect = {"open": [{"kind": HoldKind.DISCREPANCY.value, "since": asked.today}], "seen": act.seen}
    effect = _with_holds(effect, opening, standing, asked.today)
    if act.undoable:
        facts["was"] = {"place": standing.place.as_json() if standing.place else None, "out": standing.is_out}
    _note_amounts(facts, doing)
    if work.skew_seconds is not None:
        facts["skew_seconds"] = work.skew_seconds
    if verdict is not None:
        facts["verdict"] = {"id": keep_verdict(work, verdict, enrolment_id), "granted": verdict.granted, "purpose": verdict.purpose}
        if doing.uses:
            facts["verdict"]["uses"] = sorted(doing.uses)
    line = Line(row.chain_id, act.name, facts | {"effect": effect}, occurred_at, doing.notes)
    container_id = doing.container_id if "place" in effect and act.name != "undo" else None
    return _Decided(row, standing, effect, line, verdict, occurred_at, container_id, doing.belongs)


def _kind(act: Act, doing: Doing) -> Kind:
    # A check-out towards a sub-study's use is a use; for work at the bench it keeps material.
    return Kind.USE if act.name == "check-out" and doing.purpose else act.kind


def _with_holds(effect: dict[str, Any], opening: HoldKind | None, standing: Standing, today: str) -> dict[str, Any]:
    already = {hold.kind for hold in standing.holds}
    opened = [hold for hold in effect.get("open", []) if hold["kind"] not in already]
    if opening is not None and opening.value not in already and effect.get("status") != "cancelled":
        opened.append({"kind": opening.value, "since": today})
    rest = {name: value for name, value in effect.items() if name != "open"}
    return rest | {"open": opened} if opened else rest


def _note_amounts(facts: dict[str, Any], doing: Doing) -> None:
    for name, quantity in (("amount", doing.amount), ("measured", doing.measured)):
        if quantity is not None:
            facts[name] = {"base": quantity.amount, "unit": quantity.unit}
    if doing.place is not None:
        facts["position"] = doing.place.as_json()
    if doing.promise is not None:
        facts["promise"] = doing.promise


def _check_permission(work: Work, act: Act, row: AnyRow) -> None:
    at = [organisation for organisation in (row.custodian, row.responsible) if organisation]
    if not any(identity.may(work, "read-specimens", row.study, organisation) for organisation in at) and not any(
        identity.may(work, act.permission, row.study, organisation) for organisation in at
    ):
        raise CodeUnknown(code=spaced(row.code), what="specimen", key=row.code)
    if not any(identity.may(work, act.permission, row.study, organisation) for organisation in at):
        raise Forbidden(permission=act.permission, study=row.study, organisation=row.custodian)
