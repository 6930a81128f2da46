"""`biobank backup` and `restore`: what comes back, what stays out, and what is refused before anything is changed."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import shutil
import tarfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import pytest
from sqlalchemy import select

from biobank.app import METADATA, make_units
from biobank.cli import run
from biobank.cli.backups.archive import MANIFEST, SEAL
from biobank.core.db import make_engine
from biobank.core.work import Grant, Work
from biobank.identity import queries as people
from biobank.identity import service as identity
from biobank.settings import DATABASE, load_settings
from tests.availability.stock import aliquots, child, draw
from tests.cli.conftest import PASSWORD
from tests.cli.shell import Shell
from tests.conftest import ENGINES

SECRET = "smtp-secret-that-stays-here"


@dataclass(frozen=True, slots=True)
class Source:
    """An instance with a child's tubes and everything that must stay out of a backup, a backup of it, and all rows that this holds."""

    instance: Path
    url: str
    backup: Path
    rows: dict[str, list[Any]]


@contextmanager
def manager(instance: Path, url: str) -> Iterator[Work]:
    """A committed unit of work."""
    units = make_units(load_settings(instance, url))
    with units.write() as work:
        work.actor = people.actor_by_login(work, "manager")
        yield work
    units.sessions.engine.dispose()  # type: ignore[attr-defined]


@pytest.fixture(scope="module", params=ENGINES)
def source(request: pytest.FixtureRequest, new_database: Callable[[str, str], str], tmp_path_factory: pytest.TempPathFactory) -> Source:
    """Made once for each engine."""
    folder = tmp_path_factory.mktemp("source")
    instance, url = folder / "instance", new_database(request.param, "backed")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(DATABASE, url)
        patch.setattr("sys.stdin", io.StringIO(PASSWORD + "\n"))
        assert run(["--instance", str(instance), "init", "--password-stdin"]) == 0
        instance.joinpath("settings.toml").write_text(
            f'title = "Our own"\nzone = "Europe/Stockholm"\ndatabase_url = "{url}"\nmetrics_token = "{SECRET}"\nsmtp_password_file = "smtp"\n'
        )
        instance.joinpath("smtp").write_text(SECRET)
        instance.joinpath("secret.key").write_bytes(b"cookie-key-that-stays-here" * 2)
        instance.joinpath("access.log").write_text('{"at": "2026-11-20T09:00:00Z", "reads": []}\n')
        with manager(instance, url) as work:
            identity.add_organisation(work, "maxima", "Prinses Máxima Centrum", "biobank", "NL", "Europe/Amsterdam")
            identity.add_person(work, "manager", "Manager", PASSWORD, "maxima", [Grant("manager"), Grant("diagnostics")])
            work.actor = people.actor_by_login(work, "manager")
            aliquots(work, draw(work, child(work, 1)), 3)
        assert run(["--instance", str(instance), "backup", str(folder / "backup.tar")]) == 0
    return Source(instance, url, folder / "backup.tar", content(url))


