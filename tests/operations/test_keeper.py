"""The keeper's round: sealing, the daily export, tidying; and that a fault in one task leaves the others alone."""

from __future__ import annotations

import os
import resource
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from biobank.cli.exporting import append_note
from biobank.cli.keeper import Keeper
from biobank.core import heartbeat, idempotency
from biobank.core.work import Work
from biobank.ledger import queries
from biobank.ledger import service as ledger
from biobank.ledger.rules import Line
from tests.operations.conftest import Ground


def write_entries(ground: Ground, number: int) -> None:
    def some(work: Work) -> None:
        chain = ledger.open_chain(work, "drill", os.urandom(6).hex())
        ledger.append(work, [Line(chain, "find") for _ in range(number)])

    with ground.units.write() as work:
        some(work)


def unsealed(ground: Ground) -> int:
    with ground.units.read() as work:
        return queries.sealed_and_not(work)[1]


def size(ground: Ground) -> int:
    with ground.units.read() as work:
        newest = queries.newest_checkpoint(work)
    return newest[0] if newest else 0


@pytest.fixture
def keeper(ground: Ground, laid: tuple[str, str, dict[str, str]], tmp_path_factory: pytest.TempPathFactory) -> Keeper:
    """A keeper whose keys stay the same for the database."""
    return Keeper(ground.with_settings(signing_folder=KEYS.setdefault(laid[1], tmp_path_factory.mktemp("keys"))), ground.units)


KEYS: dict[str, Path] = {}
PERSON = "Anna de Vries, born 2019-03-04"


def test_what_is_new_is_sealed_after_so_many_minutes(keeper: Keeper, ground: Ground) -> None:
    write_entries(ground, 3)
    keeper.round()
    assert unsealed(ground) == 0 and keeper.beat.ailing == {}
    write_entries(ground, 2)
    ground.clock.forward(timedelta(minutes=14))
    keeper.round()
    assert unsealed(ground) == 2
    ground.clock.forward(timedelta(minutes=1))
    keeper.round()
    assert unsealed(ground) == 0
    assert keeper.beat.size == size(ground) and keeper.beat.sealed_at is not None


def test_much_that_is_new_is_sealed_in_several_units(keeper: Keeper, ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    keeper.seal()
    monkeypatch.setattr("biobank.cli.keeper.LEAVES", 10)
    write_entries(ground, 35)
    with ground.units.read() as work:
        before = work.session.execute(text("SELECT count(*) FROM checkpoint")).scalar_one()
    keeper.seal()
    with ground.units.read() as work:
        assert work.session.execute(text("SELECT count(*) FROM checkpoint")).scalar_one() == before + 4
    assert unsealed(ground) == 0


def test_the_newest_checkpoint_is_exported_once_a_day_to_file_and_mail(keeper: Keeper, ground: Ground) -> None:
    keeper.settings = ground.with_settings(checkpoint_mail=("audit@example.org",), signing_folder=keeper.settings.signing_folder)
    file = keeper.settings.checkpoints
    write_entries(ground, 1)
    keeper.round()
    first = file.read_text("utf-8")
    write_entries(ground, 1)
    ground.clock.forward(timedelta(hours=2))
    keeper.round()
    assert file.read_text("utf-8") == first and unsealed(ground) == 0
    ground.clock.forward(timedelta(days=1))
    keeper.round()
    # Nothing new on the third day: nothing is added, and the day is done.
    ground.clock.forward(timedelta(days=1))
    keeper.round()
    notes = file.read_text("utf-8")
    assert notes.startswith(first + "\n") and notes.count("\n— ") == 2
    with ground.units.read() as work:
        mails = work.session.execute(text("SELECT payload FROM outbox WHERE kind = 'mail' ORDER BY id")).scalars().all()
    assert len(mails) == 2 and str(size(ground)) in mails[1]
    verifiers = ledger.Keyring.load(keeper.settings.signing_folder, keeper.settings.log_name).verifiers
    from biobank.ledger.rules import check_note, split_notes

    assert [check_note(one, verifiers).size for one in split_notes(notes)][-1] == size(ground)


def test_an_export_that_was_cut_off_is_done_again_without_doubles(keeper: Keeper, ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    keeper.settings = ground.with_settings(checkpoint_mail=("audit@example.org",), signing_folder=keeper.settings.signing_folder)
    write_entries(ground, 1)
    keeper.seal()
    for _ in range(2):
        keeper.beat.exported_on = None
        keeper.export()
    assert keeper.settings.checkpoints.read_text("utf-8").count("\n— ") == 1
    with ground.units.read() as work:
        assert work.session.execute(text("SELECT count(*) FROM outbox")).scalar_one() == 1


def test_a_note_that_does_not_fit_on_the_disk_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    file = tmp_path / "checkpoints.txt"
    assert append_note(file, "a note\n")
    before = file.read_bytes()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) + 4, hard))
    try:
        with pytest.raises(OSError):
            append_note(file, "another note\n")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert file.read_bytes() == before
    assert append_note(file, "another note\n") and not append_note(file, "another note\n")
    assert file.read_text("utf-8") == "a note\n\nanother note\n"


