"""What makes a tube available for a purpose, and the words for why one is not.

A tube is available when it is in custody, released if it is residual, without a hold, in its slot, not reserved, has something left,
and its participant's consent grants the purpose today. A tube that is not is counted once, under the first reason that applies in the
order of `REASONS`: what is true of the tube comes before what is true of the consent.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from biobank.core.errors import N_, Fault, FieldsWrong

HELD = "held-"


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a tube does not count: its code, the words for it, and the standing whose colour it is shown in."""

    code: str
    title: str
    standing: str = "held"


REASONS: tuple[Reason, ...] = (
    Reason("not-received", N_("Not received yet"), "neutral"),
    Reason("gone", N_("Used up, lost or disposed of"), "neutral"),
    Reason("with-recipient", N_("Handed over"), "neutral"),
    Reason("held", N_("On hold"), "held"),
    Reason("not-released", N_("Not released by diagnostics"), "held"),
    Reason("out", N_("Out of its slot"), "out"),
    Reason("reserved", N_("Reserved for a request"), "reserved"),
    Reason("nothing-left", N_("Nothing left in the tube"), "neutral"),
)

HOLDS: Mapping[str, str] = {
    "no-consent": N_("Held: no consent to store"),
    "discrepancy": N_("Held: discrepancy"),
    "quarantine": N_("Held: quarantine"),
    "identity": N_("Held: identity in doubt"),
    "withdrawn": N_("Held: consent withdrawn"),
}

CONSENT: Mapping[str, str] = {
    "withdrawn": N_("Consent withdrawn"),
    "component-declined": N_("Consent declined for this purpose"),
    "age-gate": N_("The child has to consent first"),
    "signatory-missing": N_("A signature is missing"),
    "form-version-too-old": N_("Signed on an old form"),
    "no-decision": N_("No consent decision yet"),
    "not-offered": N_("This study never asked for this purpose"),
    "study-closed-before": N_("The study was closed before"),
}

# Purposes about tubes that exist; `collect` and `return-results` are about people.
PURPOSES = ("supply", "export", "store")
USES = ("genetic", "commercial")
BY = ("study", "organisation", "family", "material", "event", "disease")
FAMILIES = ("marrow", "blood", "csf", "other")


@dataclass(frozen=True, slots=True)
class Criteria:
    """Which tubes are asked about, and what for. An empty tuple does not narrow; `uses` are those declared for `supply`."""

    purpose: str
    uses: frozenset[str] = frozenset()
    studies: tuple[str, ...] = ()
    organisations: tuple[str, ...] = ()
    materials: tuple[str, ...] = ()
    families: tuple[str, ...] = ()
    events: tuple[str, ...] = ()
    diseases: tuple[str, ...] = ()


def reason(code: str) -> Reason:
    """The words and colour of a reason's code: a standing, a kind of hold (`held-…`) or a reason of consent."""
    for known in REASONS:
        if known.code == code:
            return known
    if code.startswith(HELD):
        return Reason(code, HOLDS.get(code.removeprefix(HELD), N_("On hold")), "held")
    return Reason(code, CONSENT.get(code, N_("No consent for this purpose")), "held")


def in_order(codes: Iterable[str]) -> list[str]:
    """Reasons in the order in which they are told: standings and holds as in `REASONS`, then consent, alike by name."""
    places = {known.code: place for place, known in enumerate(REASONS)}
    return sorted(codes, key=lambda code: (places.get("held" if code.startswith(HELD) else code, len(places)), code))


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell of the answer: its place on the axes asked for, and how many."""

    at: tuple[str | None, ...]
    tubes: int
    participants: int


@dataclass(frozen=True, slots=True)
class Answer:
    """Counts of tubes and participants; `not_available` has each other tube once."""

    by: tuple[str, ...]
    tubes: int
    participants: int
    cells: tuple[Cell, ...]
    not_available: tuple[tuple[str, int], ...]


def split(text: str) -> tuple[str, ...]:
    """A list as it stands in an address: `BM,PB`. Empty parts are dropped, repeated ones kept once."""
    return tuple(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))


def check_purpose(purpose: str, sub_studies: Iterable[str], pointer: str = "/purpose") -> None:
    """Raises FieldsWrong unless the purpose is one about tubes; `use:` names a sub-study."""
    if purpose in PURPOSES:
        return
    known = sorted(sub_studies)
    if purpose.startswith("use:") and purpose.removeprefix("use:") in known:
        return
    right = ", ".join([*PURPOSES, *(f"use:{code}" for code in known)])
    raise FieldsWrong([Fault(pointer, f"use one of {right}", purpose)])


def check_words(given: Iterable[str], known: Iterable[str], pointer: str) -> None:
    """Raises FieldsWrong for the first word that is not among the known ones, which it lists."""
    allowed = list(known)
    for word in given:
        if word not in allowed:
            raise FieldsWrong([Fault(pointer, f"use one of {', '.join(allowed)}", word)])
