"""Backups while eight stations scan and everything is killed: nothing acknowledged before one is missing from it, and an older one is named."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random

import pytest

from biobank.app import make_units
from biobank.cli.backups.archive import NotABackup, Reader
from biobank.settings import load_settings
from tests.drills.cluster import Cluster
from tests.drills.faults import until
from tests.drills.load import clean, once_and_all, under_load
from tests.drills.reaper import EVERY, reaping
from tests.drills.server import FULL, Server
from tests.drills.stock import lay_in
from tests.drills.test_scans import entries

pytestmark = [pytest.mark.drill, pytest.mark.xdist_group("faults")]

CLIENTS = 8
# Acts acknowledged before the first backup, and between it and the second.
ACTS = 2_000 if FULL else 200
KILLED = 12 if FULL else 3


@pytest.fixture(autouse=True)
def no_faults() -> None:
    """Here the server's log may tell of faults: they are made on purpose."""


@dataclass(frozen=True, slots=True)
class Ran:
    """A command's exit code and words."""

    code: int
    out: str
    err: str
    seconds: float


def command(url: str, instance: Path, *words: str) -> Ran:
    """`biobank` in a process of its own."""
    begun = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "biobank", "--instance", str(instance), *words],
        env=os.environ | {"BIOBANK_DATABASE_URL": url}, capture_output=True, text=True, timeout=300,
    )
    return Ran(done.returncode, done.stdout, done.stderr, time.monotonic() - begun)


def back_up(server: Server, path: Path) -> tuple[Ran, int]:
    """Done again until the database lived through it; how often it did not. What failed says why and leaves nothing."""
    for failed in range(30):
        ran = command(server.url, server.folder, "backup", str(path))
        if ran.code == 0:
            return ran, failed
        assert ran.err.strip() and "Traceback" not in ran.err, ran.err
        assert list(path.parent.iterdir()) == [one for one in path.parent.iterdir() if one.suffix == ".tar"], ran.err
        time.sleep(0.5)
    raise AssertionError(f"no backup in 30 tries: {ran.err}")


@pytest.fixture
def elsewhere(killable: tuple[Server, Cluster | None], tmp_path: Path) -> Iterator[Callable[[str], Server]]:
    """A place to restore to: an empty instance and database that know only the public keys."""
    server, cluster = killable
    made: list[Server] = []

    def make(name: str) -> Server:
        folder = tmp_path / name
        url = cluster.new_database(name) if cluster else f"sqlite:///{folder / 'biobank.sqlite'}"
        made.append(replace(server, folder=folder, url=url, units=make_units(load_settings(folder, url)), process=None, callers=[]))
        return made[-1]

    yield make
    for place in made:
        place.units.sessions.engine.dispose()  # type: ignore[attr-defined]


def test_a_backup_under_load_holds_every_act_acknowledged_before_it(
    killable: tuple[Server, Cluster | None], elsewhere: Callable[[str], Server], tmp_path: Path, quote: Callable[[str], None]
) -> None:
    server, cluster = killable
    folder = tmp_path / "backups"
    folder.mkdir()
    old, new, checkpoints = folder / "old.tar", folder / "new.tar", tmp_path / "checkpoints"
    stock = lay_in(server, first=1, children=8, each=12, draws=4, boxes=4)
    before = entries(server)
    with reaping(server, cluster, EVERY), under_load(server, stock, "backup", CLIENTS, 10**6) as load:
        until(lambda: len(load.acknowledged) > ACTS, "scans before the first backup", 300)
        acknowledged = set(load.places())
        first, failed = back_up(server, old)
        until(lambda: len(load.acknowledged) > len(acknowledged) + ACTS, "scans before the second backup", 300)
        later = set(load.places())
        second, failed_too = back_up(server, new)
        load.halt.set()
    once_and_all(server, before, load)
    killed_backups(server, folder)
    final = entries(server)
    keys = str(server.folder / "signing" / "verifiers")

    restored = elsewhere("restored")
    ran = command(restored.url, restored.folder, "restore", str(old), "--keys", keys)
    assert ran.code == 0, ran.err
    found = entries(restored)
    assert set(before) | acknowledged <= set(found)
    assert {place: final[place] for place in found} == found
    clean(restored)

    checkpoints.write_text(first.out + "\n" + second.out)
    newest = elsewhere("newest")
    again = command(newest.url, newest.folder, "restore", str(new), "--keys", keys, "--against", str(checkpoints))
    assert again.code == 0, again.err
    assert later <= set(entries(newest))

    older = elsewhere("older")
    named = command(older.url, older.folder, "restore", str(old), "--keys", keys, "--against", str(checkpoints))
    assert named.code == 1
    assert "an older backup was restored" in named.err, named.err
    counted = (
        f"{server.engine}: {len(load.acknowledged)} acts acknowledged under load; backups of {old.stat().st_size / 1e6:.2f} and "
        f"{new.stat().st_size / 1e6:.2f} MB in {first.seconds:.1f} and {second.seconds:.1f} s ({failed + failed_too} tries met a killed database); "
        f"{len(found)} and {len(entries(newest))} entries restored and verified in {ran.seconds:.1f} and {again.seconds:.1f} s; "
        f"{KILLED} backups killed, none looks whole\n  {named.err.strip().splitlines()[-1]}"
    )
    quote(counted)


def killed_backups(server: Server, folder: Path) -> None:
    """A backup that is killed leaves no file of its name unless it was whole by then, and what else it leaves is not taken for one."""
    random = Random(5)
    for number in range(KILLED):
        path = folder / f"killed{number}.tar"
        process = subprocess.Popen(
            [sys.executable, "-m", "biobank", "--instance", str(server.folder), "backup", str(path)],
            env=os.environ | {"BIOBANK_DATABASE_URL": server.url}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )
        until(lambda: process.poll() is not None or any(folder.glob(f"{path.name}*.part")), "the backup begins", 60)  # noqa: B023
        time.sleep(random.uniform(0, 0.05))
        process.send_signal(signal.SIGKILL)
        if process.wait() == 0:
            continue
        if path.exists():
            # Killed between the file getting its name and the process ending.
            with Reader(path) as whole:
                whole.check(lambda _bytes: None)
            continue
        for left in folder.glob("*.part*"):
            with pytest.raises(NotABackup):
                Reader(left)
            left.unlink()
