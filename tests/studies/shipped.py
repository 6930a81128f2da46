"""The shipped study files, read once for the tests of this folder."""

from __future__ import annotations

import copy
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

from biobank.core.vocabulary import read_vocabularies
from biobank.settings import shipped
from biobank.studies.rules import VOCABULARIES, StudyDefinition, parse_definition

FOLDER = shipped("config") / "studies"
WORDS = shipped("config") / "vocabularies"
CODES = ("alltogether1", "blinfant", "interfant06", "interfant21", "intreall2010", "intreall2020")
FILES: list[Path] = [FOLDER / f"{code}.toml" for code in CODES]


@cache
def known() -> dict[str, list[str]]:
    """The codes of the shipped vocabularies."""
    found = read_vocabularies(WORDS)
    return {name: list(found[name]) for name in VOCABULARIES}


@cache
def _data(code: str) -> dict[str, Any]:
    return tomllib.loads((FOLDER / f"{code}.toml").read_text("utf-8"))


def data(code: str) -> dict[str, Any]:
    """A study file as tables, a fresh copy to spoil."""
    return copy.deepcopy(_data(code))


@cache
def study(code: str) -> StudyDefinition:
    """A shipped study."""
    return parse_definition(_data(code), f"{code}.toml", known())
