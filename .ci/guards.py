"""Shows that the tests of races fail when their guard is taken out, and that the state machine finds planted faults.

Each row of tests/drills/guards.toml and tests/properties/planted.toml takes something out of a copy of the project and says
what its tests do then: the words (a regular expression) with which each has to fail, or `passes` where it is one net of several and the
others hold without it. Every race test of the project needs a row with which it fails; with all lines in place it has to pass.

    .ci/guards.py [--only WORD]      writes build/guards.txt; exit 1 when a row does not hold, or when a race test has none
    .ci/guards.py --check            runs nothing: every race test has a row, and what each row takes out is still there, once
"""

from __future__ import annotations

import argparse
import ast
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

ROWS = (Path("tests/drills/guards.toml"), Path("tests/properties/planted.toml"))
COPIED = ("biobank", "tests", "migrations", "config", "labels", "pyproject.toml")
# What a test calls, itself or through a function of its module, to let things happen at once.
RACING = {"race", "at_once", "Barrier"}
LONGEST = 1800
PASSES = "passes"
WITNESS = '''"""Stops the run unless it is the copy that is tested."""

import biobank


def pytest_sessionstart(session):
    assert biobank.__file__.startswith({folder!r}), biobank.__file__
'''
MIGRATION = '''"""Something taken out of the database."""

from alembic import op

revision = "guard"
down_revision = {head!r}
branch_labels = depends_on = None


def upgrade():
    if op.get_bind().dialect.name == {engine!r}:
        for statement in {statements!r}:
            op.execute(statement)
'''


@dataclass(frozen=True)
class Patch:
    """Lines of a file, and what stands there instead."""

    file: str
    before: str
    after: str


@dataclass(frozen=True)
class Row:
    """What is taken out, which tests are run then on which database, and what they have to say."""

    guard: str
    engine: str
    tests: dict[str, str]
    patch: list[Patch] = field(default_factory=list)
    database: list[str] = field(default_factory=list)

    @property
    def says(self) -> dict[str, str]:
        """What each test says, by its name for pytest."""
        return {f"{test}[{self.engine}]": words for test, words in self.tests.items()}


def read_rows(paths: Sequence[Path]) -> list[Row]:
    """The tables."""
    told = [one for path in paths for one in tomllib.loads(path.read_text("utf-8"))["row"]]
    return [
        Row(one["guard"], engine, one["tests"], [Patch(**patch) for patch in one.get("patch", [])], one.get("database", []))
        for one in told for engine in one["engines"]
    ]


def race_tests() -> set[str]:
    """Every test of the project that lets things happen at once."""
    found = set()
    for path in sorted(Path("tests").rglob("test_*.py")):
        functions = {one.name: one for one in ast.parse(path.read_text("utf-8")).body if isinstance(one, ast.FunctionDef)}
        named = {name: {node.id for node in ast.walk(one) if isinstance(node, ast.Name)} for name, one in functions.items()}
        racing = {name for name, one in functions.items() if RACING & {_called(node) for node in ast.walk(one)}}
        fixtures = {name for name, one in functions.items() if any("fixture" in ast.unparse(mark) for mark in one.decorator_list)}
        for name in functions:
            seen: set[str] = set()
            left = {name}
            while left:
                now = left.pop()
                seen |= {now} | named[now]
                left |= {other for other in named[now] if other in functions and other not in fixtures} - seen
            if name.startswith("test_") and seen & racing:
                found.add(f"{path}::{name}")
    return found


def _called(node: ast.AST) -> str | None:
    called = node.func if isinstance(node, ast.Call) else None
    return called.id if isinstance(called, ast.Name) else called.attr if isinstance(called, ast.Attribute) else None


class Copy:
    """A copy of the project, with something taken out of it or not."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in COPIED:
            if Path(name).is_dir():
                shutil.copytree(name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(name, folder / name)
        (folder / "witness.py").write_text(WITNESS.format(folder=str(folder)), "utf-8")
        self.env = os.environ | {
            "PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1", "BIOBANK_UNSHRUNK": "1", "PYTHONHASHSEED": "0", "COLUMNS": "400",
        }
        self.env.pop("BIOBANK_DRILL", None)

    def run(self, ids: list[str]) -> dict[str, list[str]]:
        """Run tests; the lines of each one's failures (none: it passed), by id."""
        report, base = self.folder / "report.xml", self.folder / "base"
        report.unlink(missing_ok=True)
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-p", "witness", "-n", "0", "-q", f"--basetemp={base}", f"--junitxml={report}", *ids],
            cwd=self.folder, env=self.env, capture_output=True, text=True, timeout=LONGEST,
        )
        if not report.exists():
            raise SystemExit(f"pytest did not run:\n{done.stdout}\n{done.stderr}")
        found: dict[str, list[str]] = {}
        for case in ET.parse(report).getroot().iter("testcase"):
            path = str(case.get("classname")).replace(".", "/") + ".py"
            bad = [*case.iter("failure"), *case.iter("error"), *case.iter("skipped")]
            said = [line for one in bad for line in (one.text or str(one.get("message"))).splitlines()]
            found.setdefault(f"{path}::{case.get('name')}", []).extend(said)
        missing = set(ids) - set(found)
        if missing:
            raise SystemExit(f"not run: {sorted(missing)}\n{done.stdout}\n{done.stderr}")
        return found

    def without(self, row: Row) -> dict[str, list[str]]:
        """Run a row's tests with its lines taken out."""
        kept = {patch.file: (self.folder / patch.file).read_text("utf-8") for patch in row.patch}
        versions = self.folder / "migrations" / "versions"
        extra = versions / "9999_guard.py"
        try:
            for patch in row.patch:
                path = self.folder / patch.file
                text = path.read_text("utf-8")
                if text.count(patch.before) != 1:
                    raise SystemExit(f"{patch.file} has {text.count(patch.before)} times, not once: {patch.before}")
                path.write_text(text.replace(patch.before, patch.after), "utf-8")
            if row.database:
                extra.write_text(MIGRATION.format(head=_head(versions), statements=row.database, engine=row.engine), "utf-8")
            return self.run(list(row.says))
        finally:
            for name, text in kept.items():
                (self.folder / name).write_text(text, "utf-8")
            extra.unlink(missing_ok=True)


