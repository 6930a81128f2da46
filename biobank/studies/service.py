"""Loading study files. Every file is checked before the first row is written."""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from sqlalchemy import select, update

from biobank.core.errors import Fault
from biobank.core.vocabulary import read_vocabularies, terms
from biobank.core.work import Work
from biobank.studies import queries
from biobank.studies.models import StudyVersion, SubStudyRow
from biobank.studies.rules import VOCABULARIES, StudyDefinition, StudyVersionChanged, read_definition, refuse_files


@dataclass(frozen=True, slots=True)
class Loaded:
    """What became of one file: `loaded`, or `unchanged` when this very content is there already."""

    file: str
    study: str
    version: int
    outcome: str


@dataclass(frozen=True, slots=True)
class LoadReport:
    """What became of each file, in the order given."""

    files: tuple[Loaded, ...]


@dataclass(frozen=True, slots=True)
class _Read:
    file: str
    definition: StudyDefinition
    text: str

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.text.encode()).hexdigest()


def check_files(paths: Sequence[Path], vocabularies: Path) -> list[StudyDefinition]:
    """Check study files against the vocabulary files of a folder, without a database. Raises StudyFileWrong with every fault of every file."""
    known = {name: list(words) for name, words in read_vocabularies(vocabularies).items()}
    return [read.definition for read in _read_files(paths, {name: known.get(name, []) for name in VOCABULARIES}, {})]


def load_studies(work: Work, files: Sequence[Path]) -> LoadReport:
    """Load study files as new versions; content that is loaded already is left alone. Comments and layout do not count as content.

    Vocabularies must be loaded first. Raises StudyFileWrong (every fault of every file; a sub-study code of another study among them)
    or StudyVersionChanged (edited without a higher version number); nothing is written then.
    """
    known = {name: list(terms(work, name)) for name in VOCABULARIES}
    taken = {row.code: row.study for row in work.session.execute(select(SubStudyRow.code, SubStudyRow.study))}
    found = _read_files(files, known, taken)
    outcomes = [_outcome(work, read) for read in found]
    for read, outcome in zip(found, outcomes, strict=True):
        if outcome == "loaded":
            _write(work, read)
    pairs = zip(found, outcomes, strict=True)
    return LoadReport(tuple(Loaded(read.file, read.definition.code, read.definition.version, outcome) for read, outcome in pairs))


def _read_files(paths: Sequence[Path], known: Mapping[str, Collection[str]], taken: Mapping[str, str]) -> list[_Read]:
    faults: list[Fault] = []
    found: list[_Read] = []
    for path in paths:
        try:
            data = tomllib.loads(path.read_text("utf-8"))
        except OSError as wrong:
            faults.append(Fault(path.name, f"this file cannot be read: {wrong.strerror}"))
            continue
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as wrong:
            faults.append(Fault(path.name, f"this is not TOML: {wrong}"))
            continue
        definition, wrong_keys = read_definition(data, path.name, known)
        faults.extend(wrong_keys)
        found.append(_Read(path.name, definition, _canonical(data)))
    faults.extend(_shared_codes(found, taken))
    if faults:
        raise refuse_files(faults)
    return found


def _canonical(data: Mapping[str, Any]) -> str:
    return json.dumps(data, sort_keys=True, ensure_ascii=False, separators=(",", ":"), default=_day)


def _day(value: object) -> str:
    # Days become text; what else TOML knows (times) has been noted as a fault, and only needs to be written somehow.
    return value.isoformat() if isinstance(value, date) else str(value)


def _shared_codes(found: Iterable[_Read], taken: Mapping[str, str]) -> list[Fault]:
    faults: list[Fault] = []
    owners = dict(taken)
    files: dict[tuple[str, int], str] = {}
    for read in found:
        study = read.definition
        first = files.setdefault((study.code, study.version), read.file)
        if first != read.file:
            faults.append(Fault(f"{read.file}: version", f"{first} describes {study.code} version {study.version} as well", study.version))
        for number, sub in enumerate(study.sub_studies, 1):
            owner = owners.setdefault(sub.code, study.code)
            if owner != study.code:
                reason = f"sub-study codes are unique across studies, and {owner} has this one; use a code such as {study.code}_{sub.code}"
                faults.append(Fault(f"{read.file}: sub_studies[{number}].code", reason, sub.code))
    return faults


def _outcome(work: Work, read: _Read) -> str:
    study = read.definition
    loaded = queries.versions(work, study.code)
    asked = select(StudyVersion.sha256).where(StudyVersion.study == study.code, StudyVersion.version == study.version)
    present = work.session.execute(asked).scalar_one_or_none()
    if present == read.sha256:
        return "unchanged"
    if loaded and study.version <= loaded[-1]:
        raise StudyVersionChanged(file=read.file, study=study.code, version=study.version, newest=loaded[-1])
    return "loaded"


def _write(work: Work, read: _Read) -> None:
    study = read.definition
    work.session.add(
        StudyVersion(
            study=study.code,
            version=study.version,
            sha256=read.sha256,
            title=study.title,
            opens_on=study.opens_on,
            closes_on=study.closes_on,
            definition=read.text,
            loaded_at=work.now,
        )
    )
    work.session.flush()
    present = set(work.session.execute(select(SubStudyRow.code).where(SubStudyRow.study == study.code)).scalars())
    for sub in study.sub_studies:
        if sub.code in present:
            work.session.execute(update(SubStudyRow).where(SubStudyRow.code == sub.code).values(version=study.version))
        else:
            work.session.add(SubStudyRow(code=sub.code, study=study.code, version=study.version))
    work.session.flush()
    work.memo.pop(("study", study.code, None), None)
