"""The lab's own rules of custody: the act table, what an act does to a standing, and the refusals."""

from biobank.custody.rules.acts import ACTS, HERE, Act, Condition, DisposalReason, HoldKind, Kind, Status
from biobank.custody.rules.effects import Asked, effect_of
from biobank.custody.rules.refusals import (
    ActUnknown,
    AmountUnknown,
    ConsentRefused,
    Held,
    NotInThisState,
    NotReleased,
    OverDraw,
    Reserved,
    UndoNotPossible,
    WitnessNeeded,
)
from biobank.custody.rules.standing import OWNER, Hold, Place, Promise, Standing, apply, fold

__all__ = [
    "ACTS", "HERE", "OWNER", "Act", "ActUnknown", "AmountUnknown", "Asked", "Condition", "ConsentRefused", "DisposalReason", "Held", "Hold",
    "HoldKind", "Kind", "NotInThisState", "NotReleased", "OverDraw", "Place", "Promise", "Reserved", "Standing", "Status",
    "UndoNotPossible", "WitnessNeeded", "apply", "effect_of", "fold",
]
