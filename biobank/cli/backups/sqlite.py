"""A copy of an SQLite database while others write to it, and putting one back."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy.engine import make_url

from biobank.app import upgrade_database
from biobank.cli.backups.archive import CHUNK, BackupDamaged, Progress, Reader, Writer, beside, sync_folder
from biobank.core.errors import Conflict

DATABASE = "database.sqlite"
Ask = Callable[[str], list[Any]]


class FileThere(Conflict):
    """The instance has a database already."""

    message = "There is a database already: %(file)s. Restore into a new instance folder, or move it away first. Nothing was restored."


def file_of(url: str) -> Path:
    """The database's file."""
    return Path(make_url(url).database or "")


def insist_on_none(url: str) -> None:
    """An empty file is what opening an address leaves behind, and no database. Raises FileThere."""
    path = file_of(url)
    if (path.exists() and path.stat().st_size) or path.with_name(f"{path.name}-wal").exists():
        raise FileThere(file=path)


@contextmanager
def snapshot(url: str, path: Path) -> Iterator[tuple[Ask, Path]]:
    """A consistent copy beside `path`, and a way to ask it; the copy is gone afterwards.

    VACUUM INTO reads in one transaction that keeps no writer waiting, and leaves behind what was erased from the pages.
    """
    copy = beside(path)
    # Made first and empty, which VACUUM INTO takes: the copy holds what the database holds, and is as closed to others.
    os.close(os.open(copy, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    try:
        with closing(sqlite3.connect(f"file:{file_of(url)}?mode=rw", uri=True, isolation_level=None, timeout=30)) as source:
            source.execute("VACUUM INTO ?", [str(copy)])
        with closing(sqlite3.connect(f"file:{copy}?immutable=1", uri=True)) as asked:
            yield lambda query: asked.execute(query).fetchall(), copy
    finally:
        for rest in (copy, copy.with_name(f"{copy.name}-journal")):
            rest.unlink(missing_ok=True)


def dump(ask: Ask, copy: Path, archive: Writer, progress: Progress) -> dict[str, Any]:
    """Put the copy into the archive; rows by table."""
    names = [row[0] for row in ask("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name")]
    tables = {name: {"rows": ask(f'SELECT count(*) FROM "{name}"')[0][0]} for name in names}  # noqa: S608 - names of the database itself
    with archive.member(DATABASE) as member, copy.open("rb") as file:
        while chunk := file.read(CHUNK):
            member.write(chunk)
            progress(len(chunk))
    return tables


def fill(url: str, archive: Reader, progress: Progress) -> None:
    """Lay the copy down under another name, check it, bring it to the newest migration, and then give it its name."""
    path = file_of(url)
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = beside(path)
    try:
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            for chunk in archive.chunks(DATABASE):
                file.write(chunk)
                progress(len(chunk))
            file.flush()
            os.fsync(file.fileno())
        _compare(draft, archive)
        upgrade_database(f"sqlite:///{draft}")
        insist_on_none(url)
        draft.rename(path)
        sync_folder(path.parent)
    finally:
        for rest in (draft, *(draft.with_name(draft.name + end) for end in ("-wal", "-shm", "-journal"))):
            rest.unlink(missing_ok=True)


def _compare(draft: Path, archive: Reader) -> None:
    with closing(sqlite3.connect(f"file:{draft}?immutable=1", uri=True)) as asked:
        for name, told in archive.manifest["tables"].items():
            rows = asked.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0]  # noqa: S608 - the archive's hash is right
            if rows != told["rows"]:
                raise BackupDamaged(file=archive.path, why=f"the table {name} has {rows} rows, the manifest says {told['rows']}")
