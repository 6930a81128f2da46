"""Open vocabularies: words a site may add to, read from `config/vocabularies/*.toml` into rows. No code branches on them.

A file holds one or more vocabularies. Each declares the facts that its terms carry, so that a typo in a fact is named as well:

    [material.facts]
    unit = ["nL", "cells", "pieces"]     # one of these words
    made_from = "codes"                  # a list of codes of the same vocabulary; also "words", "text", "yes-no", "whole"

    [[material.terms]]
    code = "BM"
    title = "Bone marrow"
    title_nl = "Beenmerg"
    unit = "nL"
    source = ["S2"]                      # or: assumed = true
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from sqlalchemy import String, Text, insert, select, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from biobank.core.db import Base
from biobank.core.errors import N_, Fault, RuleBroken, fault
from biobank.core.near import near
from biobank.core.work import Work

NAME = re.compile(r"^[a-z][a-z_]{0,29}$")
CODE = re.compile(r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,39}$")
OWN_KEYS = ("code", "title", "title_nl", "source", "assumed")
KINDS = ("codes", "text", "whole", "words", "yes-no")


class VocabularyFileWrong(RuleBroken):
    """A vocabulary file has faults; every one is named."""

    title = N_("Vocabulary file not right")
    message = N_("%(count)s fault(s) in vocabulary files; nothing was loaded.\n%(listing)s")


class TermRow(Base):
    """One word of one vocabulary. A word that has left its file stays, because tubes bear it."""

    __tablename__ = "term"
    vocabulary: Mapped[str] = mapped_column(String(30), primary_key=True)
    code: Mapped[str] = mapped_column(String(40), primary_key=True)
    ordinal: Mapped[int]
    title: Mapped[str] = mapped_column(String(200))
    title_nl: Mapped[str] = mapped_column(String(200))
    facts: Mapped[str] = mapped_column(Text)


@dataclass(frozen=True, slots=True)
class Term:
    """One word: its code, its titles, and the facts its vocabulary declares (`source` and `assumed` among them)."""

    vocabulary: str
    code: str
    title: str
    title_nl: str
    facts: Mapping[str, Any]

    @property
    def assumed(self) -> bool:
        """Whether nothing published stands behind it."""
        return bool(self.facts.get("assumed", False))


Vocabularies = dict[str, dict[str, Term]]


def read_vocabularies(folder: Path) -> Vocabularies:
    """All vocabularies of the files in `folder`: name -> code -> Term. Raises VocabularyFileWrong with every fault of every file."""
    faults: list[Fault] = []
    found: Vocabularies = {}
    for path in sorted(folder.glob("*.toml")):
        try:
            data = tomllib.loads(path.read_text("utf-8"))
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as wrong:
            faults.append(Fault(path.name, f"this is not TOML: {wrong}"))
            continue
        for name, content in data.items():
            where = f"{path.name}: {name}"
            if name in found:
                faults.append(Fault(where, "this vocabulary stands in another file already", name))
            elif not NAME.match(name) or not isinstance(content, dict) or set(content) - {"facts", "terms"}:
                faults.append(Fault(where, "a vocabulary is a table with `facts` and a list of `terms`, named in small letters", name))
            else:
                found[name] = _read_terms(name, content, where, faults)
    if faults:
        listing = "\n".join(f"{f.pointer}: {f.message}" + (f" (met: {f.met!r})" if f.met is not None else "") for f in faults)
        raise VocabularyFileWrong(faults=faults, count=len(faults), listing=listing)
    return found


def _read_terms(name: str, content: dict[str, Any], where: str, faults: list[Fault]) -> dict[str, Term]:
    declared: dict[str, Any] = content.get("facts", {})
    for key, kind in declared.items():
        if not (kind in KINDS if isinstance(kind, str) else isinstance(kind, list) and all(isinstance(word, str) for word in kind)):
            faults.append(Fault(f"{where}.facts.{key}", f"give a list of words, or one of {', '.join(KINDS)}", kind))
    rows = content.get("terms", [])
    codes = [row.get("code") for row in rows if isinstance(row, dict)]
    terms: dict[str, Term] = {}
    for number, row in enumerate(rows, 1):
        place = f"{where}.terms[{number}]"
        if not isinstance(row, dict) or not isinstance(row.get("code"), str) or not CODE.match(row["code"]):
            met = row.get("code") if isinstance(row, dict) else row
            faults.append(Fault(f"{place}.code", "give a code of letters, digits and _ . - (at most 40)", met))
            continue
        code = row["code"]
        if code in terms:
            faults.append(Fault(f"{place}.code", "this code stands there twice", code))
        _check_term(row, declared, codes, f"{place} ({code})", faults)
        facts = {key: value for key, value in row.items() if key not in ("code", "title", "title_nl")}
        terms[code] = Term(name, code, str(row.get("title", "")), str(row.get("title_nl", "")), MappingProxyType(facts))
    return terms


def _check_term(row: dict[str, Any], declared: dict[str, Any], codes: list[Any], place: str, faults: list[Fault]) -> None:
    for key in ("title", "title_nl"):
        if not isinstance(row.get(key), str) or not row[key]:
            faults.append(Fault(f"{place}.{key}", "a text is missing here", row.get(key)))
    source = row.get("source", [])
    if not isinstance(source, list) or not all(isinstance(key, str) for key in source):
        faults.append(Fault(f"{place}.source", 'give a list of source keys, as ["S2"]', source))
    if row.get("assumed", False) not in (True, False) or not (source or row.get("assumed", False)):
        faults.append(Fault(f"{place}.assumed", "name a source, or say assumed = true", row.get("assumed")))
    for key, value in row.items():
        if key in OWN_KEYS:
            continue
        if key not in declared:
            faults.append(Fault(f"{place}.{key}", f"no such fact; {near(key, [*declared, *OWN_KEYS])}", key))
        elif (reason := _fact_fault(value, declared[key], codes)) is not None:
            faults.append(Fault(f"{place}.{key}", reason, value))


def _fact_fault(value: Any, kind: Any, codes: list[Any]) -> str | None:
    if isinstance(kind, list):
        return None if value in kind else near(value, kind)
    if kind in ("codes", "words"):
        if not isinstance(value, list) or not all(isinstance(word, str) for word in value):
            return "give a list of words"
        unknown = [word for word in value if kind == "codes" and word not in codes]
        return near(unknown[0], [str(code) for code in codes]) if unknown else None
    right = {"text": str, "yes-no": bool, "whole": int}.get(str(kind))
    return None if right is None or type(value) is right else f"give a value of the kind {kind}"


def load_vocabularies(session: Session, folder: Path) -> int:
    """Write the vocabularies of `folder` to their rows; new and changed terms only. Gives the number of rows written.

    Raises VocabularyFileWrong before the first row is written. Terms that left the files stay.
    """
    found = read_vocabularies(folder)
    rows = session.execute(select(*TermRow.__table__.columns))
    present = {(row.vocabulary, row.code): (row.ordinal, row.title, row.title_nl, row.facts) for row in rows}
    written = 0
    for name, terms in found.items():
        for ordinal, term_ in enumerate(terms.values(), 1):
            facts = json.dumps(dict(term_.facts), sort_keys=True, ensure_ascii=False)
            if present.get((name, term_.code)) == (ordinal, term_.title, term_.title_nl, facts):
                continue
            values = {"ordinal": ordinal, "title": term_.title, "title_nl": term_.title_nl, "facts": facts}
            if (name, term_.code) in present:
                session.execute(update(TermRow).where(TermRow.vocabulary == name, TermRow.code == term_.code).values(**values))
            else:
                session.execute(insert(TermRow).values(vocabulary=name, code=term_.code, **values))
            written += 1
    return written


def terms(work: Work, vocabulary: str) -> Mapping[str, Term]:
    """The words of a vocabulary by code, in the order of its file; one query per unit of work. Empty for an unknown vocabulary."""
    key = ("vocabulary", vocabulary)
    if key not in work.memo:
        asked = select(*TermRow.__table__.columns).where(TermRow.vocabulary == vocabulary).order_by(TermRow.ordinal, TermRow.code)
        rows = work.session.execute(asked)
        work.memo[key] = MappingProxyType(
            {row.code: Term(vocabulary, row.code, row.title, row.title_nl, MappingProxyType(json.loads(row.facts))) for row in rows}
        )
    found: Mapping[str, Term] = work.memo[key]
    return found


def term(work: Work, vocabulary: str, code: str, pointer: str) -> Term:
    """The term with exactly this code. Raises FieldsWrong at `pointer`, naming what was met, the nearest codes and all known ones."""
    known = terms(work, vocabulary)
    found = known.get(code) if isinstance(code, str) else None
    if found is None:
        raise fault(pointer, f"there is no such {vocabulary.replace('_', ' ')}; {near(code, known)}", code)
    return found
