"""docs/guarantees.md: what it names as enforcing exists, and what it names as proof exists, is collected and is not skipped."""

from __future__ import annotations

import ast
import importlib
import re
import subprocess
import sys
from dataclasses import dataclass, fields
from pathlib import Path

import pytest

from biobank import tables
from biobank.ledger.rules import APPEND_ONLY
from biobank.settings import Settings
from tests.ledger.unrecorded import UNRECORDED

TOP = Path(__file__).parents[2]
PAGE = (TOP / "docs" / "guarantees.md").read_text("utf-8")
TEST = re.compile(r"`([a-z_]+/test_\w+\.py)::(test_\w+)`( \(drill\))?")
NAME = re.compile(r"`([^`]+)`")


@dataclass(frozen=True, slots=True)
class Row:
    """A promise."""

    promise: str
    enforced: tuple[str, ...]
    proven: tuple[tuple[str, str, bool], ...]


def rows() -> list[Row]:
    promised = PAGE.split("## What is not promised")[0]
    found = []
    for line in promised.splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split(" | ")]
        if line.startswith("| ") and len(cells) == 3 and cells[0] != "promised":
            tests = tuple((path, name, bool(drill)) for path, name, drill in TEST.findall(cells[2]))
            found.append(Row(cells[0], tuple(NAME.findall(cells[1])), tests))
    return found


ROWS = rows()
NAMED = sorted({one for row in ROWS for one in row.proven})


def in_the_database() -> set[str]:
    """Names of triggers, constraints and indexes."""
    names = {f"{table}_no_{what}" for table in APPEND_ONLY for what in ("update", "delete", "change", "truncate")}
    for table in tables.metadata.tables.values():
        for one in (*table.constraints, *table.indexes):
            convention = one.__class__.__name__
            names.add(str(one.name) if one.name else f"{convention} of {table.name}")
        names.add(f"pk_{table.name}")
        for one in table.constraints:
            if one.__class__.__name__ == "UniqueConstraint":
                names.add(f"uq_{table.name}_{'_'.join(column.name for column in one.columns)}")  # type: ignore[attr-defined]
    return names


def test_there_are_promises() -> None:
    assert len(ROWS) > 50
    assert all(row.enforced and row.proven for row in ROWS), [row.promise for row in ROWS if not (row.enforced and row.proven)]


@pytest.mark.parametrize("name", sorted({name for row in ROWS for name in row.enforced}))
def test_what_enforces_exists(name: str) -> None:
    kind, _, rest = name.partition(" ")
    if kind in {"trigger", "constraint", "index"}:
        assert rest in in_the_database()
    elif kind == "setting":
        assert rest in {field.name for field in fields(Settings)}
    else:
        module, _, attribute = name.partition(":")
        assert attribute and hasattr(importlib.import_module(module), attribute)


@pytest.mark.parametrize(("path", "name", "drill"), NAMED)
def test_what_proves_exists_and_is_neither_skipped_nor_expected_to_fail(path: str, name: str, drill: bool) -> None:
    tree = ast.parse((TOP / "tests" / path).read_text("utf-8"))
    found = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == name]
    assert len(found) == 1, f"there is no {name} in {path}"
    marks = [ast.unparse(node.value) for node in tree.body if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "pytestmark"]
    said = " ".join([*marks, *(ast.unparse(one) for one in found[0].decorator_list)])
    assert not re.search(r"\bskip|\bxfail", said), said
    assert not re.search(r"pytest\.(skip|xfail|importorskip)\(", ast.unparse(found[0]))
    assert drill == ("mark.drill" in said), "say (drill) of those that `make drill` runs, and of no others"


def test_what_proves_is_collected() -> None:
    """By pytest itself, with the project's own settings."""
    ids = [f"tests/{path}::{name}" for path, name, _ in NAMED]
    asked = [sys.executable, "-m", "pytest", "--collect-only", "-q", *ids]
    done = subprocess.run(asked, cwd=TOP, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    collected = {re.split(r"\[", line)[0] for line in done.stdout.splitlines()}
    assert set(ids) <= collected, sorted(set(ids) - collected)


def test_what_no_entry_records_is_said() -> None:
    """The list that the tests of verification go by is the list that people read."""
    said = PAGE.split("## What is not promised")[1]
    listed = {
        NAME.findall(cells[0])[0]: tuple(NAME.findall(cells[1]))
        for line in said.splitlines()
        if line.startswith("| `") and (cells := line.strip("| ").split(" | "))
    }
    assert listed == {table: columns for table, (columns, _) in UNRECORDED.items()}
