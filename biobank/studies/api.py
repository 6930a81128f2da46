"""`GET /studies` and what belongs to one of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

from biobank.core.work import Work
from biobank.studies import queries
from biobank.studies.rules import Event, StudyDefinition, SubStudy
from biobank.studies.schemas import EVENTS, PAGE_ARGS, STUDIES, STUDY, SUB_STUDIES, VERSION_ARGS, VERSION_PAGE_ARGS
from biobank.web.blueprint import ApiBlueprint
from biobank.web.paging import page

api = ApiBlueprint("studies", __name__, "Studies as data: rules, consent components, collection events, sub-studies")
Coded = TypeVar("Coded", StudyDefinition, Event, SubStudy)


@api.get("/studies", permission="read-studies")
@api.takes(PAGE_ARGS, location="query")
@api.answers(200, STUDIES)
def studies(work: Work, args: dict[str, Any]) -> dict[str, Any]:
    """Every study in its newest version."""
    return _page(queries.studies(work), args)


@api.get("/studies/<study>", permission="read-studies")
@api.takes(VERSION_ARGS, location="query")
@api.answers(200, STUDY)
def study(work: Work, args: dict[str, Any], study: str) -> StudyDefinition:
    """One study: registry ids, recruitment, eligibility, consent components and what each purpose needs."""
    return queries.definition(work, study, args["version"])


@api.get("/studies/<study>/events", permission="read-studies")
@api.takes(VERSION_PAGE_ARGS, location="query")
@api.answers(200, EVENTS)
def study_events(work: Work, args: dict[str, Any], study: str) -> dict[str, Any]:
    """The collection events of a study, with the tubes of each."""
    return _page(queries.definition(work, study, args["version"]).events, args)


@api.get("/studies/<study>/sub-studies", permission="read-studies")
@api.takes(VERSION_PAGE_ARGS, location="query")
@api.answers(200, SUB_STUDIES)
def study_sub_studies(work: Work, args: dict[str, Any], study: str) -> dict[str, Any]:
    """The sub-studies of a study, with the material each asks for."""
    return _page(queries.definition(work, study, args["version"]).sub_studies, args)


def _page(items: Sequence[Coded], args: dict[str, Any]) -> dict[str, Any]:
    """The items behind the one named `after`; a code that is not there begins at the first."""
    codes = [item.code for item in items]
    start = codes.index(args["after"]) + 1 if args["after"] in codes else 0
    return page(items[start : start + args["limit"] + 1], args["limit"], lambda item: item.code)
