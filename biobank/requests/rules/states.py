"""The way of a request: one frozen row per step. The place to read who may do what, when, and what it must say."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from biobank.core.errors import N_
from biobank.requests.rules.refusals import StepNotPossible


class State(StrEnum):
    """Where a request stands. `delivered` and `cancelled` are ours; the others are the field's words [S23, S24, S26, S27, S75]."""

    DRAFT = "draft"
    SUBMITTED = "submitted"
    REVISE = "revise"
    APPROVED = "approved"
    REJECTED = "rejected"
    RESERVED = "reserved"
    PICKING = "picking"
    DELIVERED = "delivered"
    CLOSED = "closed"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class Step:
    """One step: from where to where, who may take it, and what it asks.

    `reason`: it must be given. `own`: who may take it on their own request: "only" the requester (or who allocates), "not" the requester,
    "flagged" only a requester who also allocates, and the entry says that it was a conflict of interest, or "any". `frees`: reservations
    of tubes not yet handed over are freed.
    """

    from_: State
    to: State
    permission: str
    title: str
    reason: bool = False
    own: str = "any"
    frees: bool = False


S = State
STEPS: tuple[Step, ...] = (
    Step(S.DRAFT, S.SUBMITTED, "request", N_("Submit"), own="only"),
    Step(S.REVISE, S.SUBMITTED, "request", N_("Submit again"), own="only"),
    Step(S.SUBMITTED, S.APPROVED, "review", N_("Approve"), own="flagged"),
    Step(S.SUBMITTED, S.REVISE, "review", N_("Send back"), reason=True, own="not"),
    Step(S.SUBMITTED, S.REJECTED, "review", N_("Reject"), reason=True, own="not"),
    Step(S.APPROVED, S.RESERVED, "allocate", N_("Tubes are reserved")),
    Step(S.RESERVED, S.PICKING, "pick", N_("Start picking")),
    Step(S.PICKING, S.DELIVERED, "pick", N_("Handed over")),
    Step(S.DELIVERED, S.CLOSED, "allocate", N_("Close")),
    *(Step(state, S.CANCELLED, "request", N_("Cancel the request"), reason=True, own="only") for state in (S.DRAFT, S.SUBMITTED, S.REVISE)),
    *(Step(state, S.CANCELLED, "allocate", N_("Cancel the request"), reason=True, frees=True) for state in (S.APPROVED, S.RESERVED, S.PICKING)),
)

OPEN = frozenset(row.from_ for row in STEPS)
_ALLOCATES = frozenset({S.APPROVED, S.RESERVED, S.PICKING})
_PICKS = frozenset({S.RESERVED, S.PICKING})


def steps_from(state: str) -> tuple[Step, ...]:
    """The steps that can be taken from a state."""
    return tuple(row for row in STEPS if row.from_ == state)


def step(code: str, state: str, to: str) -> Step:
    """The step of request `code` from one state to another. Raises StepNotPossible, which names the steps there are."""
    for row in STEPS:
        if row.from_ == state and row.to == to:
            return row
    possible = [str(row.to) for row in steps_from(state)]
    raise StepNotPossible(request=code, state=str(state), to=to, possible=possible, right=", ".join(possible) or "-")


def allocates(state: str) -> bool:
    """Whether tubes can be reserved for a request in this state."""
    return state in _ALLOCATES


def picks(state: str) -> bool:
    """Whether tubes can be picked and handed over for a request in this state."""
    return state in _PICKS
