"""Where another system's verification misses what was done, or reports what was not, measured there: the same done to ours."""

from __future__ import annotations

import os
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from random import Random

import psycopg
import pytest
from sqlalchemy.engine import make_url

from biobank.app import make_units, upgrade_database
from biobank.cli.instance import lay_ground
from biobank.core.clock import SetClock
from biobank.settings import load_settings
from biobank.specimens import queries as specimens
from biobank.specimens.service import do
from tests import cast
from tests.drills.conftest import Count
from tests.drills.server import LAUNCH, SEEDED_AT, Server
from tests.drills.stock import lay_in
from tests.drills.test_races import rows

pytestmark = [pytest.mark.drill, pytest.mark.xdist_group("drills")]

TOLD = 280_000
# What may differ where somebody verifies: the session's zone, how it writes days and bytes, the machine's zone and language.
ELSEWHERE = (
    {"TZ": "Pacific/Kiritimati", "PGTZ": "Pacific/Kiritimati", "PGDATESTYLE": "German", "LC_ALL": "C", "LANGUAGE": "nl"},
    {"TZ": "America/St_Johns", "PGOPTIONS": "-c timezone=America/St_Johns -c bytea_output=escape -c datestyle=SQL,DMY", "LC_ALL": "C.UTF-8"},
    {"TZ": "Asia/Kathmandu", "PGOPTIONS": "-c timezone=Asia/Kathmandu -c intervalstyle=sql_standard -c extra_float_digits=0"},
)
NEWEST = 100


def said(server: Server, *arguments: str, env: dict[str, str] | None = None) -> tuple[int, str]:
    """What `biobank` says on the server's instance: how it ended, and all its lines."""
    done = subprocess.run(
        [*LAUNCH, "--instance", str(server.folder), *arguments], env=os.environ | {"BIOBANK_DATABASE_URL": server.url} | (env or {}),
        capture_output=True, text=True, timeout=300,
    )
    return done.returncode, done.stdout + done.stderr


def test_verification_says_the_same_from_anywhere(server: Server, count: Count) -> None:
    """There 4,239 of 4,239 entries were reported as tampered with from another session time zone."""
    lay_in(server, first=TOLD, children=1, each=10, draws=1, boxes=1)
    at_home = said(server, "verify")
    assert at_home[0] == 0, at_home
    entries = rows(server, "SELECT count(*) AS n FROM entry")[0].n
    for place in ELSEWHERE:
        assert said(server, "verify", env=place) == at_home
    count("entries reported as tampered with from other zones and languages", f"0 of {entries}, {len(ELSEWHERE)} times")


@pytest.fixture
def resting(server: Server, new_database: Callable[[str, str], str], tmp_path: Path) -> Iterator[Server]:
    """A site of the same kind that nobody serves."""
    url = new_database(server.engine, "resting")
    upgrade_database(url)
    units = make_units(load_settings(tmp_path, url), clock=SetClock(SEEDED_AT), random=Random(11))
    with units.write() as work:
        lay_ground(work)
        tokens = cast.seat(work)
    yield Server(0, tokens, units, tmp_path / "server.log", server.engine, url, tmp_path, 0)
    units.sessions.engine.dispose()  # type: ignore[attr-defined]


def test_the_newest_entries_taken_away_by_the_owner_are_found(resting: Server, tmp_path: Path, count: Count) -> None:
    """There the owner of the database takes the newest 100 entries away, and verification finds nothing."""
    kept = str(tmp_path / "kept.txt")
    stock = lay_in(resting, first=1, children=2, each=10, draws=1, boxes=1)
    sealed = said(resting, "seal")
    assert sealed[0] == 0, sealed
    older = copied(resting)
    for _ in range(NEWEST // 20):
        resting.as_("manager", lambda work: [do(work, specimens.specimen(work, tube).id, "thaw", {}) for tube in stock.tubes])
    for done in (said(resting, "seal", "--export", kept), said(resting, "verify", "--against", kept)):
        assert done[0] == 0, done
    before = {"BIOBANK_DATABASE_URL": older}
    # As if they had never been: heads, standings, tree and checkpoints of before. Nothing in the database tells; the kept checkpoint does.
    alone, against = said(resting, "verify", env=before), said(resting, "verify", "--against", kept, env=before)
    assert (alone[0], against[0]) == (0, 1), (alone, against)
    count(f"the newest {NEWEST} entries gone, everything else put right: against the kept checkpoint", against[1].splitlines()[0][:150])
    # Taken out and nothing put right, as it was done there.
    take_away(resting, NEWEST)
    alone = said(resting, "verify")
    assert alone[0] == 1
    count(f"the newest {NEWEST} deleted: without any checkpoint", f"{len(alone[1].splitlines()) - 1} faults, {alone[1].splitlines()[0][:90]}")


def copied(server: Server) -> str:
    """The database as it is now, under another address."""
    server.units.sessions.engine.dispose()  # type: ignore[attr-defined]
    if server.engine == "sqlite":
        path = str(make_url(server.url).database)
        with closing(sqlite3.connect(path)) as this, closing(sqlite3.connect(path + ".older")) as that:
            this.backup(that)
        return server.url + ".older"
    name = make_url(server.url).database
    with psycopg.connect(server.url.replace(f"/{name}?", "/postgres?"), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}_older TEMPLATE {name}")  # type: ignore[arg-type]
    return server.url.replace(f"/{name}?", f"/{name}_older?")


def take_away(server: Server, number: int) -> None:
    """Delete the newest entries as the owner, past triggers and foreign keys."""
    newest = f"SELECT chain_id, seq FROM leaf ORDER BY leaf_index DESC LIMIT {number}"
    if server.engine == "sqlite":
        with closing(sqlite3.connect(str(make_url(server.url).database))) as connection:
            connection.execute("DROP TRIGGER entry_no_delete")
            connection.execute(f"DELETE FROM entry WHERE (chain_id, seq) IN ({newest})")
            connection.commit()
        return
    with psycopg.connect(server.url) as connection:
        connection.execute("SET session_replication_role = replica")
        connection.execute("ALTER TABLE entry DISABLE TRIGGER USER")
        connection.execute(f"DELETE FROM entry WHERE (chain_id, seq) IN ({newest})")  # type: ignore[arg-type]
