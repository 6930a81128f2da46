"""Why an act on a tube is refused; each names what was met and what would be right."""

from __future__ import annotations

from biobank.core.errors import N_, Conflict, RuleBroken


class ActUnknown(RuleBroken):
    """No such act, or it is not done by scanning."""

    title = N_("Unknown act")
    message = N_("“%(act)s” is not an act that can be scanned. Acts are: %(known)s.")


class NotInThisState(Conflict):
    """The act does not fit the tube's status."""

    title = N_("Not allowed in this state")
    message = N_("%(code)s is %(status)s; “%(act)s” needs it to be %(allowed)s. Look the tube up to see what happened last.")


class Held(Conflict):
    """A use of a tube on hold."""

    title = N_("On hold")
    message = N_(
        "%(code)s is on hold (%(holds)s), so “%(act)s” is not allowed. Put it in the quarantine rack; a manager frees it once the cause is settled."
    )


class ConsentRefused(Conflict):
    """Consent does not allow this; the reasons are codes with the component they are about."""

    title = N_("Consent does not allow this")
    message = N_("Consent for %(code)s does not allow “%(purpose)s”: %(why)s. Do not use the tube; ask the consent officer.")


class NotReleased(Conflict):
    """Residual material before the diagnostic laboratory has let it go."""

    title = N_("Not released yet")
    message = N_("%(code)s is residual material that the diagnostic laboratory has not released. Scan it in mode “release” once they are done.")


class OverDraw(Conflict):
    """More is asked than is left."""

    title = N_("Not enough left")
    message = N_(
        "%(code)s has %(left)s left that nobody is promised; %(asked)s was asked. Take less, or measure the tube first if it really holds more."
    )


class AmountUnknown(Conflict):
    """Taking from a tube whose amount nobody has measured."""

    title = N_("Amount not known")
    message = N_("Nobody has measured how much %(code)s holds. Give `measured` with the amount, then %(act)s in the same step.")


class Reserved(Conflict):
    """Promised to something else, or not promised at all."""

    title = N_("Reservation does not fit")
    message = N_("%(code)s %(met)s. %(right)s")


class WitnessNeeded(RuleBroken):
    """Four eyes: two different people."""

    title = N_("A second person is needed")
    message = N_("“%(act)s” needs a witness: the login of a second person, not your own. Met: %(met)s.")


class UndoNotPossible(Conflict):
    """Undo reaches only the tube's last entry, a place act, at the same station, within ten minutes, by the same person."""

    title = N_("Cannot be undone")
    message = N_("%(code)s: %(why)s. Store it where it really is, or ask a manager to amend the entry.")
