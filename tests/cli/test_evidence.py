"""`biobank evidence`: for every tube of the demo, a pack that verifies, with all of it sealed."""

from __future__ import annotations

import io
import json
import sqlite3
import zipfile
from pathlib import Path
from urllib.parse import urlsplit

from biobank.cli.support import as_system, opened
from biobank.ledger.service import Keyring
from biobank.settings import load_settings
from biobank.specimens.service import evidence_pack
from tests.cli.shell import Shell
from tests.specimens.packs import unpacked


def tubes(shell: Shell) -> list[str]:
    with sqlite3.connect(urlsplit(shell.url).path) as database:
        found = [str(code) for (code,) in database.execute("SELECT code FROM specimen ORDER BY id")]
    database.close()
    return found


def test_a_pack_is_written_and_all_of_it_is_sealed(stocked: Shell, tmp_path: Path) -> None:
    code = tubes(stocked)[-1]
    file = tmp_path / "evidence.zip"
    done = stocked("evidence", code.lower(), "-o", str(file))
    assert (done.code, done.out) == (0, ""), done.err
    pack = unpacked(file.read_bytes(), tmp_path / code, Keyring.load(stocked.instance / "signing", "biobank"))
    assert f"{file.stat().st_size} bytes" in done.err and f"python3 verify.py --key {pack.key}" in done.err
    assert pack.content["tube"] == code and pack.content["unsealed"] == []
    assert pack.run("--key", pack.key).returncode == 0
    assert stocked("evidence", code, "-o", str(tmp_path / "again.zip")).code == 0
    assert (tmp_path / "again.zip").read_bytes() == file.read_bytes()
    assert stocked("verify").code == 0


def test_every_tube_of_the_demo_has_evidence_that_verifies(stocked: Shell, tmp_path: Path) -> None:
    codes = tubes(stocked)
    assert stocked("evidence", codes[0], "-o", str(tmp_path / "first.zip")).code == 0
    first = unpacked((tmp_path / "first.zip").read_bytes(), tmp_path / "first", Keyring.load(stocked.instance / "signing", "biobank"))
    acts = set()
    with opened(load_settings(stocked.instance, stocked.url)) as units, units.read() as work:
        work.actor = as_system(work)
        keys = Keyring.load(stocked.instance / "signing", "biobank")
        for code in codes:
            with zipfile.ZipFile(io.BytesIO(evidence_pack(work, code, keys))) as archive:
                evidence, signature = archive.read("evidence.json"), archive.read("evidence.sig")
            assert first.faults(evidence, signature, [first.key]) == []
            acts |= {entry["act"] for chain in json.loads(evidence)["chains"].values() for entry in chain["entries"]}
    assert len(codes) > 10 and acts >= {"register", "receive", "release", "label", "aliquot", "derive", "store"}


def test_what_cannot_be_is_refused_in_words(stocked: Shell, tmp_path: Path) -> None:
    code = tubes(stocked)[0]
    mistyped = stocked("evidence", f"{code[:-1]}{'0' if code[-1] != '0' else '1'}", "-o", str(tmp_path / "x.zip"))
    assert mistyped.code == 1 and "mistyped" in mistyped.err
    nowhere = stocked("evidence", code, "-o", str(tmp_path / "none" / "x.zip"))
    assert nowhere.code == 1 and "cannot be written" in nowhere.err and "Traceback" not in nowhere.err
    assert not (tmp_path / "x.zip").exists()
