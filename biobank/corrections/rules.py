"""What a correction by two people is, and why one is not taken."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from biobank.core.errors import N_, Conflict, Forbidden, NotFound, RuleBroken


class Kind(StrEnum):
    """Two trees change places, one tree goes to another child, or a tube comes back from its end."""

    SWAP = "swap"
    MOVE = "move"
    REVIVAL = "revival"


class State(StrEnum):
    """A correction waits for a second person, who confirms or refuses it. Whoever proposed it may take it back: that is refused, too."""

    WAITING = "waiting"
    CONFIRMED = "confirmed"
    REFUSED = "refused"


# What a revival is for: an end that was lost, or entered wrongly.
ENDED = frozenset({"gone", "cancelled"})


@dataclass(frozen=True, slots=True)
class Seen:
    """A tube as a proposal saw it, or as it is now: what it is in its life, whose, and of which draw."""

    code: str
    status: str
    enrolment_id: int
    collection_id: int


def moved_since(then: Iterable[Seen], now: Iterable[Seen]) -> list[str]:
    """What is no longer as it was proposed, tube by tube; where a tube stands and what it holds may change meanwhile."""
    before, after = ({tube.code: tube for tube in tubes} for tubes in (then, now))
    told = [f"{_spaced(code)} was made" for code in sorted(after.keys() - before.keys())]
    told += [f"{_spaced(code)} belongs to it no longer" for code in sorted(before.keys() - after.keys())]
    for code in sorted(before.keys() & after.keys()):
        old, new = before[code], after[code]
        if old.status != new.status:
            told.append(f"{_spaced(code)} was {old.status.replace('_', ' ')} and is {new.status.replace('_', ' ')}")
        elif (old.enrolment_id, old.collection_id) != (new.enrolment_id, new.collection_id):
            told.append(f"{_spaced(code)} belongs to another draw")
    return told


def _spaced(code: str) -> str:
    return f"{code[:4]} {code[4:]}"


class CorrectionUnknown(NotFound):
    """No such correction, or not for this person."""

    title = N_("No such correction")


class NotAPrimary(RuleBroken):
    """A part of a tree cannot be another child's than the tube it was made from."""

    title = N_("Whole trees only")
    message = N_(
        "%(code)s was made from another tube, so it is whose that is. Name the tube that was drawn, %(primary)s: all that was made of it goes along."
    )


class SameChild(RuleBroken):
    """Nothing would change."""

    title = N_("The same child")
    message = N_("%(code)s is of participant %(participant)s already. Name a tube of another child, or another participant.")


class CorrectionWaits(Conflict):
    """A tube waits for one correction at a time."""

    title = N_("Another correction waits")
    message = N_("%(code)s is part of correction %(correction)s, which waits for a second person. Have that one confirmed or declined first.")


class CorrectionAnswered(Conflict):
    """It waits no longer."""

    title = N_("Answered already")
    message = N_("Correction %(correction)s was %(state)s by %(who)s. Look at the tubes as they are now; nothing is left to answer.")


class SecondPersonNeeded(Forbidden):
    """Whoever proposes does not confirm."""

    title = N_("A second person is needed")
    message = N_(
        "You proposed correction %(correction)s yourself. Ask somebody else with the permission “%(permission)s” to look at it and confirm it."
    )


class CorrectionOvertaken(Conflict):
    """The tubes are not as they were when it was proposed."""

    title = N_("Overtaken")
    message = N_("Since correction %(correction)s was proposed: %(moved)s. Decline it, look again, and propose what is right now.")


class NotEnded(Conflict):
    """Only what has ended can come back."""

    title = N_("It has not ended")
    message = N_("%(code)s is %(status)s; only a tube that is gone or cancelled is brought back. Scan it to say where it is.")
