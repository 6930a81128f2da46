"""Consent as verification looks at it: each decision is in its chain, and the stored periods are the fold of the decisions."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from biobank.consent import queries
from biobank.consent.service.decisions import fold_of
from biobank.core import codes
from biobank.core.work import Work
from biobank.ledger.rules import Finding
from biobank.subjects import queries as subjects
from biobank.subjects.models import Enrolment, Participant
from biobank.subjects.rules import PersonErased

PREFIX = "consent/"


def check_consent(work: Work, chains: Mapping[str, Sequence[dict[str, Any]]]) -> Iterator[Finding]:
    """Yields a Finding for every decision that is not as its entry says, and every component whose stored periods are not the fold.

    Where the person facts were erased, the periods cannot be judged and are left alone. With no chains: codes that are bound to another child.
    """
    if not chains:
        yield from _check_codes(work)
    mine = {name: bodies for name, bodies in chains.items() if name.startswith(PREFIX)}
    found = queries.by_chains(work, [name.removeprefix(PREFIX) for name in mine])
    stored = queries.states(work, [enrolment.id for enrolment in found.values()])
    children = subjects.codes_of(work, [enrolment.participant_id for enrolment in found.values()])
    for name, bodies in mine.items():
        enrolment = found.get(name.removeprefix(PREFIX))
        if enrolment is None:
            yield Finding(name, None, "enrolment", "the chain has no enrolment")
            continue
        yield from _check_enrolment(name, enrolment, children.get(enrolment.participant_id), bodies)
        entered = {key: facts for body in bodies for key, facts in _entered(body)}
        kept = queries.decisions_as_entered(work, enrolment.id, enrolment.chain_id)
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


def _check_codes(work: Work) -> Iterator[Finding]:
    for code in codes.strays(work.session, "participant", Participant.__table__):
        yield Finding(f"participant/{code}", None, "code", "this code is bound to a child who does not bear it")
    for code in codes.unbound(work.session, "participant", Participant.__table__):
        yield Finding(f"participant/{code}", None, "code", "the code is not bound to this child: a scan would find something else")


def _check_enrolment(name: str, enrolment: Enrolment, participant: str | None, bodies: Sequence[dict[str, Any]]) -> Iterator[Finding]:
    """What the first entry says of the enrolment; the hospital's own number for the child stands in no entry."""
    if not bodies or bodies[0]["act"] != "enrol":
        return
    told = bodies[0]["facts"]
    warnings = json.loads(enrolment.warnings)
    kept = {
        "study": enrolment.study, "version": enrolment.version, "organisation": enrolment.organisation, "country": enrolment.country,
        "enrolled_on": enrolment.enrolled_on.isoformat(), "stratum": enrolment.stratum, "override_reason_given": enrolment.override_reason_given,
        "participant": participant, "unmet": [one["rule"] for one in warnings if one["overridden"]],
        "warned": [one["rule"] for one in warnings if not one["overridden"]],
    }
    for field, value in kept.items():
        if told.get(field) != value:
            yield Finding(name, 1, field, f"the enrolment says {value!r}, its entry {told.get(field)!r}")


def _entered(body: dict[str, Any]) -> Iterator[tuple[tuple[int, str], tuple[Any, ...]]]:
    """Key (seq, component) and facts of each decision that an entry tells."""
    facts = body["facts"]
    if body["act"] == "consent-decision":
        signed = sorted((one["role"], one["signed_on"]) for one in facts["signatories"])
        told = (facts["answer"], facts["form_version"], facts["authority"], None, facts["signed_on"], signed, body["recorded_at"])
        yield (body["seq"], facts["component"]), told
    if body["act"] == "withdrawal":
        for one in facts["components"]:
            yield (body["seq"], one["component"]), ("withdrawn", None, None, one["effect"], facts["signed_on"], [], body["recorded_at"])
