"""`biobank db check` and `db upgrade` on SQLite; PostgreSQL's own are in `tests/postgresql`."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from biobank.core.db import make_engine
from tests.cli.shell import Shell

pytestmark = pytest.mark.sqlite


def change(shell: Shell, *several: str) -> None:
    """Raw statements."""
    with closing(sqlite3.connect(urlsplit(shell.url).path)) as database, database:
        for one in several:
            database.execute(one)


def test_an_instance_lacks_nothing_after_init(shell: Shell) -> None:
    checked = shell("db", "check")
    assert (checked.code, checked.out, checked.err) == (0, "nothing is missing\n", "")


def test_the_database_is_for_its_owner_alone_from_the_first_moment(tmp_path: Path) -> None:
    engine = make_engine(f"sqlite:///{tmp_path / 'new.sqlite'}")
    with engine.connect() as connection:
        connection.exec_driver_sql("CREATE TABLE x (y)")
        connection.commit()
        modes = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()}
        connection.rollback()
    engine.dispose()
    assert set(modes) == {"new.sqlite", "new.sqlite-wal", "new.sqlite-shm"}
    assert set(modes.values()) == {0o600}


@pytest.mark.parametrize("name", ["biobank.sqlite", "secret.key", "access.log"])
def test_a_file_that_others_can_read_is_named_with_the_command_that_mends_it(shell: Shell, name: str) -> None:
    path = shell.instance / name
    path.touch()
    path.chmod(0o644)
    checked = shell("db", "check")
    assert checked.code == 1
    line = next(line for line in checked.err.splitlines() if str(path) in line)
    assert re.search(rf"Mend: chmod o-rwx {path}$", line)
    path.chmod(0o640)
    assert shell("db", "check").code == 0


@pytest.mark.parametrize(
    ("statements", "words"),
    [
        (("DROP TRIGGER leaf_no_delete",), "the trigger leaf_no_delete is missing"),
        (("DROP TRIGGER entry_no_update", "CREATE TRIGGER entry_no_update BEFORE UPDATE ON entry BEGIN SELECT 1; END"), "entry_no_update"),
        (("CREATE TRIGGER hide BEFORE INSERT ON entry BEGIN SELECT RAISE(IGNORE); END",), "a trigger that is not ours (hide): it could hide a write"),
        (("DROP INDEX ix_chain_unsealed",), "ix_chain_unsealed is missing"),
        (("UPDATE alembic_version SET version_num = '0001'",), "at revision 0001, this release needs"),
        (("DELETE FROM alembic_version",), "at revision none, this release needs"),
    ],
)
def test_what_is_not_as_it_was_made_is_named(shell: Shell, statements: tuple[str, ...], words: str) -> None:
    change(shell, *statements)
    checked = shell("db", "check")
    assert checked.code == 1
    assert words in checked.err and "Mend: " in checked.err
    assert re.fullmatch(r"\d+ to mend\n", checked.out)


def test_what_a_site_adds_takes_nothing_away(shell: Shell) -> None:
    change(shell, "CREATE INDEX own ON specimen (kind)", "CREATE TABLE ours (x int)")
    assert shell("db", "check").code == 0


def test_pragmas_are_those_that_our_connections_get(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("biobank.core.db.SQLITE_PRAGMAS", ("PRAGMA journal_mode=DELETE", "PRAGMA synchronous=OFF"))
    checked = shell("db", "check")
    assert checked.code == 1
    for name in ("journal_mode is delete", "synchronous is 0", "foreign_keys is 0", "recursive_triggers is 0"):
        assert name in checked.err


def test_roles_are_postgresqls(shell: Shell) -> None:
    refused = shell("db", "roles", "--application", "service")
    assert refused.code == 1 and "SQLite has no roles" in refused.err


@pytest.mark.parametrize("arguments", [("db",), ("db", "roles"), ("db", "nothing")])
def test_wrong_usage_is_2(shell: Shell, arguments: tuple[str, ...]) -> None:
    assert shell(*arguments).code == 2