def _head(versions: Path) -> str:
    told = {"revision": set(), "down_revision": set()}
    for path in versions.glob("0*.py"):
        for name, value in re.findall(r"""^(revision|down_revision)\b[^=]*= *["'](\w+)["']""", path.read_text("utf-8"), re.MULTILINE):
            told[name].add(value)
    (head,) = told["revision"] - told["down_revision"]
    return head


def judge(words: str, lines: list[str]) -> tuple[bool, str]:
    """Whether a test did what its row says, and its telling line."""
    said = [line for line in lines if line.startswith("E ")] + lines
    if words == PASSES:
        return not lines, "FAILS: " + said[0] if said else "passes: the other nets hold"
    if not lines:
        return False, "PASSES, although its guard is out"
    telling = next((line for line in said if re.search(words, line)), None)
    if telling is None:
        return False, f"fails, but never says “{words}”:\n    " + "\n    ".join(said[:6])
    return True, re.sub(r"^E +", "", telling).strip()[:300]


def show(row: Row) -> str:
    """What is taken out, as a patch."""
    told = [f"\n== {row.guard} ({row.engine})"]
    for patch in row.patch:
        told.append(f"   {patch.file}")
        told += [f"   - {line.strip()}" for line in patch.before.splitlines() if line not in patch.after.splitlines()]
        told += [f"   + {line.strip()}" for line in patch.after.splitlines() if line not in patch.before.splitlines()]
    return "\n".join([*told, *(f"   in the database: {statement}" for statement in row.database)])


def check(rows: Sequence[Row]) -> int:
    """Say what no longer fits; exit 1 when anything does not."""
    guarded = {test for row in rows for test, words in row.tests.items() if words != PASSES}
    wrong = [f"no row takes the guard of this race test out: {test}" for test in sorted(race_tests() - guarded)]
    for row in rows:
        for patch in row.patch:
            met = Path(patch.file).read_text("utf-8").count(patch.before)
            wrong += [f"{row.guard}: {patch.file} has these lines {met} times, not once: {patch.before.strip()}"] if met != 1 else []
    print("\n".join([*wrong, f"{len(rows)} rows; {len(wrong)} do not fit"]))
    return 1 if wrong else 0


def main() -> int:
    """Try every row; exit 1 when one does not hold."""
    options = argparse.ArgumentParser(description=str(__doc__).split("\n")[0])
    options.add_argument("--only", default="", metavar="WORD", help="only rows whose guard or tests hold this word")
    options.add_argument("--quick", action="store_true", help="do not run the tests as they are first")
    options.add_argument("--rows", default=ROWS, type=Path, nargs="+", help="other tables")
    options.add_argument("--check", action="store_true", help="run nothing; only hold the tables against the project")
    given = options.parse_args()
    every = read_rows(given.rows)
    if given.check:
        return check(every)
    rows = [row for row in every if given.only in row.guard + " ".join(row.says)]
    wrong: list[str] = []
    Path("build").mkdir(exist_ok=True)
    with (Path("build") / "guards.txt").open("w", encoding="utf-8") as report, tempfile.TemporaryDirectory(prefix="guards-") as folder:

        def tell(text: str) -> None:
            print(text, flush=True)
            print(text, file=report, flush=True)

        guarded = {test for row in every for test, words in row.tests.items() if words != PASSES}
        bare = sorted(race_tests() - guarded)
        wrong += [f"no row takes the guard of this race test out: {test}" for test in bare]
        copy = Copy(Path(folder).resolve() / "copy")
        begun = time.monotonic()
        ids = sorted({one for row in rows for one in row.says})
        for test, lines in ({} if given.quick else copy.run(ids)).items():
            wrong += [f"fails as it is: {test}: {next(iter(lines), '')}"] if lines else []
        tell(f"{len(ids)} tests as they are: {time.monotonic() - begun:.0f} s")
        for row in rows:
            begun = time.monotonic()
            tell(show(row))
            for test, lines in copy.without(row).items():
                right, words = judge(row.says[test], lines)
                tell(f"   {'ok' if right else 'WRONG'} {test}\n      {words}")
                wrong += [] if right else [f"{row.guard}: {test}: {words}"]
            tell(f"   {time.monotonic() - begun:.0f} s")
        tell("\n" + "\n".join([*wrong, f"{len(rows)} rows, {len(ids)} tests; {len(wrong)} do not hold"]))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
