"""`backup` and `restore`: one file that holds the whole ledger, made while it is served, and an instance made from it."""

from __future__ import annotations

import argparse
import os
import re
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psycopg
from alembic.script import ScriptDirectory
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError

from biobank.app import alembic_config
from biobank.cli import keeping
from biobank.cli.backups import postgresql, sqlite
from biobank.cli.backups.archive import CHUNK, FORMAT, BackupThere, NotABackup, Reader, Writer, whole_file
from biobank.cli.database import prepare, with_owner
from biobank.cli.keeper import LEAVES
from biobank.cli.support import bar, opened
from biobank.core.errors import Conflict, RuleBroken
from biobank.core.times import stamp
from biobank.ledger import service as ledger
from biobank.settings import Settings, load_settings

SETTINGS, ACCESS_LOG = "settings.toml", "access.log"
# Addresses and tokens are secrets, and a restored instance must never serve the database it was copied from.
PRIVATE = re.compile(rb"""^[ \t]*["']?(database_url|replica_url|metrics_token)["']?[ \t]*=.*$""", re.MULTILINE)
LEFT_OUT = rb"# \1 stood here; a backup leaves it out"
REVISION = "SELECT version_num FROM alembic_version"
ENTRIES = "SELECT count(*) FROM entry"
NEWEST = "SELECT note FROM checkpoint ORDER BY size DESC LIMIT 1"


class NotAtHead(Conflict):
    """The database is of another version than the program."""

    message = ("The database is at revision %(met)s and this program at %(head)s. Make the backup with the version that serves the database, "
               "or run “biobank db upgrade” first.")


class BackupFailed(Conflict):
    """Something outside gave way; nothing is left of the file."""

    message = "The backup was not made: %(why)s. No file was left behind; make room or start the database, and do it again."


class RestoreFailed(Conflict):
    """Something outside gave way; the target is as it was."""

    message = "Nothing was restored: %(why)s. The target is as empty as before."


class NoKeys(RuleBroken):
    """The backup holds checkpoints, and nothing here tells whose signatures they need."""

    message = ("The keys that sign are in no backup, and %(folder)s holds no public keys. Put the site's signing folder there, or at least its file "
               "“verifiers”, or name that file with --keys. Nothing was restored.")


class OtherEngine(RuleBroken):
    """A backup goes back into the kind of database it came from."""

    message = ("This backup is of %(backup)s and the instance's database is %(target)s. A backup goes back into the same kind of database: "
               "set BIOBANK_DATABASE_URL accordingly. Nothing was restored.")


class BackupTooNew(RuleBroken):
    """Made by a later version."""

    message = ("This backup was made by biobank %(made_by)s (layout %(format)s, revision %(revision)s); this is biobank %(version)s "
               "(layout %(ours)s, revisions up to %(head)s). Restore it with version %(made_by)s or a later one. Nothing was restored.")


def add(commands: Any) -> None:
    """`backup`, `restore`."""
    backup = commands.add_parser("backup", help="seal, and write the whole ledger into one new file; may run while it is served")
    backup.add_argument("file", type=Path, help="a file that is not there yet, on a disk that is not the database's")
    backup.set_defaults(run=run_backup)
    restore = commands.add_parser("restore", help="make an instance from a backup, and verify it")
    restore.add_argument("file", type=Path)
    restore.add_argument("--against", type=Path, metavar="CHECKPOINTS", help="exported checkpoints, kept elsewhere: they name an older backup")
    restore.add_argument("--keys", type=Path, metavar="FILE", help="public keys that were kept elsewhere, instead of those in the signing folder")
    with_owner(restore)
    restore.set_defaults(run=run_restore)


def run_backup(given: argparse.Namespace, settings: Settings) -> int:
    """The newest checkpoint goes to standard output, so that it can be kept apart from the file."""
    if given.file.exists():
        raise BackupThere(file=given.file)
    _insist_on_head(settings)
    made_at = _seal(settings)
    with _saying(BackupFailed), whole_file(given.file) as file, bar(None, "bytes") as progress:
        archive = Writer(file)
        manifest = _dump(settings, given.file, archive, progress)
        _add_files(settings, archive)
        archive.close(manifest | {"product": "biobank", "format": FORMAT, "version": version("biobank"), "made_at": made_at})
    size = given.file.stat().st_size
    print(f"{given.file}: {manifest['entries']} entries, {size} bytes, made {made_at}", file=sys.stderr)
    print(manifest["checkpoint"] or "", end="")
    return 0


def _seal(settings: Settings) -> str:
    """Seal all there is; the moment of it."""
    with opened(settings) as units:
        more = True
        while more:
            with units.write() as work:
                sealed = ledger.seal(work, ledger.Keyring.load(settings.signing_folder, settings.log_name), LEAVES)
            more = sealed is not None and sealed.more
    return stamp(work.now)


def _head() -> str:
    return str(ScriptDirectory.from_config(alembic_config()).get_current_head())


def _insist_on_head(settings: Settings) -> None:
    with opened(settings) as units, units.read() as work:
        met = work.session.connection().exec_driver_sql(REVISION).scalar_one()
    if met != _head():
        raise NotAtHead(met=met, head=_head())


