"""Reading the facts of an act as a scan or a form gives them; every fault is named, nothing unknown is let through."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from biobank.core.errors import Fault, FieldsWrong
from biobank.core.units import parse_quantity
from biobank.core.work import Work
from biobank.custody.rules import ACTS, Act, ActUnknown, Condition, DisposalReason, WitnessNeeded
from biobank.custody.rules.effects import manual_holds
from biobank.custody.service.doing import Doing
from biobank.identity.queries import actor_by_login

AMOUNTS = {"volume": "nL", "cells": "cells", "pieces": "pieces"}
# Free text never enters a body; these facts become notes.
TEXTS = {"cancel": ("reason",), "miss": ("reason",), "hold": ("reason",), "unhold": ("reason",), "amend": ("reason",), "dispose": ("comment",)}
LONGEST = 1000
MOST = 96
LAST_ENTRY = 2**31


def scannable(name: str) -> Act:
    """The act of this name that can be scanned. Raises ActUnknown, naming those that can."""
    act = ACTS.get(name)
    if act is None or not act.scannable:
        raise ActUnknown(act=name[:40], known=", ".join(known.name for known in ACTS.values() if known.scannable))
    return act


def read_doing(work: Work, specimen_id: int, act: Act, facts: Mapping[str, Any], occurred_at: datetime | None = None) -> Doing:
    """The act with its facts read and checked. Raises FieldsWrong with a fault for every wrong fact, or WitnessNeeded."""
    given = {name: value for name, value in facts.items() if value is not None}
    faults = _names(act, given)
    kept: dict[str, Any] = {}
    notes: dict[str, str] = {}
    doing = Doing(specimen_id, act.name, occurred_at=occurred_at)
    for name, value in given.items():
        if name not in (*act.needs, *act.takes):
            continue
        try:
            if name in AMOUNTS or name == "measured":
                doing = _with_amount(doing, act, name, value)
            elif name in TEXTS.get(act.name, ()):
                notes[name] = _text(name, value)
            elif name not in {"position", "promise", "witness"}:
                kept[name] = CHECKS.get((act.name, name), CHECKS.get(("", name), _text))(name, value)
        except FieldsWrong as wrong:
            faults += wrong.faults
    if faults:
        raise FieldsWrong(faults)
    if act.second_person:
        kept["witness"] = _witness(work, act, given.get("witness"))
    return replace(doing, facts=kept, notes=notes or None)


def _names(act: Act, given: Mapping[str, Any]) -> list[Fault]:
    known = (*act.needs, *act.takes)
    faults = [
        Fault(f"/facts/{name}", f"“{act.name}” takes no such fact; it takes: {', '.join(known) or 'none'}", _met(value))
        for name, value in given.items() if name not in known
    ]
    missing = [name for name in act.needs if name not in given and name not in {"position", "promise"}]
    faults += [Fault(f"/facts/{name}", f"“{act.name}” needs this fact") for name in missing]
    if act.name == "dispose" and given.get("reason") == DisposalReason.OTHER.value and "comment" not in given:
        faults.append(Fault("/facts/comment", "the reason “other” needs a comment that says which"))
    if sum(name in given for name in AMOUNTS) > 1:
        faults.append(Fault("/facts", "give one of volume, cells or pieces"))
    return faults


def _with_amount(doing: Doing, act: Act, name: str, value: Any) -> Doing:
    if name == "measured":
        return replace(doing, measured=parse_quantity(value, "/facts/measured"))
    zero = act.name in {"measure", "receive", "amend"}
    return replace(doing, amount=parse_quantity(value, f"/facts/{name}", AMOUNTS[name], zero=zero))


def _met(value: Any) -> Any:
    return value if isinstance(value, str | int | float) else None


def _text(name: str, value: Any) -> str:
    if not isinstance(value, str) or not value.strip() or len(value) > LONGEST or not value.replace("\n", " ").replace("\t", " ").isprintable():
        raise FieldsWrong([Fault(f"/facts/{name}", f"give a text of 1 to {LONGEST} printable characters", _met(value))])
    return value.strip()


def _whole(name: str, value: Any, most: int = MOST) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= most:
        raise FieldsWrong([Fault(f"/facts/{name}", f"give a whole number from 1 to {most}", _met(value))])
    return value


def _one_of(values: tuple[str, ...]) -> Callable[[str, Any], str]:
    def check(name: str, value: Any) -> str:
        if value not in values:
            raise FieldsWrong([Fault(f"/facts/{name}", f"use one of: {', '.join(values)}", _met(value))])
        return str(value)

    return check


def _words(words: type[StrEnum]) -> tuple[str, ...]:
    return tuple(word.value for word in words)


def _purpose(name: str, value: Any) -> str:
    if value == "work" or (isinstance(value, str) and value.startswith("use:") and len(value) < 60):
        return str(value)
    raise FieldsWrong([Fault(f"/facts/{name}", "use “work”, or “use:” and the code of a sub-study", _met(value))])


CHECKS: dict[tuple[str, str], Callable[[str, Any], Any]] = {
    ("receive", "condition"): _one_of(_words(Condition)),
    ("dispose", "reason"): _one_of(_words(DisposalReason)),
    ("hold", "kind"): _one_of(manual_holds()),
    ("unhold", "kind"): _one_of(manual_holds()),
    ("check-out", "for"): _purpose,
    ("amend", "entry"): lambda name, value: _whole(name, value, LAST_ENTRY),
    ("", "count"): _whole,
    ("", "copies"): _whole,
}


def _witness(work: Work, act: Act, login: Any) -> int:
    witness = actor_by_login(work, login) if isinstance(login, str) else None
    if witness is None or witness.id == work.who.id:
        raise WitnessNeeded(act=act.name, met="your own login" if witness else str(login)[:60])
    return witness.id
