"""`biobank seal` and `biobank verify --against`, `--keys`, `--hashes` on an instance with tubes."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from biobank.cli.support import opened
from biobank.ledger import service as ledger
from biobank.ledger.rules import Line, read_note, split_notes
from biobank.settings import load_settings
from tests.cli.shell import Shell


def signing(shell: Shell) -> Path:
    """The folder of the keys."""
    return shell.instance / "signing"


def path_of(shell: Shell) -> Path:
    return Path(urlsplit(shell.url).path)


def test_sealing_twice_exports_once_and_is_verified_against_it(stocked: Shell, tmp_path: Path) -> None:
    file = tmp_path / "exported.txt"
    first = stocked("seal", "--export", str(file))
    assert (first.code, first.err) == (0, "") and "entries sealed" in first.out
    again = stocked("seal", "--export", str(file))
    assert "nothing new to seal" in again.out
    notes = split_notes(file.read_text("utf-8"))
    assert len(notes) == 1 and first.out.endswith(f"{read_note(notes[0]).size} in all\n")
    done = stocked("verify", "--against", str(file))
    assert (done.code, done.err) == (0, "") and "no fault; all 1 checkpoints in" in done.out
    assert stocked("verify", "--hashes").code == 0


def test_an_older_database_is_named_by_what_was_kept_elsewhere(stocked: Shell, tmp_path: Path) -> None:
    stocked("seal")
    older, file = tmp_path / "older.sqlite", tmp_path / "exported.txt"
    copy(path_of(stocked), older)
    add_an_entry(stocked)
    assert stocked("seal", "--export", str(file)).code == 0
    copy(older, path_of(stocked))
    assert stocked("verify").code == 0
    found = stocked("verify", "--against", str(file))
    assert found.code == 1 and "an older backup was restored" in found.err


def copy(from_: Path, to: Path) -> None:
    """A whole SQLite database."""
    with sqlite3.connect(from_) as source, sqlite3.connect(to) as target:
        source.backup(target)
    source.close()
    target.close()


def add_an_entry(shell: Shell) -> None:
    """A chain of its own with an entry: something that happened later."""
    with opened(load_settings(shell.instance, shell.url)) as units, units.write() as work:
        ledger.append(work, [Line(ledger.open_chain(work, "test", "after"), "test")])


def test_after_a_rotation_old_and_new_checkpoints_are_verified(stocked: Shell, tmp_path: Path) -> None:
    file, kept = tmp_path / "exported.txt", tmp_path / "keys.txt"
    stocked("seal", "--export", str(file))
    shutil.copyfile(signing(stocked) / "verifiers", kept)
    rotated = stocked("seal", "--rotate", "--export", str(file))
    assert rotated.code == 0 and "new key biobank+" in rotated.err
    add_an_entry(stocked)
    stocked("seal", "--export", str(file))
    assert [len(read_note(note).signatures) for note in split_notes(file.read_text("utf-8"))] == [1, 2]
    assert stocked("verify", "--against", str(file)).code == 0
    # The public key that somebody kept from before is enough up to where the old key hands over.
    assert stocked("verify", "--against", str(file), "--keys", str(kept)).code == 0


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("verify", "--against", "missing.txt"), "No such file"), (("verify", "--keys", "missing.txt"), "No such file"),
        (("verify", "--against", "empty.txt"), "holds no checkpoint"), (("verify", "--against", "binary.txt"), "no text in UTF-8"),
        (("seal", "--export", "missing/exported.txt"), "No such file"),
    ],
)
def test_files_that_cannot_be_used_are_told(stocked: Shell, tmp_path: Path, arguments: tuple[str, ...], named: str) -> None:
    (tmp_path / "empty.txt").write_text("")
    (tmp_path / "binary.txt").write_bytes(b"\xff\xfe")
    stocked("seal")
    refused = stocked(*(str(tmp_path / one) if one.endswith(".txt") else one for one in arguments))
    assert refused.code == 1 and named in refused.err


def test_forged_and_foreign_checkpoints_are_told(stocked: Shell, tmp_path: Path) -> None:
    file = tmp_path / "exported.txt"
    stocked("seal", "--export", str(file))
    note = file.read_text("utf-8")
    size = read_note(note).size
    file.write_text(note.replace(f"\n{size}\n", f"\n{size + 1}\n"), "utf-8")
    forged = stocked("verify", "--against", str(file))
    assert forged.code == 1 and "does not fit the checkpoint" in forged.err
    (signing(stocked) / "verifiers").write_text("")
    lost = stocked("verify")
    assert lost.code == 1 and "No known key signed this checkpoint" in lost.err
