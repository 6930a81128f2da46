"""Consent as verification looks at it: each decision is in its chain, and the stored periods are the fold of the decisions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from biobank.consent import queries
from biobank.consent.service.decisions import fold_of
from biobank.core.work import Work
from biobank.ledger.rules import Finding
from biobank.subjects import queries as subjects
from biobank.subjects.rules import PersonErased

PREFIX = "consent/"


def check_consent(work: Work, chains: Mapping[str, Sequence[dict[str, Any]]]) -> Iterator[Finding]:
    """Yields a Finding for every decision that is not as its entry says, and every component whose stored periods are not the fold.

    Where the person facts were erased, the periods cannot be judged and are left alone.
    """
    mine = {name: bodies for name, bodies in chains.items() if name.startswith(PREFIX)}
    found = queries.by_chains(work, [name.removeprefix(PREFIX) for name in mine])
    stored = queries.states(work, [enrolment.id for enrolment in found.values()])
    for name, bodies in mine.items():
        enrolment = found.get(name.removeprefix(PREFIX))
        if enrolment is None:
            yield Finding(name, None, "enrolment", "the chain has no enrolment")
            continue
        entered = {key: facts for body in bodies for key, facts in _entered(body)}
        kept = queries.decisions_as_entered(work, enrolment.id)
        for key in sorted(entered.keys() | kept.keys()):
            if entered.get(key) != kept.get(key):
                yield Finding(name, key[0], "decision", f"the decision on {key[1]} is {kept.get(key)!r}, its entry says {entered.get(key)!r}")
        try:
            person = subjects.person_of(work, enrolment.participant_id, "verification")
        except PersonErased:
            continue
        folded = fold_of(work, enrolment, person, queries.components_decided(work, enrolment.id))
        periods = stored[enrolment.id][2]
        for component in sorted(folded.keys() | periods.keys()):
            if folded.get(component, []) != periods.get(component, []):
                yield Finding(name, None, "consent_state", f"the stored periods of {component} are not what its decisions amount to")


def _entered(body: dict[str, Any]) -> Iterator[tuple[tuple[int, str], tuple[Any, ...]]]:
    """Key (seq, component) and facts of each decision that an entry tells."""
    facts = body["facts"]
    if body["act"] == "consent-decision":
        signed = sorted((one["role"], one["signed_on"]) for one in facts["signatories"])
        told = (facts["answer"], facts["form_version"], facts["authority"], None, facts["signed_on"], signed)
        yield (body["seq"], facts["component"]), told
    if body["act"] == "withdrawal":
        for one in facts["components"]:
            yield (body["seq"], one["component"]), ("withdrawn", None, None, one["effect"], facts["signed_on"], [])