@pytest.fixture
def full(source: Source, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Shell:
    """`biobank` on the instance that was backed up."""
    return Shell(source.instance, source.url, capsys, monkeypatch)


@pytest.fixture
def backup(source: Source) -> Path:
    """The backup of it."""
    return source.backup


@pytest.fixture
def elsewhere(source: Source, new_database: Callable[[str, str], str], tmp_path: Path, full: Shell) -> Shell:
    """An empty instance and database of the same kind."""
    folder = tmp_path / "elsewhere"
    folder.joinpath("signing").mkdir(parents=True)
    engine = "sqlite" if source.url.startswith("sqlite") else "postgresql"
    return Shell(folder, new_database(engine, "elsewhere"), full.capsys, full.monkeypatch)


def give_keys(full: Shell, elsewhere: Shell) -> None:
    """The public keys; the signing key stays where it is."""
    shutil.copy(full.instance / "signing" / "verifiers", elsewhere.instance / "signing" / "verifiers")


def content(url: str) -> dict[str, list[Any]]:
    """Every row of every table."""
    engine = make_engine(url)
    with engine.connect() as connection:
        found = {table.name: sorted(map(repr, connection.execute(select(table)).all())) for table in METADATA.sorted_tables}
    engine.dispose()
    return found


def rewritten(path: Path, change: Callable[[dict[str, Any]], None]) -> Path:
    """A copy whose manifest says something else, and is right in itself."""
    made = path.with_name(f"changed-{path.name}")
    with tarfile.open(path) as source, tarfile.open(made, "w", format=tarfile.GNU_FORMAT) as target:
        for info in source.getmembers():
            data = source.extractfile(info).read()  # type: ignore[union-attr]
            if info.name == MANIFEST:
                manifest = json.loads(data)
                change(manifest)
                text = data = json.dumps(manifest).encode()
            if info.name == SEAL:
                data = hashlib.sha256(text).hexdigest().encode()
            info.size = len(data)
            target.addfile(info, io.BytesIO(data))
    return made


def test_what_is_restored_is_what_was_backed_up(source: Source, full: Shell, backup: Path, elsewhere: Shell, tmp_path: Path) -> None:
    said = full("backup", str(tmp_path / "second.tar"))
    assert said.out.startswith("biobank\n"), "the checkpoint, to be kept elsewhere"
    tmp_path.joinpath("kept").write_text(said.out)
    give_keys(full, elsewhere)
    restored = elsewhere("restore", str(backup), "--against", str(tmp_path / "kept"))
    assert restored.code == 0, restored.err
    assert "no fault; all 1 checkpoints" in restored.out
    assert content(elsewhere.url) == source.rows
    assert elsewhere.instance.joinpath("access.log").read_text() == full.instance.joinpath("access.log").read_text()
    settings = elsewhere.instance.joinpath("settings.toml").read_text()
    assert 'title = "Our own"' in settings and full.url not in settings
    assert not elsewhere.instance.joinpath("secret.key").exists()
    assert not elsewhere.instance.joinpath("signing", "signing.key").exists()
    # New ids go on after the restored ones, and a new key signs on.
    with manager(elsewhere.instance, elsewhere.url) as work:
        aliquots(work, draw(work, child(work, 2)), 2)
    assert elsewhere("seal").code == 0
    assert elsewhere("verify").code == 0


def test_an_older_backup_is_named(full: Shell, backup: Path, elsewhere: Shell, tmp_path: Path) -> None:
    with manager(full.instance, full.url) as work:
        draw(work, child(work, 2))
    assert full("seal", "--export", str(tmp_path / "kept")).code == 0
    give_keys(full, elsewhere)
    said = elsewhere("restore", str(backup), "--against", str(tmp_path / "kept"))
    assert said.code == 1
    assert "an older backup was restored" in said.err


def test_no_key_and_no_password_is_in_a_backup(full: Shell, backup: Path) -> None:
    with tarfile.open(backup) as archive:
        names = {info.name for info in archive.getmembers()}
        held = b"".join(_unpacked(archive, info) for info in archive.getmembers())
    assert {"settings.toml.gz", "access.log.gz", MANIFEST, SEAL} <= names
    for secret in (SECRET.encode(), full.instance.joinpath("secret.key").read_bytes(), b"PRIVATE+KEY", full.url.encode()):
        assert secret not in held
    assert backup.stat().st_mode & 0o077 == 0
    assert [one.name for one in backup.parent.iterdir() if "part" in one.name] == []


def _unpacked(archive: tarfile.TarFile, info: tarfile.TarInfo) -> bytes:
    data: bytes = archive.extractfile(info).read()  # type: ignore[union-attr]
    return gzip.decompress(data) if info.name.endswith(".gz") else data


def test_a_backup_never_replaces_a_file(full: Shell, backup: Path) -> None:
    before = backup.read_bytes()
    said = full("backup", str(backup))
    assert said.code == 1 and "is there already" in said.err
    assert backup.read_bytes() == before


def test_where_no_file_can_be_written_nothing_is_left(full: Shell, tmp_path: Path) -> None:
    said = full("backup", str(tmp_path / "no-such-folder" / "backup.tar"))
    assert said.code == 1
    assert "No such file or directory" in said.err and "Traceback" not in said.err


def test_only_an_empty_database_is_restored_into(full: Shell, backup: Path) -> None:
    before = content(full.url)
    said = full("restore", str(backup))
    assert said.code == 1 and "already" in said.err
    assert content(full.url) == before


def test_without_public_keys_nothing_is_restored(full: Shell, backup: Path, elsewhere: Shell) -> None:
    said = elsewhere("restore", str(backup))
    assert said.code == 1 and "--keys" in said.err
    assert elsewhere("restore", str(backup), "--keys", str(full.instance / "signing" / "verifiers")).code == 0


def test_a_damaged_archive_is_named_wherever_it_is_damaged(source: Source, full: Shell, backup: Path, elsewhere: Shell, tmp_path: Path) -> None:
    give_keys(full, elsewhere)
    right, random, damaged = backup.read_bytes(), Random(2), tmp_path / "damaged.tar"
    said = []
    for _ in range(12):
        wrong = bytearray(right)
        at = random.randrange(len(wrong))
        wrong[at] ^= 1 << random.randrange(8)
        damaged.write_bytes(wrong)
        answer = elsewhere("restore", str(damaged))
        if answer.code == 0:
            # Only what fills up a block, or says nothing in a header, may be another without a word.
            assert content(elsewhere.url) == source.rows
            return
        said.append(answer.err)
    assert all("Nothing was restored" in one for one in said), said


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9, 0.999])
def test_the_beginning_of_an_archive_is_none(full: Shell, backup: Path, elsewhere: Shell, tmp_path: Path, share: float) -> None:
    give_keys(full, elsewhere)
    right, cut = backup.read_bytes(), tmp_path / "cut.tar"
    cut.write_bytes(right[: int((len(right) - 2048) * share)])
    said = elsewhere("restore", str(cut))
    assert said.code == 1 and "is no backup of biobank" in said.err


