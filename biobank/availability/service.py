"""Asking for counts: who may, which words may be asked with, and the answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from biobank.availability import queries
from biobank.availability.rules import BY, FAMILIES, USES, Answer, Criteria, check_purpose, check_words
from biobank.consent.service import asked_uses
from biobank.core.vocabulary import terms
from biobank.core.work import Work
from biobank.identity import queries as identity
from biobank.identity.service import require
from biobank.studies.queries import studies


def count(work: Work, criteria: Criteria, by: Sequence[str] = (), to: str | None = None) -> Answer:
    """Exact counts of tubes and participants for a purpose, and why the other tubes do not count; as fresh as the transaction.

    `to` is the organisation that is to receive them: its country may ask consent for more. Only for insiders: needs “read-availability”, in each
    study that is named. Raises Forbidden, or FieldsWrong for an unknown purpose, use, study, organisation, material, event, disease or axis.
    """
    require(work, queries.PERMISSION)
    check(work, criteria)
    check_words(by, BY, "/by")
    for study in criteria.studies:
        require(work, queries.PERMISSION, study=study)
    if to is not None:
        criteria = replace(criteria, uses=asked_uses(work, criteria.uses, to))
    return queries.count(work, criteria, by, within=work.who.grants)


def check(work: Work, criteria: Criteria) -> None:
    """Raises FieldsWrong for a word of the criteria that nothing here knows."""
    known = studies(work)
    check_purpose(criteria.purpose, [sub.code for study in known for sub in study.sub_studies])
    check_words(sorted(criteria.uses), USES, "/uses")
    check_words(criteria.studies, [study.code for study in known], "/study")
    asked = [study for study in known if study.code in criteria.studies] or known
    check_words(criteria.events, sorted({event.code for study in asked for event in study.events}), "/event")
    check_words(criteria.materials, terms(work, "material"), "/material")
    check_words(criteria.diseases, terms(work, "disease_group"), "/disease")
    check_words(criteria.families, FAMILIES, "/family")
    for organisation in criteria.organisations:
        identity.organisation(work, organisation)
