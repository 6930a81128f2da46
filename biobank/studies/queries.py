"""Reading studies. A parsed definition is kept in the process under its sha256, since what is loaded never changes."""

from __future__ import annotations

import json

from sqlalchemy import bindparam, func, select

from biobank.core.errors import FieldsWrong, NotFound, fault
from biobank.core.near import near
from biobank.core.work import Work
from biobank.studies.models import StudyVersion, SubStudyRow
from biobank.studies.rules import (
    StudyDefinition,
    StudyUnknown,
    StudyVersionUnknown,
    SubStudy,
    SubStudyUnknown,
    parse_definition,
)

_PARSED: dict[str, StudyDefinition] = {}
_OF = select(StudyVersion.study, StudyVersion.version, StudyVersion.sha256).where(StudyVersion.study == bindparam("study"))
_VERSION = _OF.where(StudyVersion.version == bindparam("version"))
_NEWEST = _OF.order_by(StudyVersion.version.desc()).limit(1)


def definition(work: Work, study: str, version: int | None = None, pointer: str | None = None) -> StudyDefinition:
    """The study in this version, or in its newest. One query per unit of work.

    Raises StudyUnknown or StudyVersionUnknown; FieldsWrong instead when `pointer` names the field of a body that the code stood in.
    """
    key = ("study", study, version)
    if key not in work.memo:
        connection = work.session.connection()
        asked = {"study": study} if version is None else {"study": study, "version": version}
        row = connection.execute(_NEWEST if version is None else _VERSION, asked).one_or_none()
        if row is None:
            raise _unknown(work, study, version, pointer)
        work.memo[key] = _parsed(work, row.study, row.version, row.sha256)
    found: StudyDefinition = work.memo[key]
    return found


def studies(work: Work) -> list[StudyDefinition]:
    """Every study in its newest version, by code."""
    newest = select(StudyVersion.study, func.max(StudyVersion.version).label("version")).group_by(StudyVersion.study).subquery()
    rows = work.session.execute(
        select(StudyVersion.study, StudyVersion.version, StudyVersion.sha256)
        .join(newest, (newest.c.study == StudyVersion.study) & (newest.c.version == StudyVersion.version))
        .order_by(StudyVersion.study)
    )
    return [_parsed(work, row.study, row.version, row.sha256) for row in rows.all()]


def versions(work: Work, study: str) -> list[int]:
    """The loaded versions of a study, oldest first; none for an unknown study."""
    return list(work.session.execute(select(StudyVersion.version).where(StudyVersion.study == study).order_by(StudyVersion.version)).scalars())


def sub_study(work: Work, code: str, pointer: str | None = None) -> tuple[StudyDefinition, SubStudy]:
    """The sub-study of this code and the study it belongs to, in the newest version that has it.

    Raises SubStudyUnknown; FieldsWrong instead when `pointer` names the field of a body.
    """
    row = work.session.execute(select(SubStudyRow.study, SubStudyRow.version).where(SubStudyRow.code == code)).one_or_none()
    if row is not None:
        whole = definition(work, row.study, row.version)
        found = whole.sub_study(code)
        if found is not None:
            return whole, found
    known = list(work.session.execute(select(SubStudyRow.code).order_by(SubStudyRow.code)).scalars())
    if pointer is not None:
        raise fault(pointer, f"there is no such sub-study; {near(code, known)}", code)
    raise SubStudyUnknown(met=code, near=near(code, known))


def _parsed(work: Work, study: str, version: int, sha256: str) -> StudyDefinition:
    found = _PARSED.get(sha256)
    if found is None:
        asked = select(StudyVersion.definition).where(StudyVersion.study == study, StudyVersion.version == version)
        text = work.session.execute(asked).scalar_one()
        found = _PARSED[sha256] = parse_definition(json.loads(text), f"{study} version {version} in the database")
    return found


def _unknown(work: Work, study: str, version: int | None, pointer: str | None) -> NotFound | FieldsWrong:
    loaded = versions(work, study)
    if loaded:
        return StudyVersionUnknown(study=study, met=version, known=", ".join(map(str, loaded)))
    known = list(work.session.execute(select(StudyVersion.study).distinct().order_by(StudyVersion.study)).scalars())
    if pointer is not None:
        return fault(pointer, f"there is no such study; {near(study, known)}", study)
    return StudyUnknown(met=study, near=near(study, known))
