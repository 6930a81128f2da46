"""What is refused around requests, and what would be right."""

from __future__ import annotations

from biobank.core.errors import N_, Conflict, Forbidden, NotFound, RuleBroken


class RequestUnknown(NotFound):
    """No such request, or not for this person."""

    message = N_("There is no request %(key)s that you may see. Scan or type the 8-character code of a request.")


class StepNotPossible(Conflict):
    """The request cannot go there from where it stands."""

    title = N_("Not the next step")
    message = N_("Request %(request)s is “%(state)s”; from there it cannot become “%(to)s”. Possible now: %(right)s.")


class NotYet(Conflict):
    """Tubes are neither reserved nor handed over in this state."""

    title = N_("Not in this state")
    message = N_("Request %(request)s is “%(state)s”; to %(what)s it has to be %(right)s.")


class StepNeeds(RuleBroken):
    """The step wants a reason."""

    title = N_("A reason is missing")
    message = N_("To make request %(request)s “%(to)s” give a reason; it stays with the request.")


class NotForYou(Forbidden):
    """The person has the role, but it is their own request, or somebody else's."""

    message = N_("Request %(request)s is by %(requester)s: %(right)s.")


class RequestMoved(Conflict):
    """The request was changed by somebody else at the same moment."""

    title = N_("Changed in between")
    message = N_("Request %(request)s was changed by somebody else in between. Nothing was done; look at it again and repeat.")


class LastTube(Conflict):
    """The last tubes of a participant, event and material would be taken without a reason."""

    title = N_("Last tube")
    message = N_(
        "This takes the last tube of a participant, event and material: %(tubes)s. "
        "Give a reason to take it all the same, choose other tubes or ask for fewer."
    )


class OverAsked(RuleBroken):
    """More tubes than the item asks for."""

    title = N_("More than asked for")
    message = N_("Item %(item)s asks for %(n)s tube(s) and has %(has)s; %(more)s more would be too many. Choose at most %(room)s.")


class NotForThisItem(RuleBroken):
    """A tube that is not what the item asks for."""

    title = N_("Not what was asked for")
    message = N_("%(tube)s is not what item %(item)s asks for: %(asked)s. Choose a tube that is.")


class TubeNotAvailable(Conflict):
    """A tube that does not count as available for the purpose of the request."""

    title = N_("Not available")
    message = N_("%(tube)s is not available for “%(purpose)s”: %(reason)s. Choose another tube, or let the plan choose.")


class NothingFits(Conflict):
    """The plan found no tube at all."""

    title = N_("No tube fits")
    message = N_("No tube is available for item %(item)s of request %(request)s (%(asked)s). Those there are: %(why)s.")


class PlanOvertaken(Conflict):
    """Others took the planned tubes again and again."""

    title = N_("Overtaken")
    message = N_("Others took planned tubes in between, %(times)s times in a row (last: %(last)s). Nothing was reserved; try again.")


class NotOnThisList(Conflict):
    """The tube that was scanned is not one this request waits for."""

    title = N_("Not on this list")
    message = N_("%(tube)s is not on the pick list of request %(request)s. Put it back where it was. Still to pick: %(waiting)s.")


class OnNoList(Conflict):
    """The tube that was scanned is not reserved for any request."""

    title = N_("Not on any list")
    message = N_("%(tube)s is not reserved for any request, so it cannot be handed over. Put it back where it was.")


class Stale(Conflict):
    """The person looked at an older state of the request."""

    status = 412
    title = N_("Changed since you looked")
    message = N_("Request %(request)s is at %(now)s, you sent %(met)s. Read it again, then repeat what is still needed.")


class TubesOpen(Conflict):
    """A step that wants every tube handed over or freed."""

    title = N_("Tubes are still open")
    message = N_("Request %(request)s cannot become “%(to)s”: %(why)s. %(right)s.")
