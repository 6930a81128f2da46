"""What a correction would do if it were confirmed now, tube by tube: by the very rule that will do it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from biobank.core.db import AnyRow
from biobank.core.work import Work
from biobank.corrections import queries
from biobank.corrections.models import Correction
from biobank.corrections.rules import Kind, State, moved_since
from biobank.corrections.service import sides
from biobank.corrections.service.reviving import ended_by
from biobank.corrections.service.sides import Side
from biobank.custody import queries as custody
from biobank.custody.rules import Asked, effect_of
from biobank.custody.service import wanted_hold
from biobank.specimens import queries as specimens


@dataclass(frozen=True, slots=True)
class ForeseenTube:
    """What happens to a tube: holds opened and lifted (kinds), reservations that end (`request/…/1`), earmarks that end (sub-studies)."""

    id: int
    code: str
    kind: str
    material: str
    family: str
    status: str
    opens: tuple[str, ...] = ()
    lifts: tuple[str, ...] = ()
    frees: tuple[str, ...] = ()
    unmarks: tuple[str, ...] = ()
    back: int | None = None
    unit: str = ""
    keeps: bool | None = None


@dataclass(frozen=True, slots=True)
class ForeseenSide:
    """A tree: whose it was when it was proposed, whose it is to be (None: as it is), and its tubes, the primary first.

    `keeps`: whether the consent it comes under lets it be kept today; None once it was answered.
    """

    participant: str
    study: str
    collection: str
    event: str | None
    to_participant: str | None
    to_study: str | None
    to_collection: str | None
    to_event: str | None
    tubes: tuple[ForeseenTube, ...]
    keeps: bool | None = None


@dataclass(frozen=True, slots=True)
class Foreseen:
    """Both sides, and what has changed since it was proposed, which forbids confirming it. Once answered, only what was proposed."""

    sides: tuple[ForeseenSide, ...]
    overtaken: tuple[str, ...]


def foresee(work: Work, found: Correction) -> Foreseen:
    """What would happen; for one that was answered, what was proposed."""
    kept = queries.kept(work, [found.id]).get(found.id, [])
    now: list[AnyRow] = []
    happens: dict[int, ForeseenTube] = {}
    if found.state == State.WAITING and found.kind == Kind.REVIVAL:
        now = list(specimens.tubes(work, [found.specimen_id]).values())
        happens = _revived(work, now)
    elif found.state == State.WAITING:
        both = sides.sides_of(work, found)
        now = [tube for side in both for tube in side.tubes]
        happens = {tube: told for side in both for tube, told in _reassigned(work, side).items()}
    overtaken = moved_since(sides.seen_of(kept), sides.seen_of(now)) if found.state == State.WAITING else []
    numbers = sorted({row.side for row in kept})
    return Foreseen(tuple(_side(work, found, kept, number, happens) for number in numbers), tuple(overtaken))


def _side(
    work: Work, found: Correction, kept: Sequence[AnyRow], number: int, happens: dict[int, ForeseenTube]
) -> ForeseenSide:
    mine = [row for row in kept if row.side == number]
    to = _to(work, found, kept, number)
    tubes = tuple(happens.get(row.id) or ForeseenTube(row.id, row.code, row.kind, row.material, row.family, row.status) for row in mine)
    return ForeseenSide(mine[0].participant, mine[0].study, mine[0].collection, mine[0].event, *to, tubes, tubes[0].keeps)


def _to(
    work: Work, found: Correction, kept: Sequence[AnyRow], number: int
) -> tuple[str | None, str | None, str | None, str | None]:
    other = next((row for row in kept if row.side != number), None)
    if other is not None:
        return other.participant, other.study, other.collection, other.event
    if found.enrolment_id is None:
        return None, None, None, None
    goal = queries.target_of(work, found.enrolment_id)
    draw = queries.collection_of(work, found.collection_id) if found.collection_id is not None else None
    return goal.participant, goal.study, draw.code if draw else None, draw.event if draw else None


def _reassigned(work: Work, side: Side) -> dict[int, ForeseenTube]:
    folds, ended = sides.folds_of(work, side.tubes), sides.ended_marks(work, side)
    wanted = {residual: wanted_hold(work, side.goal.enrolment_id, residual=residual) for residual in {tube.residual for tube in side.tubes}}
    found = {}
    for tube in side.tubes:
        effect = sides.effect_on(work, folds[tube.id], sides.facts_of(side, tube, side.goal), wanted[tube.residual])
        already = {hold.kind for hold in folds[tube.id].holds}
        opens = tuple(hold["kind"] for hold in effect.get("open", ()) if hold["kind"] not in already)
        found[tube.id] = ForeseenTube(
            tube.id, tube.code, tube.kind, tube.material, tube.family, tube.status, opens, tuple(effect.get("close", ())),
            tuple(effect.get("free", ())), tuple(ended.get(tube.id, ())), keeps=wanted[tube.residual] is None,
        )
    return found


def _revived(work: Work, tubes: Sequence[AnyRow]) -> dict[int, ForeseenTube]:
    folds = custody.folds(work, list(custody.standings(work, [tube.id for tube in tubes]).values()))
    found = {}
    for tube in tubes:
        wanted = wanted_hold(work, tube.enrolment_id, residual=tube.residual)
        back = ended_by(work, tube.chain_id) if tube.status in {"gone", "cancelled"} else {}
        facts = back | {"field": "status"}
        effect = effect_of("amend", folds[tube.id], Asked("", work.today.isoformat(), work.who.organisation, facts=facts, wanted=wanted))
        found[tube.id] = ForeseenTube(
            tube.id, tube.code, tube.kind, tube.material, tube.family, tube.status, tuple(hold["kind"] for hold in effect.get("open", ())),
            tuple(effect.get("close", ())), back=back.get("back", {}).get("base", 0), unit=tube.unit, keeps=wanted is None,
        )
    return found