def test_a_fault_in_one_task_leaves_the_others_alone_and_is_counted(
    keeper: Keeper, ground: Ground, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken() -> None:
        int(PERSON)

    monkeypatch.setattr(keeper.tasks[0], "do", broken)
    write_entries(ground, 1)
    with ground.units.write() as work:
        idempotency.claim(work.session, "old", "0" * 64, work.now - timedelta(days=91))
    keeper.round()
    said = capsys.readouterr().err
    assert "ValueError" in said and "Traceback" in said and "Anna" not in said and "2019" not in said
    assert keeper.beat.faults == {"seal": 1} and keeper.beat.ailing == {"seal": "ValueError"}
    # Tried again after a minute, not after fifteen; the same fault is counted and not written down again.
    ground.clock.forward(timedelta(minutes=1))
    keeper.round()
    assert keeper.beat.faults == {"seal": 2} and "ValueError" not in capsys.readouterr().err
    assert heartbeat.read(ground.settings.keeper_file).ailing == {"seal": "ValueError"}
    with ground.units.read() as work:
        assert work.session.execute(text("SELECT count(*) FROM idempotency WHERE key = 'old'")).scalar_one() == 0
    monkeypatch.setattr(keeper.tasks[0], "do", keeper.seal)
    ground.clock.forward(timedelta(minutes=1))
    keeper.round()
    assert keeper.beat.ailing == {} and unsealed(ground) == 0


def test_answers_under_keys_are_forgotten_after_ninety_days_and_not_before(keeper: Keeper, ground: Ground) -> None:
    with ground.units.write() as work:
        for number in range(2_500):
            idempotency.claim(work.session, f"old-{number}", "0" * 64, work.now - timedelta(days=90, minutes=1))
        idempotency.claim(work.session, "young", "0" * 64, work.now - timedelta(days=89))
    keeper.tidy()
    with ground.units.read() as work:
        assert work.session.execute(text("SELECT key FROM idempotency")).scalars().all() == ["young"]


def test_a_clock_that_steps_back_makes_everything_due(keeper: Keeper, ground: Ground) -> None:
    keeper.round()
    write_entries(ground, 1)
    ground.clock.at -= timedelta(hours=1)
    keeper.round()
    assert unsealed(ground) == 0


def test_two_keepers_seal_one_tree(keeper: Keeper, ground: Ground) -> None:
    import threading

    other = Keeper(keeper.settings, ground.units)
    write_entries(ground, 30)
    threads = [threading.Thread(target=one.seal) for one in (keeper, other)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert unsealed(ground) == 0 and keeper.beat.faults == other.beat.faults == {}


def test_a_heartbeat_that_cannot_be_read_is_an_empty_one(tmp_path: Path) -> None:
    file = tmp_path / "keeper.json"
    for broken in ("", "{", "[]", '{"unknown": 1}'):
        file.write_text(broken, "utf-8")
        assert heartbeat.read(file) == heartbeat.Heartbeat()
    heartbeat.write(file, heartbeat.Heartbeat(size=3))
    assert heartbeat.read(file).size == 3 and os.listdir(tmp_path) == ["keeper.json"]
