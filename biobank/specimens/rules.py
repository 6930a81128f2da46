"""What a tube is made of and from; the lab's words for kinds and purposes."""

from __future__ import annotations

from enum import StrEnum

from biobank.core.errors import N_, Conflict, RuleBroken


class SpecimenKind(StrEnum):
    """A tube's kind never changes: it is drawn, or made from another."""

    PRIMARY = "primary"
    ALIQUOT = "aliquot"
    DERIVATIVE = "derivative"


class Purpose(StrEnum):
    """Residual: what is left once diagnostics are done. Extra: drawn for research."""

    RESIDUAL = "residual"
    EXTRA = "extra"


# What `amend` may correct on a tube; code and kind are fixed.
AMENDABLE = ("amount", "material", "container_type", "purpose")
# An expected tube of research_extra purposes is planned the same way; which are extra is the study's word.
STEPS = ("g", "minutes", "temperature")


class ExternalCodeTaken(Conflict):
    """Another tube bears this issuer's code already."""

    title = N_("External code taken")
    message = N_("%(issuer)s %(code)s stands on %(holder)s already. Check the tube in your hand; one code never names two tubes.")


class AnchorMissing(Conflict):
    """An event counts from a day that nobody has told yet."""

    title = N_("Anchor not known")
    message = N_("%(event)s counts from “%(anchor)s”, and this enrolment has no such day yet. Record the anchor first.")


class OutsideWindow(RuleBroken):
    """The planned day lies outside the event's window."""

    title = N_("Outside the window")
    message = N_("%(event)s is drawn between %(from_day)s and %(to_day)s; %(planned)s lies outside. Choose a day in the window.")


class NotWanted(Conflict):
    """A sub-study that this tube cannot serve."""

    title = N_("Not this sub-study")
    message = N_("%(sub_study)s belongs to %(of)s, and this tube is of a child in %(study)s. Sub-studies there: %(known)s.")


class EarmarkedAlready(Conflict):
    """The same earmark twice."""

    title = N_("Earmarked already")
    message = N_("%(code)s is earmarked for %(sub_study)s already; nothing is left to do.")
