"""A pack that is made while the tube is worked on and the log is sealed shows one moment, and verifies."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from threading import Thread
from typing import Any

import pytest

from biobank.app import make_units, upgrade_database
from biobank.cli.instance import lay_ground
from biobank.core.actor import Actor, Grant
from biobank.core.clock import SystemClock
from biobank.core.db import Sessions, make_engine
from biobank.core.errors import Overtaken
from biobank.core.work import Units
from biobank.identity import service as identity
from biobank.ledger.service import Keyring, seal
from biobank.settings import load_settings
from biobank.specimens import queries as specimens
from biobank.specimens.service import do, evidence_pack, gathering
from tests.availability import stock
from tests.conftest import ENGINES
from tests.specimens.packs import Pack, keyring, unpacked

pytestmark = [pytest.mark.drill, pytest.mark.xdist_group("evidence")]
ACTS = 400 if os.environ.get("BIOBANK_DRILL") == "full" else 80


@dataclass
class Bench:
    """A database of its own, an aliquot on it, somebody who works on it, and the log's keys."""

    engine: str
    units: Units
    actor: Actor
    code: str
    keys: Keyring
    folder: Path

    def pack(self, *, writing: bool = False) -> Pack:
        """As the API reads it, or in a unit that writes, as the command line does after sealing."""
        with self.units.write() if writing else self.units.read() as work:
            work.actor = self.actor
            return unpacked(evidence_pack(work, self.code, self.keys), self.folder / "pack", self.keys)

    def act(self, name: str, **facts: object) -> None:
        with self.units.write() as work:
            work.actor = self.actor
            do(work, specimens.specimen(work, self.code).id, name, facts)
            seal(work, self.keys)


@pytest.fixture(scope="module", params=ENGINES)
def bench(request: pytest.FixtureRequest, new_database: Callable[[str, str], str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """Two engines, nothing rolled back."""
    folder, url = tmp_path_factory.mktemp("meanwhile"), new_database(request.param, "meanwhile")
    upgrade_database(url)
    database = make_engine(url)
    units = make_units(load_settings(folder, url), clock=SystemClock(), random=Random(4), sessions=Sessions(database))
    with units.write() as work:
        lay_ground(work)
        identity.add_organisation(work, "maxima", "maxima", "biobank", "NL", "Europe/Amsterdam")
        actor = work.actor = stock.person(work, "manager", Grant("manager"))
        code = stock.aliquots(work, stock.draw(work, stock.child(work, 1)), 2)[0]
    yield Bench(request.param, units, actor, code, keyring(folder), folder)
    database.dispose()


@pytest.mark.parametrize("step", ["_chains", "_containers", "_seal", "_tubes", "_verdicts", "_still"])
def test_what_is_committed_between_two_statements_does_not_tear_it(bench: Bench, step: str, monkeypatch: pytest.MonkeyPatch) -> None:
    step_itself, acts = getattr(gathering, step), iter([("hold", {"kind": "quarantine", "reason": "seen"}), ("thaw", {})])

    def interrupted(*given: Any) -> Any:
        name, facts = next(acts, (None, {}))
        if name:
            bench.act(name, **facts)
        return step_itself(*given)

    monkeypatch.setattr(gathering, step, interrupted)
    # A reading unit sees one moment on either database, and so does a writing one on SQLite, which is alone.
    pack = bench.pack(writing=bench.engine == "postgresql")
    assert pack.faults(trusted=[pack.key]) == []
    acts = iter([("thaw", {})])
    assert bench.pack().faults() == []
    monkeypatch.undo()
    bench.act("unhold", kind="quarantine", reason="another cap")
    assert bench.pack().faults() == []


def test_a_pack_under_load_shows_one_moment(bench: Bench) -> None:
    def work_on() -> None:
        for number in range(ACTS):
            name = ("thaw", "spill", "hold", "unhold")[number % 4]
            bench.act(name, **{"spill": {"volume": {"value": 1, "unit": "uL"}}, "thaw": {}}.get(name, {"kind": "quarantine", "reason": "seen"}))

    worker = Thread(target=work_on)
    worker.start()
    lengths, overtaken = set(), 0
    while worker.is_alive():
        try:
            pack = bench.pack()
        except Overtaken:
            overtaken += 1
            continue
        assert pack.faults(trusted=[pack.key]) == []
        lengths.add(pack.content["chains"][f"specimen/{bench.code}"]["last_seq"])
    worker.join()
    print(f"{bench.engine}: {len(lengths)} different moments of {ACTS} acts, {overtaken} times given up")
    assert len(lengths) > 3
