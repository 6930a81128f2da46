"""On PostgreSQL a chain is locked by its writer: the sealer takes the others, and never waits while it holds any."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from biobank.app import make_units, upgrade_database
from biobank.core.db import Sessions, make_engine
from biobank.core.work import Units
from biobank.ledger import queries
from biobank.ledger import service as ledger
from biobank.ledger.rules import Line
from biobank.ledger.service import Keyring
from biobank.settings import load_settings

pytestmark = pytest.mark.postgresql


@pytest.fixture(scope="module")
def units(new_database: Callable[[str, str], str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Units]:
    """Real transactions on a database of their own."""
    url = new_database("postgresql", "sealing")
    upgrade_database(url)
    engine = make_engine(url)
    yield make_units(load_settings(tmp_path_factory.mktemp("sealing"), url), sessions=Sessions(engine))
    engine.dispose()


@pytest.fixture
def keyring(tmp_path: Path) -> Keyring:
    """Keys of its own."""
    return Keyring.load(tmp_path / "signing", "biobank")


def chains(units: Units, names: str) -> list[int]:
    """New chains with an entry each."""
    with units.write() as work:
        ids = ledger.open_chains(work, "test", names.split())
        ledger.append(work, [Line(chain, "test") for chain in ids])
    return ids


def sealed(units: Units, ids: list[int], seq: int = 1) -> list[bool]:
    """Which of them are leaves."""
    with units.read() as work:
        return [queries.leaf_of(work, chain, seq) is not None for chain in ids]


def test_a_chain_that_is_being_written_to_is_passed_over_and_sealed_next(units: Units, keyring: Keyring) -> None:
    ids = chains(units, "a b c")
    with units.write() as writer:
        ledger.lock(writer, [ids[1]])
        with units.write() as work:
            assert ledger.seal(work, keyring) is not None
        assert sealed(units, ids) == [True, False, True]
    with units.write() as work:
        assert ledger.seal(work, keyring) is not None
    assert sealed(units, ids) == [True, True, True]
    with units.read() as work:
        assert list(ledger.verify(work, verifiers=keyring.verifiers)) == []


def test_when_all_are_being_written_to_it_waits_for_the_first(units: Units, keyring: Keyring) -> None:
    """Else a chain that is never at rest would never be sealed."""
    ids = chains(units, "d e")
    made: list[ledger.Sealed | None] = []

    def seal() -> None:
        with units.write() as work:
            made.append(ledger.seal(work, keyring))

    with units.write() as writer:
        heads = ledger.lock(writer, ids)
        sealer = threading.Thread(target=seal)
        sealer.start()
        sealer.join(0.5)
        assert sealer.is_alive() and not made
        ledger.append(writer, [Line(ids[0], "test")], heads)
    sealer.join(20)
    assert made[0] is not None and sealed(units, ids, 2)[0]


def test_a_writer_that_locks_out_of_order_is_no_deadlock(units: Units, keyring: Keyring) -> None:
    """A request is locked after its tubes, whichever is older."""
    ids = chains(units, "f g")
    failed: list[BaseException] = []

    def seal() -> None:
        try:
            with units.write() as work:
                ledger.seal(work, keyring)
        except BaseException as error:
            failed.append(error)

    with units.write() as writer:
        ledger.append(writer, [Line(ids[1], "test")])
        with units.write() as work:
            # Holds the first chain and comes upon the second.
            assert ledger.seal(work, keyring) is not None
            waiting = threading.Thread(target=seal)
            waiting.start()
        ledger.append(writer, [Line(ids[0], "test")])
    waiting.join(20)
    assert not failed and not waiting.is_alive()
    with units.write() as work:
        ledger.seal(work, keyring)
    assert sealed(units, ids, 2) == [True, True]
