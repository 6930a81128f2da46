"""Nothing hashed and nothing verified depends on the time zone, the locale or the number format of whoever runs it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy.engine import make_url

from biobank.core.db import make_engine
from tests.conftest import ENGINES
from tests.postgresql.clusters import primary
from tests.postgresql.site import as_, statements

pytestmark = [pytest.mark.drill, pytest.mark.xdist_group("anywhere")]

# What a shell may have set.
PLACES = {
    "here": {},
    "kiritimati-turkish": {"TZ": "Pacific/Kiritimati", "LC_ALL": "tr_TR.UTF-8", "PGTZ": "Pacific/Kiritimati", "PGDATESTYLE": "German"},
    "newfoundland-dutch": {"TZ": "America/St_Johns", "LC_ALL": "nl_NL.UTF-8", "PGDATESTYLE": "SQL, DMY", "PGOPTIONS": "-c bytea_output=escape"},
    "bare": {"TZ": "", "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PGCLIENTENCODING": "LATIN1", "PGTZ": "America/Caracas"},
}
# What a database administrator may have set for everybody.
ODD = ("timezone = 'Asia/Kathmandu'", "datestyle = 'Postgres, DMY'", "intervalstyle = 'sql_standard'", "bytea_output = 'escape'",
       "extra_float_digits = -15", "search_path = 'nowhere'", "default_transaction_isolation = 'serializable'")


@dataclass(frozen=True, slots=True)
class Said:
    """Exit code, standard output, standard error."""

    code: int
    out: str
    err: str


@dataclass(frozen=True, slots=True)
class Ledger:
    """The demo's ledger on one database."""

    folder: Path
    url: str

    def __call__(self, *arguments: str, **places: str) -> Said:
        """`biobank` in a process of its own."""
        dropped = {"TZ", "LANG", "LC_ALL", "LANGUAGE"}
        environment = {name: value for name, value in os.environ.items() if name not in dropped} | {"BIOBANK_DATABASE_URL": self.url} | places
        command = [sys.executable, "-m", "biobank", "--instance", str(self.folder), *arguments]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, encoding="utf-8", check=False)
        return Said(done.returncode, done.stdout, done.stderr)

    def entries(self) -> list[tuple[object, ...]]:
        """Every entry's name and hash."""
        return self.read("SELECT c.kind, c.ref, e.seq, e.hash FROM entry e JOIN chain c ON c.id = e.chain_id")

    def read(self, query: str) -> list[tuple[object, ...]]:
        """Rows, in Python's own order."""
        engine = make_engine(self.url)
        with engine.connect() as connection:
            found = sorted(tuple(row) for row in connection.exec_driver_sql(query))
            connection.rollback()
        engine.dispose()
        return found

    def change(self, *several: str) -> None:
        """Raw statements."""
        engine = make_engine(self.url).execution_options(writes=True)
        with engine.begin() as connection:
            for one in several:
                connection.exec_driver_sql(one)
        engine.dispose()


def told(folder: Path, url: str, **places: str) -> Ledger:
    """The demo, told on this database from this place."""
    ledger = Ledger(folder, url)
    done = ledger("demo", "--participants", "1", "--as-of", "2026-11-20", **places)
    assert done.code == 0, done.err
    return ledger


@pytest.fixture(scope="module")
def ledgers(new_database: Callable[[str, str], str], tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Ledger]:
    """Each engine's ledger, made once, here."""
    made: dict[str, Ledger] = {}

    def get(engine: str) -> Ledger:
        if engine not in made:
            made[engine] = told(tmp_path_factory.mktemp("here"), new_database(engine, "anywhere"))
        return made[engine]

    return get


@pytest.fixture(scope="module")
def locales() -> Iterator[Path]:
    """Turkish and Dutch, made from the sources of Debian's package `locales`; `.ci/run` sees to it."""
    folder = Path(tempfile.mkdtemp(prefix="biobank-locales-"))
    folder.chmod(0o755)
    for name in ("tr_TR", "nl_NL"):
        subprocess.run(["localedef", "-i", name, "-f", "UTF-8", str(folder / f"{name}.UTF-8")], check=True, capture_output=True)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(params=ENGINES)
