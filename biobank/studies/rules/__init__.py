"""The rules of studies: what a definition is, how its file is checked, who is eligible, what a purpose needs. Plain Python only."""

from biobank.core.errors import N_, Conflict, NotFound, fault
from biobank.core.near import near
from biobank.studies.rules.definition import (
    AgeLimits,
    Based,
    Component,
    Condition,
    ConsentForm,
    Draw,
    EligibilityRule,
    Event,
    PurposeRule,
    Recruitment,
    Stratum,
    StudyDefinition,
    SubStudy,
    Wanted,
    window,
)
from biobank.studies.rules.eligibility import Child, StratumUnknown, Unmet, check_eligibility, check_stratum, whole_years
from biobank.studies.rules.parsing import VOCABULARIES, parse_definition, read_definition
from biobank.studies.rules.purposes import PURPOSES, USES, components_for, known_purposes
from biobank.studies.rules.reading import StudyFileWrong, refuse_files

__all__ = [
    "PURPOSES",
    "USES",
    "VOCABULARIES",
    "AgeLimits",
    "Based",
    "Child",
    "Component",
    "Condition",
    "ConsentForm",
    "Draw",
    "EligibilityRule",
    "Event",
    "PurposeRule",
    "Recruitment",
    "Stratum",
    "StratumUnknown",
    "StudyDefinition",
    "StudyFileWrong",
    "StudyUnknown",
    "StudyVersionChanged",
    "StudyVersionUnknown",
    "SubStudy",
    "SubStudyUnknown",
    "Unmet",
    "Wanted",
    "check_eligibility",
    "check_stratum",
    "components_for",
    "event_named",
    "known_purposes",
    "parse_definition",
    "read_definition",
    "refuse_files",
    "whole_years",
    "window",
]


class StudyUnknown(NotFound):
    """No study of this code is loaded."""

    title = N_("Unknown study")
    message = N_("There is no study “%(met)s” here; %(near)s.")


class StudyVersionUnknown(NotFound):
    """The study is there, but not in this version."""

    title = N_("Unknown study version")
    message = N_("%(study)s has no version %(met)s here; loaded: %(known)s.")


class SubStudyUnknown(NotFound):
    """No loaded study has a sub-study of this code."""

    title = N_("Unknown sub-study")
    message = N_("There is no sub-study “%(met)s” here; %(near)s.")


class StudyVersionChanged(Conflict):
    """A file was edited without a higher version number."""

    title = N_("Study changed under the same version")
    message = N_("%(file)s: %(study)s version %(version)s is loaded with other content. Give the edited file a version above %(newest)s.")


def event_named(definition: StudyDefinition, code: str, pointer: str = "/event") -> Event:
    """The event with this code. Raises FieldsWrong at `pointer`, naming the study's events."""
    found = definition.event(code)
    if found is None:
        raise fault(pointer, f"{definition.code} has no such event; {near(code, [event.code for event in definition.events])}", code)
    return found