def test_something_else_is_none(elsewhere: Shell, tmp_path: Path) -> None:
    foreign, text = tmp_path / "foreign.tar", tmp_path / "text"
    text.write_text("not an archive")
    with tarfile.open(foreign, "w") as archive:
        archive.add(text, "text")
    for path in (foreign, text, tmp_path / "not-there"):
        said = elsewhere("restore", str(path))
        assert said.code == 1 and "is no backup of biobank" in said.err


@pytest.mark.parametrize(("change", "told"), [
    ({"revision": "9999"}, "Restore it with version 7.0"), ({"format": 2}, "Restore it with version 7.0"), ({"engine": "other"}, "does not use"),
    ({"product": "else"}, "is of “else”"),
])
def test_what_this_version_cannot_read_is_named(
    full: Shell, backup: Path, elsewhere: Shell, change: dict[str, Any], told: str
) -> None:
    give_keys(full, elsewhere)
    said = elsewhere("restore", str(rewritten(backup, lambda manifest: manifest.update({"version": "7.0"} | change))))
    assert said.code == 1 and told in said.err and "Nothing was restored" in said.err


def test_a_backup_goes_back_into_its_own_kind_of_database(full: Shell, backup: Path, elsewhere: Shell) -> None:
    give_keys(full, elsewhere)
    other = "postgresql" if full.url.startswith("sqlite") else "sqlite"
    said = elsewhere("restore", str(rewritten(backup, lambda manifest: manifest.update({"engine": other}))))
    assert said.code == 1 and "same kind of database" in said.err
