"""Why a tube cannot be put somewhere."""

from __future__ import annotations

from biobank.core.errors import N_, Conflict, RuleBroken


class PositionOccupied(Conflict):
    """One tube per position, always."""

    title = N_("Position occupied")
    message = N_("%(position)s in %(container)s already holds %(occupant)s. Put this tube in %(next_free)s.")


class PositionNeeded(RuleBroken):
    """A place act without a place."""

    title = N_("Where to?")
    message = N_("“%(act)s” needs a position, as C612FF2G:A1, or a box in `context.container` whose next free position is taken.")
