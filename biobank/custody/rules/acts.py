"""The act table: one frozen row per act.

Four classes. A *report* states what has already happened to a real tube and is never refused for consent, status or amount; what is wrong opens a
hold. A *preserve* keeps material from perishing and asks `store`. A *use* brings a tube nearer to a use and is refused unless every rule says yes.
An *admin* act asks nothing of consent.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Status(StrEnum):
    """Where a tube is in its life; its place, holds and reservations are told apart from this."""

    EXPECTED = "expected"
    CANCELLED = "cancelled"
    IN_CUSTODY = "in_custody"
    WITH_RECIPIENT = "with_recipient"
    GONE = "gone"


class Kind(StrEnum):
    """The four classes of acts."""

    REPORT = "report"
    PRESERVE = "preserve"
    USE = "use"
    ADMIN = "admin"


class Condition(StrEnum):
    """How a tube arrived (as peers with the best reception vocabulary have it)."""

    GOOD = "good"
    DAMAGED = "damaged"
    LEAKED = "leaked"
    MISSING = "missing"
    REJECTED = "rejected"


class HoldKind(StrEnum):
    """Why a tube may not be used. Several may be open at once."""

    NO_CONSENT = "no-consent"
    DISCREPANCY = "discrepancy"
    QUARANTINE = "quarantine"
    IDENTITY = "identity"
    WITHDRAWN = "withdrawn"


# Holds that follow from consent: opened and lifted by decisions, never by hand.
BY_CONSENT = frozenset({HoldKind.NO_CONSENT, HoldKind.WITHDRAWN})
# A tube that exists: only here does a missing consent put it on hold.
HERE = frozenset({Status.IN_CUSTODY.value, Status.WITH_RECIPIENT.value})
ARRIVED_WRONG = frozenset({Condition.DAMAGED, Condition.LEAKED, Condition.REJECTED})


class DisposalReason(StrEnum):
    """Why a tube was disposed of (the list regulated laboratories keep)."""

    USED = "used in authorised work"
    NOT_REQUIRED = "no longer required"
    CONSENT_WITHDRAWN = "consent withdrawn"
    APPROVAL_ENDED = "approval ended"
    SHELF_LIFE = "shelf life"
    UNSUITABLE = "unsuitable"
    CONTAMINATED = "contaminated"
    INCIDENT = "storage or transport incident"
    IN_ERROR = "registered in error"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Act:
    """One row: what an act is, from which statuses, to which, which facts it takes, and what it asks.

    `needs` and `takes` are names of facts; `asks` is the purpose put to consent ("store", "supply", or "use" for the named sub-study);
    `refused_opens` is the hold a report without a grant opens; `seen` says that the tube was in somebody's hand.
    """

    name: str
    kind: Kind
    permission: str
    from_: frozenset[Status] = frozenset({Status.IN_CUSTODY})
    to: Status | None = None
    needs: tuple[str, ...] = ()
    takes: tuple[str, ...] = ()
    asks: str | None = None
    refused_opens: HoldKind | None = None
    posts: bool = False
    second_person: bool = False
    scannable: bool = True
    offline: bool = False
    undoable: bool = False
    seen: bool = True
    done: str = "Done"


_S, _K = Status, Kind
_NEW: frozenset[Status] = frozenset()
_LIVING = frozenset({_S.EXPECTED, _S.IN_CUSTODY, _S.WITH_RECIPIENT})
_EVERY = frozenset(_S)
_PLANNED = frozenset({_S.EXPECTED})
_PLANNED_OR_HERE = frozenset({_S.EXPECTED, _S.IN_CUSTODY})
_AMOUNTS = ("volume", "cells", "pieces")

_TABLE = (
    # birth
    Act("register", _K.ADMIN, "handle", from_=_NEW, posts=True, scannable=False, seen=False, done="Registered"),
    Act("expect", _K.PRESERVE, "plan-collection", from_=_NEW, to=_S.EXPECTED, asks="store", scannable=False, seen=False, done="Expected"),
    # before and at arrival
    Act("cancel", _K.ADMIN, "plan-collection", from_=_PLANNED, to=_S.CANCELLED, takes=("reason",), seen=False, done="Cancelled"),
    Act("miss", _K.ADMIN, "plan-collection", from_=_PLANNED, to=_S.CANCELLED, takes=("reason",), seen=False, done="Missed"),
    Act("collect", _K.REPORT, "handle", from_=_PLANNED, takes=_AMOUNTS, offline=True, done="Collected"),
    Act(
        "receive", _K.REPORT, "handle", from_=_PLANNED, to=_S.IN_CUSTODY, takes=("condition", *_AMOUNTS),
        asks="store", refused_opens=HoldKind.NO_CONSENT, posts=True, offline=True, done="Received",
    ),
    Act("release", _K.ADMIN, "release", from_=_PLANNED_OR_HERE, seen=False, done="Released"),
    # keeping
    Act("label", _K.PRESERVE, "print-labels", from_=_PLANNED_OR_HERE, takes=("design", "copies"), asks="store", seen=False, done="Labelled"),
    Act("aliquot", _K.PRESERVE, "handle", needs=("count",), takes=(*_AMOUNTS, "measured"), asks="store", posts=True, done="Aliquoted"),
    Act(
        "derive", _K.PRESERVE, "handle", needs=("material", "count"), takes=(*_AMOUNTS, "used", "processing"), asks="store", posts=True,
        scannable=False, done="Derived",
    ),
    # places
    Act("store", _K.REPORT, "handle", needs=("position",), offline=True, undoable=True, done="Stored"),
    Act("move", _K.REPORT, "handle", needs=("position",), offline=True, undoable=True, done="Moved"),
    Act("check-out", _K.PRESERVE, "handle", takes=("to", "for"), asks="store", undoable=True, done="Checked out"),
    Act("return", _K.REPORT, "handle", asks="store", refused_opens=HoldKind.NO_CONSENT, offline=True, undoable=True, done="Returned"),
    Act("undo", _K.ADMIN, "handle", from_=_EVERY, done="Undone"),
    # what happens to material
    Act("thaw", _K.REPORT, "handle", offline=True, done="Thawed"),
    Act("measure", _K.REPORT, "handle", takes=_AMOUNTS, posts=True, offline=True, done="Measured"),
    Act("spill", _K.REPORT, "handle", takes=_AMOUNTS, posts=True, offline=True, done="Spilled"),
    Act("lose", _K.REPORT, "handle", to=_S.GONE, posts=True, offline=True, seen=False, done="Lost"),
    Act("find", _K.REPORT, "handle", offline=True, done="Found"),
    Act(
        "dispose", _K.REPORT, "handle", to=_S.GONE, needs=("reason", "witness"), takes=("comment",), posts=True, second_person=True,
        done="Disposed of",
    ),
    # holds and corrections
    Act("hold", _K.ADMIN, "hold", from_=_EVERY, needs=("kind", "reason"), seen=False, done="Held"),
    Act("unhold", _K.ADMIN, "unhold", from_=_EVERY, needs=("kind", "reason"), seen=False, done="Freed"),
    Act(
        "amend", _K.ADMIN, "correct", from_=_EVERY, needs=("entry", "field", "value", "reason"), posts=True, scannable=False, seen=False,
        done="Amended",
    ),
    # Two people, whole trees: the child was another. Written by `corrections` alone.
    Act(
        "reassign", _K.ADMIN, "correct", from_=_EVERY, needs=("correction", "proposed_by", "was", "now"), takes=("with", "reason"),
        second_person=True, scannable=False, seen=False, done="Reassigned",
    ),
    # towards a use
    Act("earmark", _K.USE, "earmark", needs=("sub_study",), asks="use", seen=False, done="Earmarked"),
    Act("reserve", _K.USE, "allocate", needs=("promise",), takes=("reason",), asks="supply", scannable=False, seen=False, done="Reserved"),
    Act("unreserve", _K.ADMIN, "allocate", from_=_EVERY, needs=("promise",), takes=("reason",), scannable=False, seen=False, done="Set free"),
    Act("pick", _K.USE, "pick", needs=("promise",), asks="supply", done="Picked"),
    Act("unpick", _K.ADMIN, "pick", from_=_LIVING, needs=("promise",), done="Put back"),
    Act("deliver", _K.USE, "pick", to=_S.WITH_RECIPIENT, needs=("promise", "to"), asks="supply", posts=True, done="Delivered"),
    # what follows by itself from a decision or a withdrawal
    Act("consent-hold", _K.ADMIN, "record-consent", from_=_EVERY, needs=("kind",), scannable=False, seen=False, done="Held"),
    Act("consent-unhold", _K.ADMIN, "record-consent", from_=_EVERY, needs=("kind",), scannable=False, seen=False, done="Freed"),
)

ACTS: dict[str, Act] = {act.name: act for act in _TABLE}
