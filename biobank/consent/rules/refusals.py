"""Answers, effects, and what is refused when a decision is recorded."""

from __future__ import annotations

from biobank.core.errors import N_, RuleBroken

ANSWERS = ("yes", "no")
EFFECTS = ("stop-collection", "no-further-use", "destroy", "own-care-only", "further-use-allowed")

# The European Economic Area: the Union's 27 and Iceland, Liechtenstein, Norway. From here health data may not leave without a basis of its own.
EEA = frozenset({
    "AT", "BE", "BG", "CY", "CZ", "DE", "DK", "EE", "ES", "FI", "FR", "GR", "HR", "HU", "IE", "IS", "IT", "LI", "LT", "LU",
    "LV", "MT", "NL", "NO", "PL", "PT", "RO", "SE", "SI", "SK",
})


def uses_towards(country: str) -> frozenset[str]:
    """What sending to this country adds to the declared uses: `outside_eea` follows from the country, it is never declared."""
    return frozenset() if country in EEA else frozenset({"outside_eea"})


class ComponentUnknown(RuleBroken):
    """The study has no such component."""

    title = N_("Unknown consent component")
    message = N_("The study %(study)s has no component “%(met)s”. It has: %(known)s.")


class FormVersionUnknown(RuleBroken):
    """The study has no such consent form, or it was not in use yet."""

    title = N_("Unknown consent form")
    message = N_("The study %(study)s had no consent form “%(met)s” on %(signed_on)s. Its forms: %(known)s.")


class SignedBeforeBirth(RuleBroken):
    """A signature is older than the participant."""

    title = N_("Signed before birth")
    message = N_("The day %(signed_on)s lies before the birth of %(participant)s. Check the date on the form, or correct the birth date.")
