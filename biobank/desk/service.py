"""The scan station's one entrance: a scan is dispatched by the act table to its use case."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from biobank.core import codes
from biobank.core.errors import fault
from biobank.core.times import aware
from biobank.core.units import parse_quantity
from biobank.core.work import Work
from biobank.custody.rules import Act
from biobank.custody.service import Recorded
from biobank.custody.service.reading import AMOUNTS, scannable
from biobank.requests import service as requests
from biobank.specimens import service as specimens
from biobank.storage import service as storage

# Below this a station's clock is not worth a flag.
SKEW_TOLD = 2.0


@dataclass(frozen=True, slots=True)
class Scan:
    """One scan as it came."""

    code: str
    act: str
    container: str | None = None
    pick_list: str | None = None
    position: str | dict[str, Any] | None = None
    facts: dict[str, Any] = field(default_factory=dict)
    occurred_at: datetime | None = None
    device_now: datetime | None = None
    station: str | None = None


@dataclass(frozen=True, slots=True)
class Scanned:
    """What the scan did, and the codes of tubes it made."""

    done: Recorded
    made: tuple[str, ...] = ()


def scan(work: Work, given: Scan) -> Scanned:
    """Do what a scan says. Raises CodeMistyped, CodeUnknown, ActUnknown, and the refusals of the act's use case."""
    act = scannable(given.act)
    code, _, specimen_id = codes.resolve(work.session, given.code, "specimen")
    work.station = given.station
    at = _told_at(work, given)
    dispatch = DISPATCH.get(act.name, _bench)
    return dispatch(work, act, code, specimen_id, given, at)


def _told_at(work: Work, given: Scan) -> datetime | None:
    """When it happened, with the station's clock skew taken out: the skew is measured, applied and told in the entry, never refused."""
    if given.occurred_at is None or given.device_now is None:
        return given.occurred_at
    skew = work.now - aware(given.device_now, "/device_now")
    told = aware(given.occurred_at, "/occurred_at")
    if abs(skew.total_seconds()) < SKEW_TOLD:
        return told
    work.skew_seconds = round(skew.total_seconds())
    try:
        return told + skew
    except OverflowError:
        raise fault("/device_now", "give the station's present time; this one is centuries away", given.device_now.isoformat()) from None


def _bench(work: Work, act: Act, code: str, specimen_id: int, given: Scan, at: datetime | None) -> Scanned:
    return Scanned(specimens.do(work, specimen_id, act.name, given.facts, at))


def _place(work: Work, act: Act, code: str, specimen_id: int, given: Scan, at: datetime | None) -> Scanned:
    return Scanned(storage.put(work, specimen_id, act.name, given.position, given.container, given.facts, at))


def _aliquot(work: Work, act: Act, code: str, specimen_id: int, given: Scan, at: datetime | None) -> Scanned:
    unknown = set(given.facts) - {*act.needs, *act.takes}
    if unknown:
        raise fault(f"/facts/{sorted(unknown)[0]}", f"“aliquot” takes no such fact; it takes: {', '.join((*act.needs, *act.takes))}")
    told = [name for name in AMOUNTS if name in given.facts]
    if len(told) != 1:
        raise fault("/facts", "say how much goes into each tube: one of volume, cells or pieces")
    count = given.facts.get("count")
    if isinstance(count, bool) or not isinstance(count, int):
        raise fault("/facts/count", "give a whole number from 1 to 96", count if isinstance(count, str) else None)
    measured = given.facts.get("measured")
    new = specimens.NewAliquots(
        count=count, amount=parse_quantity(given.facts[told[0]], f"/facts/{told[0]}", AMOUNTS[told[0]]),
        measured=parse_quantity(measured, "/facts/measured") if measured is not None else None, occurred_at=at,
    )
    done, made = specimens.aliquot(work, code, new)
    return Scanned(done, tuple(tube.code for tube in made))


def _earmark(work: Work, act: Act, code: str, specimen_id: int, given: Scan, at: datetime | None) -> Scanned:
    sub_study = given.facts.get("sub_study")
    if not isinstance(sub_study, str) or set(given.facts) != {"sub_study"}:
        raise fault("/facts/sub_study", "name the sub-study, and nothing else")
    return Scanned(specimens.earmark(work, code, sub_study))


def _pick_list(given: Scan, act: Act) -> str:
    if given.pick_list is None:
        raise fault("/context/pick_list", f"“{act.name}” needs the request's code: scan its pick list first")
    return given.pick_list


def _pick(work: Work, act: Act, code: str, specimen_id: int, given: Scan, at: datetime | None) -> Scanned:
    return Scanned(requests.pick(work, _pick_list(given, act), specimen_id, code, at))


def _unpick(work: Work, act: Act, code: str, specimen_id: int, given: Scan, at: datetime | None) -> Scanned:
    return Scanned(requests.unpick(work, _pick_list(given, act), specimen_id, code, at))


def _deliver(work: Work, act: Act, code: str, specimen_id: int, given: Scan, at: datetime | None) -> Scanned:
    return Scanned(requests.deliver(work, _pick_list(given, act), specimen_id, code, at))


DISPATCH: dict[str, Callable[[Work, Act, str, int, Scan, datetime | None], Scanned]] = {
    "store": _place, "move": _place, "aliquot": _aliquot, "earmark": _earmark, "pick": _pick, "unpick": _unpick, "deliver": _deliver,
}
