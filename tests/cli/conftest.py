"""Instances of their own for the command line: it opens and commits its own units."""

from __future__ import annotations

import io
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from biobank.cli import run
from biobank.core.db import make_engine
from biobank.settings import DATABASE
from tests.cli.shell import Shell
from tests.conftest import ENGINES

PASSWORD = "a long enough password"


@pytest.fixture(scope="session")
def numbered() -> Iterator[int]:
    """Names of databases that nobody else uses."""
    return iter(range(1, 1000))


@pytest.fixture(params=ENGINES)
def empty(
    request: pytest.FixtureRequest, new_database: Callable[[str, str], str], numbered: Iterator[int], tmp_path: Path,
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch,
) -> Shell:
    """`biobank` on an instance folder that does not exist and a database without tables."""
    return Shell(tmp_path / "instance", new_database(request.param, f"cli{next(numbered)}"), capsys, monkeypatch)


def _made(folder: Path, *arguments: str, stdin: str = "") -> Path:
    """An instance on SQLite in one file, ready to be copied."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv(DATABASE, raising=False)
        patch.setattr("sys.stdin", io.StringIO(stdin))
        assert run(["--instance", str(folder), *arguments]) == 0
    engine = make_engine(f"sqlite:///{folder / 'biobank.sqlite'}")
    with engine.connect() as connection:
        connection.exec_driver_sql("COMMIT")
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.exec_driver_sql("BEGIN")
    engine.dispose()
    return folder


@pytest.fixture(scope="session")
def after_init(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An instance after `init`."""
    return _made(tmp_path_factory.mktemp("init") / "instance", "init", "--password-stdin", stdin=PASSWORD + "\n")


@pytest.fixture(scope="session")
def after_demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An instance with the demo's first child."""
    return _made(tmp_path_factory.mktemp("demo") / "instance", "demo", "--participants", "1", "--as-of", "2026-11-20")


def _copy(made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Shell:
    folder = tmp_path / "instance"
    shutil.copytree(made, folder)
    return Shell(folder, f"sqlite:///{folder / 'biobank.sqlite'}", capsys, monkeypatch)


@pytest.fixture
def shell(after_init: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Shell:
    """`biobank` on a fresh copy of an instance after `init`."""
    return _copy(after_init, tmp_path, capsys, monkeypatch)


@pytest.fixture
def stocked(after_demo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Shell:
    """`biobank` on a fresh copy of an instance with tubes."""
    return _copy(after_demo, tmp_path, capsys, monkeypatch)