def _engine(settings: Settings) -> str:
    return make_url(settings.database_url).get_backend_name()


def _dump(settings: Settings, path: Path, archive: Writer, progress: Any) -> dict[str, Any]:
    if _engine(settings) == "sqlite":
        with sqlite.snapshot(settings.database_url, path) as (ask, copy):
            return _facts(ask) | {"engine": "sqlite", "tables": sqlite.dump(ask, copy, archive, progress.update)}
    with postgresql.snapshot(settings.database_url) as (ask, driver):
        return _facts(ask) | {"engine": "postgresql", "tables": postgresql.dump(driver, archive, progress.update)}


def _facts(ask: sqlite.Ask) -> dict[str, Any]:
    note = ask(NEWEST)
    return {"revision": ask(REVISION)[0][0], "entries": ask(ENTRIES)[0][0], "checkpoint": note[0][0] if note else None}


def _add_files(settings: Settings, archive: Writer) -> None:
    """The site's settings and the access log; never a key, never a password file."""
    own = settings.instance / SETTINGS
    if own.is_file():
        with archive.member(SETTINGS) as member:
            member.write(PRIVATE.sub(LEFT_OUT, own.read_bytes()))
    if settings.access_log.is_file():
        # It grows meanwhile: what was there at the start.
        with archive.member(ACCESS_LOG) as member, settings.access_log.open("rb") as log:
            left = os.fstat(log.fileno()).st_size
            while left and (chunk := log.read(min(CHUNK, left))):
                member.write(chunk)
                left -= len(chunk)


def run_restore(given: argparse.Namespace, settings: Settings) -> int:
    """Check the whole file, fill an empty database, lay the files beside it, and verify what came of it. Exit 1 when a fault is found."""
    with Reader(given.file) as archive:
        _insist_on_ours(archive, settings)
        _insist_on_keys(archive, given, settings)
        with _saying(RestoreFailed), bar(2 * archive.size, "bytes") as progress:
            engine = sqlite if _engine(settings) == "sqlite" else postgresql
            owner = given.owner_url if engine is postgresql else None
            address = owner or settings.database_url
            engine.insist_on_none(address)
            archive.check(progress.update)
            settings.instance.mkdir(parents=True, exist_ok=True)
            engine.fill(address, archive, progress.update)
        prepare(settings, owner)
        for name in (SETTINGS, ACCESS_LOG):
            _lay(archive, name, settings.instance / name)
        facts = archive.manifest
    print(f"restored the backup of {facts['made_at']}: {facts['entries']} entries; now it is verified", file=sys.stderr)
    return keeping.verified(_restored(settings), given.against, given.keys)


def _restored(settings: Settings) -> Settings:
    """The site's own settings, its civil time among them, with the keys that are here."""
    own = load_settings(settings.instance, settings.database_url)
    if own.signing_folder != settings.signing_folder:
        print(f"the restored {SETTINGS} keeps the keys in {own.signing_folder}: bring those of {settings.signing_folder} there", file=sys.stderr)
    return replace(own, signing_folder=settings.signing_folder)


def _insist_on_keys(archive: Reader, given: argparse.Namespace, settings: Settings) -> None:
    """What verification needs is asked for before anything is restored."""
    if given.against:
        keeping.notes_in(given.against)
    verifiers = ledger.read_verifiers(given.keys) if given.keys else ledger.known_verifiers(settings.signing_folder)
    if archive.manifest["checkpoint"] and not verifiers:
        raise NoKeys(folder=settings.signing_folder)


def _insist_on_ours(archive: Reader, settings: Settings) -> None:
    facts = archive.manifest
    known = {script.revision for script in ScriptDirectory.from_config(alembic_config()).walk_revisions()}
    if facts.get("format") != FORMAT or facts["revision"] not in known:
        raise BackupTooNew(
            made_by=facts.get("version"), format=facts.get("format"), revision=facts.get("revision"), version=version("biobank"), ours=FORMAT,
            head=_head(),
        )
    if facts["engine"] not in {"sqlite", "postgresql"}:
        raise NotABackup(file=archive.path, why=f"it is of the database “{facts['engine']}”, which biobank does not use")
    if facts["engine"] != _engine(settings):
        raise OtherEngine(backup=facts["engine"], target=_engine(settings))


def _lay(archive: Reader, name: str, path: Path) -> None:
    """A file of the backup; what the instance has already stays, and the backup's comes beside it."""
    if name not in archive.manifest["members"]:
        return
    if path.exists():
        path = path.with_name(f"{name}.from-backup")
        print(f"the instance has its own {name}; that of the backup is {path}", file=sys.stderr)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        for chunk in archive.chunks(name):
            file.write(chunk)


@contextmanager
def _saying(failed: type[Conflict]) -> Iterator[None]:
    """What the disk or the database complain of, in one line instead of a traceback."""
    try:
        yield
    except OSError as error:
        raise failed(why=f"{error.strerror or error}{f' ({error.filename})' if error.filename else ''}") from error
    except (sqlite3.Error, psycopg.Error, DBAPIError) as error:
        raise failed(why=str(error).splitlines()[0] if str(error) else type(error).__name__) from error