def ledger(request: pytest.FixtureRequest, ledgers: Callable[[str], Ledger]) -> Iterator[Ledger]:
    """The ledger; whatever is set for a whole database is taken back."""
    made = ledgers(request.param)
    yield made
    if request.param == "postgresql":
        statements(made.url, *(f"ALTER DATABASE {make_url(made.url).database} RESET {one.split(' = ')[0]}" for one in ODD))


def changed(ledger: Ledger) -> list[str]:
    """Two entries and a standing, edited behind the product's back."""
    off = ["DROP TRIGGER entry_no_update"] if ledger.url.startswith("sqlite") else ["ALTER TABLE entry DISABLE TRIGGER entry_no_change"]
    later = "datetime(occurred_at, '+1 second')" if ledger.url.startswith("sqlite") else "occurred_at + interval '1 second'"
    first = "chain_id = (SELECT min(chain_id) FROM entry) AND seq = 1"
    return [*off, f"UPDATE entry SET occurred_at = {later} WHERE {first}", "UPDATE standing SET thaws = thaws + 7 WHERE specimen_id = 1"]


def test_verify_gives_the_same_answer_from_everywhere(ledger: Ledger, locales: Path) -> None:
    if ledger.url.startswith("postgresql"):
        statements(ledger.url, *(f"ALTER DATABASE {make_url(ledger.url).database} SET {one}" for one in ODD))
    clean = {name: ledger("verify", **place, LOCPATH=str(locales)) for name, place in PLACES.items()}
    assert clean["here"].code == 0 and "no fault" in clean["here"].out, clean["here"]
    assert set(clean.values()) == {clean["here"]}
    # Of a doctored ledger too: the same faults in the same words. A restore comes after, so that the order of the tests does not matter.
    ledger.change(*changed(ledger))
    try:
        doctored = {name: ledger("verify", **place, LOCPATH=str(locales)) for name, place in PLACES.items()}
    finally:
        mended(ledger)
    assert doctored["here"].code == 1 and "occurred_at" in doctored["here"].err and "thaws" in doctored["here"].err
    assert set(doctored.values()) == {doctored["here"]}


def mended(ledger: Ledger) -> None:
    """As it was."""
    sqlite = ledger.url.startswith("sqlite")
    earlier = "strftime('%Y-%m-%d %H:%M:%f000', occurred_at, '-1 second')" if sqlite else "occurred_at - interval '1 second'"
    on = (
        "CREATE TRIGGER entry_no_update BEFORE UPDATE ON entry BEGIN SELECT RAISE(ABORT, 'table entry is append-only: update is refused'); END"
        if sqlite else "ALTER TABLE entry ENABLE ALWAYS TRIGGER entry_no_change"
    )
    first = "chain_id = (SELECT min(chain_id) FROM entry) AND seq = 1"
    ledger.change(f"UPDATE entry SET occurred_at = {earlier} WHERE {first}", "UPDATE standing SET thaws = thaws - 7 WHERE specimen_id = 1", on)


def test_the_same_life_gives_the_same_bytes_wherever_it_is_told(
    ledgers: Callable[[str], Ledger], locales: Path, new_database: Callable[[str, str], str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Both databases, one of them sorting as Turkish does, told from the far side of the date line."""
    here = ledgers("sqlite").entries()
    assert len(here) > 100
    assert ledgers("postgresql").entries() == here
    turkish = PLACES["kiritimati-turkish"] | {"LOCPATH": str(locales)}
    far = told(tmp_path_factory.mktemp("far"), new_database("sqlite", "far"), **turkish)
    assert far.entries() == here
    with primary(environment={"LOCPATH": str(locales)}) as cluster:
        statements(cluster.url, "CREATE DATABASE turkish TEMPLATE template0 LOCALE 'tr_TR.UTF-8'")
        url = as_(cluster.url, "postgres", "turkish")
        statements(url, *(f"ALTER DATABASE turkish SET {one}" for one in ODD if "search_path" not in one))
        there = told(tmp_path_factory.mktemp("turkish"), url, **turkish)
        # In Turkish the small letter of I has no dot: this database really sorts and folds so.
        assert there.read("SELECT lower('I')") == [("ı",)]
        assert there.entries() == here
        assert there("verify", **turkish) == ledgers("sqlite")("verify")
