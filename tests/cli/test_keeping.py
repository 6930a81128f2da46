"""`biobank verify` and `labels` on an instance with tubes."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.cli.shell import Shell
from tests.labels import decoders

FROZEN = "DROP TRIGGER entry_no_update"


def tamper(shell: Shell, *statements: str) -> None:
    with sqlite3.connect(urlsplit(shell.url).path) as database:
        for statement in statements:
            database.execute(statement)
    database.close()


def tube(shell: Shell) -> str:
    with sqlite3.connect(urlsplit(shell.url).path) as database:
        (code,) = database.execute("SELECT code FROM specimen WHERE kind = 'aliquot' ORDER BY id LIMIT 1").fetchone()
    database.close()
    return str(code)


def test_a_whole_ledger_is_told_with_its_number_of_entries(stocked: Shell) -> None:
    done = stocked("verify")
    assert (done.code, done.err) == (0, "")
    count, rest = done.out.split(" ", 1)
    assert int(count) > 100 and rest == "entries verified, no fault\n"


@pytest.mark.parametrize(
    ("statements", "named"),
    [
        ((FROZEN, "UPDATE entry SET act = 'thaw' WHERE act = 'store'"), "act"),
        ((FROZEN, "UPDATE entry SET body = CAST(replace(body, 'maxima', 'boston') AS BLOB) WHERE act = 'release'"), "hash"),
        (("UPDATE standing SET thaws = 7 WHERE thaws = 1",), "thaws"),
        ((FROZEN,), "entry_no_update"),
    ],
)
def test_a_fault_is_named_and_exits_1(stocked: Shell, statements: tuple[str, ...], named: str) -> None:
    tamper(stocked, *statements)
    found = stocked("verify")
    assert found.code == 1
    assert named in found.err
    assert "faults" in found.out


@pytest.mark.parametrize("ending", ["pdf", "png", "svg"])
def test_a_label_is_written_and_can_be_read(stocked: Shell, tmp_path: Path, ending: str) -> None:
    code, file = tube(stocked), tmp_path / f"label.{ending}"
    before = stocked("verify").out
    done = stocked("labels", "render", code.lower(), "-o", str(file))
    assert (done.code, done.out) == (0, ""), done.err
    made = file.read_bytes()
    picture = {
        "pdf": lambda: decoders.pages_of_pdf(made, 300)[0], "png": lambda: decoders.picture_of_png(made, 300),
        "svg": lambda: decoders.picture_of_svg(made, 300),
    }[ending]()
    assert ("datamatrix", code) in decoders.by_zxing(picture)
    assert stocked("verify").out == before


def test_labels_that_cannot_be_made_are_refused(stocked: Shell, tmp_path: Path) -> None:
    code, file = tube(stocked), tmp_path / "label.png"
    mistyped = code[:-1] + ("0" if code[-1] != "0" else "1")
    wrong = {
        (code, "-o", str(tmp_path / "label.gif")): "pdf, png, svg",
        (mistyped, "-o", str(file)): "mistyped",
        (code, "-o", str(file), "--design", "poster"): "poster",
        (code, "-o", str(file), "--dpi", "72"): "dpi",
    }
    for arguments, said in wrong.items():
        refused = stocked("labels", "render", *arguments)
        assert refused.code == 1, arguments
        assert said in refused.err
    assert list(tmp_path.glob("label.*")) == []


def test_the_designs_are_listed(shell: Shell) -> None:
    listed = [line.split("\t")[0] for line in shell("labels", "list").out.splitlines()]
    assert {"cryovial", "tube"} <= set(listed)
