"""The command line as a test calls it: arguments in, exit code and what was said out."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path

import pytest

from biobank.cli import run
from biobank.settings import DATABASE


@dataclass(frozen=True, slots=True)
class Said:
    """Exit code, standard output, standard error."""

    code: int
    out: str
    err: str


@dataclass(slots=True)
class Shell:
    """`biobank` on one instance and one database."""

    instance: Path
    url: str
    capsys: pytest.CaptureFixture[str]
    monkeypatch: pytest.MonkeyPatch

    def __call__(self, *arguments: str, stdin: str = "") -> Said:
        self.monkeypatch.setenv(DATABASE, self.url)
        self.monkeypatch.setattr("sys.stdin", io.StringIO(stdin))
        self.capsys.readouterr()
        try:
            code = run(["--instance", str(self.instance), *arguments])
        except SystemExit as wrong_usage:
            code = int(wrong_usage.code or 0)
        said = self.capsys.readouterr()
        return Said(code, said.out, said.err)
