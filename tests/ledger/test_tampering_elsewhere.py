"""On real copies of a small ledger, from the command line: exit code 1 and chain, entry and field; an older backup; keys kept elsewhere."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from itertools import count
from pathlib import Path

import pytest
from sqlalchemy import text

from biobank.core.db import make_engine
from biobank.ledger.rules import Signer
from tests.cli.shell import Shell
from tests.ledger.small import Forger, Small, copy
from tests.ledger.test_tampering_seals import another_hand, regrow, resign

NUMBERS = count()
Opens = Callable[[str], Shell]


@pytest.fixture
def opens(small: Small, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Opens:
    """The site's command line on any database: the instance folder holds the keys, as it would after a restore."""
    folder = tmp_path / "instance"
    folder.mkdir()
    shutil.copytree(small.settings.signing_folder, folder / "signing")
    return lambda url: Shell(folder, url, capsys, monkeypatch)


def forged(small: Small, do: Callable[[Forger], None]) -> str:
    """A copy of the ledger that a forger worked on, and committed."""
    url = copy(small, f"copy{next(NUMBERS)}")
    engine = make_engine(url)
    with engine.execution_options(writes=True).begin() as connection:
        forger = Forger(small, connection)
        kept = forger.lift()
        do(forger)
        forger.put_back(kept)
    engine.dispose()
    return url


def test_an_untouched_copy_is_clean(small: Small, opens: Opens) -> None:
    said = opens(copy(small, f"copy{next(NUMBERS)}"))("verify", "--against", str(small.exported))
    assert (said.code, "no fault" in said.out) == (0, True), said.err


@pytest.mark.parametrize(
    ("statement", "says"),
    [
        ("UPDATE entry SET actor_id = 1 WHERE chain_id = (SELECT id FROM chain WHERE ref = '{marrow}') AND seq = 3",
         "specimen/{marrow} entry 3: actor:"),
        ("UPDATE standing SET remaining = remaining + 1 WHERE code = '{first}'", "specimen/{first} entry 4: remaining:"),
        ("UPDATE parent SET parent_id = (SELECT id FROM specimen WHERE code = '{blood}') WHERE child_id = (SELECT id FROM specimen WHERE code = "
         "'{first}')", "specimen/{first} entry 1: parent:"),
        ("UPDATE container SET title = 'Box 7' WHERE code = '{box}'", "container/{box} entry 1: title:"),
        ("UPDATE tree SET size = size - 1", "tree: size:"),
    ],
    ids=["entry", "standing", "parent", "container", "tree"],
)
def test_the_command_names_chain_entry_and_field_and_exits_1(small: Small, opens: Opens, statement: str, says: str) -> None:
    said = opens(forged(small, lambda forger: forger.run(statement) and None))("verify")
    assert said.code == 1
    assert says.format(**small.codes) in said.err, said.err


def test_a_restored_older_backup_is_clean_in_itself_and_named_against_the_copy_elsewhere(small: Small, opens: Opens) -> None:
    shell = opens(small.older)
    assert shell("verify").code == 0
    said = shell("verify", "--against", str(small.exported))
    assert said.code == 1
    assert "an older backup was restored" in said.err


def test_a_forgers_own_key_is_refused_by_the_keys_in_the_signing_folder(small: Small, opens: Opens) -> None:
    own = Signer("biobank", bytes(32))

    def forge(forger: Forger) -> None:
        forger.rewrite("specimen/{first}", another_hand)
        regrow(forger)
        resign(forger, own)

    url = forged(small, forge)
    shell = opens(url)
    said = shell("verify")
    assert (said.code, "tree: note:" in said.err) == (1, True)
    assert "No known key signed this checkpoint" in said.err
    # Who also puts the key among the site's own is found by the checkpoints that were kept elsewhere, with the keys kept with them.
    keys = small.settings.instance / "kept-keys"
    shutil.copy(small.settings.signing_folder / "verifiers", keys)
    (shell.instance / "signing" / "verifiers").write_text(own.verifier.vkey + "\n", "utf-8")
    said = shell("verify", "--against", str(small.exported), "--keys", str(keys))
    assert said.code == 1
    assert "signed over something else" in said.err


def test_the_copies_share_nothing_with_the_ledger(small: Small) -> None:
    url = forged(small, lambda forger: forger.run("UPDATE tree SET size = 1") and None)
    engine = make_engine(url)
    with small.engine.connect() as here, engine.connect() as there:
        sizes = [connection.execute(text("SELECT size FROM tree")).scalar_one() for connection in (here, there)]
    engine.dispose()
    assert sizes[0] != sizes[1]
