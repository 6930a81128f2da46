"""The evidence pack of a tube: what is in it, for whom, and that it verifies where nothing of ours is installed."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, text

from biobank.core.errors import Overtaken
from biobank.core.work import Units
from biobank.corrections.service import propose_revival
from biobank.custody.service import Doing, record
from biobank.ledger.service import Keyring, seal
from biobank.specimens import queries as specimens
from biobank.specimens.service import gathering
from biobank.web.dispatch import Service
from tests.client import Client
from tests.desk.test_pages import Browser
from tests.specimens.packs import Pack, keyring, packed, sealed, unpacked
from tests.specimens.swapped import confirmed, seat_second, swapped, tree
from tests.ward import Ward, act, by, nothing_changes, refused

NEITHER = {"biobank", "cryptography"}


@pytest.fixture
def keys(tmp_path: Path) -> Keyring:
    """A log's first key."""
    return keyring(tmp_path)


@pytest.fixture
def aliquot(ward: Ward) -> str:
    """An aliquot of a marrow that was stored, held, freed and corrected; in a box on a shelf. Nothing is sealed yet."""
    shelf = ward.manager.made("/containers", {"kind": "shelf", "title": "Plank „boven“", "rows": 0, "columns": 0})["code"]
    box = ward.manager.made("/containers", {"kind": "box", "title": "Box 2", "rows": 2, "columns": 2, "parent": shelf})["code"]
    ward.scan("store", ward.marrow, context={"container": ward.box})
    act(ward.units, ward.marrow, "hold", kind="quarantine", reason="a crack in the cap — seen at the bench")
    act(ward.units, ward.marrow, "unhold", kind="quarantine", reason="another cap")
    ward.manager.made(
        f"/specimens/{ward.marrow}/amendments", {"entry": 1, "field": "container_type", "value": "EDTA", "reason": "read the wrong line"}
    )
    made: str = ward.aliquots(count=2, volume={"value": 250, "unit": "uL"}).get_json()["specimens"][0]["code"]
    ward.scan("store", made, context={"container": box})
    ward.scan("thaw", made)
    return made


def unpack(ward: Ward, code: str, keys: Keyring, folder: Path, login: str = "manager") -> Pack:
    return unpacked(packed(ward.units, code, keys, login), folder / f"pack-{login}", keys)


def test_it_verifies_where_nothing_of_ours_is(ward: Ward, aliquot: str, keys: Keyring, tmp_path: Path) -> None:
    sealed(ward.units, keys)
    pack = unpack(ward, aliquot, keys, tmp_path)
    for how in ({"blocked": {"biobank"}}, {"blocked": NEITHER}, {"isolated": "-I -S"}, {}):
        done = pack.run("--key", pack.key, **how)
        assert (done.returncode, done.stderr) == (0, ""), how
        assert done.stdout.splitlines()[:2] == ["OK", f"tube {aliquot}: 15 entries of 5 chains"]
        assert pack.key in done.stdout
    for module, how in (("biobank", {"biobank"}), ("cryptography", NEITHER)):
        probe = Pack(pack.folder, pack.verifier, pack.key)
        (pack.folder / "verify.py").write_text(f"import {module}\n")
        assert "ImportError" in probe.run(blocked=how).stderr


def test_without_a_key_to_compare_it_says_so(ward: Ward, aliquot: str, keys: Keyring, tmp_path: Path) -> None:
    sealed(ward.units, keys)
    pack = unpack(ward, aliquot, keys, tmp_path)
    done = pack.run()
    assert done.returncode == 0 and "Compare the last key" in done.stdout
    other = keyring(tmp_path / "other").signers[0].verifier.vkey
    wrong = pack.run("--key", other)
    assert wrong.returncode == 1 and "evidence.sig: key: it is signed by" in wrong.stderr and wrong.stdout == ""
    assert pack.run("--key", "nonsense").returncode == 1
    assert pack.run("--key", pack.key, str(tmp_path)).returncode == 1
    assert "Traceback" not in pack.run("--key", "nonsense").stderr + pack.run(str(tmp_path)).stderr


def test_it_holds_the_tube_its_parent_and_where_they_stood(ward: Ward, aliquot: str, keys: Keyring, tmp_path: Path) -> None:
    sealed(ward.units, keys)
    content = unpack(ward, aliquot, keys, tmp_path).content
    assert content["tube"] == aliquot and set(content["tubes"]) == {aliquot, ward.marrow}
    assert content["tubes"][aliquot]["is"]["parents"] == [ward.marrow]
    assert content["tubes"][aliquot]["standing"]["remaining"] == 250_000
    assert content["tubes"][ward.marrow]["is"]["container_type"] == "EDTA"
    assert {one["kind"] for one in content["containers"].values()} == {"box", "shelf"} and len(content["containers"]) == 3
    assert set(content["chains"]) == {f"specimen/{one}" for one in content["tubes"]} | {f"container/{one}" for one in content["containers"]}
    entries = [entry for chain in content["chains"].values() for entry in chain["entries"]]
    assert {note["text"] for entry in entries for note in entry["notes"].values()} == {
        "a crack in the cap — seen at the bench", "another cap", "read the wrong line"
    }
    asked = [json.loads(entry["body"])["facts"].get("verdict") for entry in entries]
    assert set(content["verdicts"]) == {str(one["id"]) for one in asked if one}
    assert all(one["granted"] and one["on"] == "2026-11-20" and one["reasons"] == [] for one in content["verdicts"].values())
    assert content["unsealed"] == content["withheld"] == [] and len(content["checkpoints"]) == 1


def test_the_same_state_gives_the_same_bytes(ward: Ward, aliquot: str, keys: Keyring) -> None:
    sealed(ward.units, keys)
    made = packed(ward.units, aliquot, keys)
    assert packed(ward.units, aliquot, keys) == made
    with zipfile.ZipFile(io.BytesIO(made)) as archive:
        assert archive.namelist() == ["evidence.json", "evidence.sig", "verify.py", "seals.py", "README.txt"]
    act(ward.units, aliquot, "thaw")
    assert packed(ward.units, aliquot, keys) != made


def test_no_person_stands_in_it_by_more_than_a_number(ward: Ward, aliquot: str, keys: Keyring, tmp_path: Path) -> None:
    pack = unpack(ward, aliquot, keys, tmp_path)
    with by(ward.units) as work:
        born = work.session.execute(text("SELECT birth_date FROM participant_person")).scalar_one()
        people = work.session.execute(text("SELECT login, name FROM person")).all()
    whole = pack.evidence.decode()
    assert str(born) not in whole
    assert not [word for person in people for word in person if f'"{word}"' in whole or f'\\"{word}\\"' in whole]


def test_checkpoints_that_came_before_are_in_it(ward: Ward, aliquot: str, keys: Keyring, tmp_path: Path) -> None:
    for _ in range(3):
        sealed(ward.units, keys)
        act(ward.units, aliquot, "thaw")
    sealed(ward.units, keys)
    pack = unpack(ward, aliquot, keys, tmp_path)
    assert len(pack.content["checkpoints"]) == 4
    assert [bool(one["proof"]) for one in pack.content["checkpoints"]] == [False, True, True, True]
    assert pack.faults(trusted=[pack.key]) == []


def test_a_key_that_was_rotated_still_vouches_for_what_it_signed(ward: Ward, aliquot: str, keys: Keyring, tmp_path: Path) -> None:
    sealed(ward.units, keys)
    turned = keys.rotated()
    for after in range(2):
        act(ward.units, aliquot, "thaw")
        sealed(ward.units, keyring(tmp_path))
        pack = unpack(ward, aliquot, keyring(tmp_path), tmp_path / str(after))
        assert pack.key == turned.signers[-1].verifier.vkey != keys.signers[0].verifier.vkey
        assert pack.content["keys"] == [keys.signers[0].verifier.vkey, pack.key]
        assert pack.run("--key", pack.key).returncode == 0


def test_what_is_not_sealed_is_named_and_reading_seals_nothing(
    ward: Ward, aliquot: str, api: Callable[[str], Client], settings: Any, tmp_path: Path
) -> None:
    keys = Keyring.load(settings.signing_folder, settings.log_name)
    sealed(ward.units, keys)
    act(ward.units, aliquot, "thaw")
    with nothing_changes(ward.units):
        answer = api("auditor").get(f"/specimens/{aliquot.lower()}/evidence")
    assert (answer.status_code, answer.content_type) == (200, "application/zip")
    assert answer.headers["Content-Disposition"] == f'attachment; filename="evidence-{aliquot}.zip"'
    pack = unpacked(answer.get_data(), tmp_path / "pack", keys)
    assert pack.content["unsealed"] == [[f"specimen/{aliquot}", 4]]
    done = pack.run("--key", pack.key)
    assert done.returncode == 0
    assert f"not sealed yet, covered by the signature over the file alone: specimen/{aliquot} entry 4" in done.stdout


def test_before_anything_was_sealed_the_whole_is_signed_all_the_same(ward: Ward, aliquot: str, keys: Keyring, tmp_path: Path) -> None:
    pack = unpack(ward, aliquot, keys, tmp_path)
    assert pack.content["checkpoints"] == [] and len(pack.content["unsealed"]) == 15
    assert pack.faults(trusted=[pack.key]) == []


def test_who_may_not_read_the_custody_gets_none(ward: Ward, api: Callable[[str], Client]) -> None:
    for login in ("researcher", "admin"):
        refused(api(login).get(f"/specimens/{ward.marrow}/evidence"), 403, "forbidden")
    for login in ("elsewhere", "infants-only", "laboratory"):
        refused(api(login).get(f"/specimens/{ward.marrow}/evidence"), 404, "code-unknown")


def test_a_code_that_is_none(ward: Ward) -> None:
    refused(ward.manager.get("/specimens/SB4DR121/evidence"), 422, "code-mistyped")
    refused(ward.manager.get(f"/specimens/{ward.box}/evidence"), 404, "code-unknown")


def test_what_the_reader_may_not_see_is_withheld_and_named(ward: Ward, aliquot: str, keys: Keyring, tmp_path: Path) -> None:
    for name in ("reserve", "pick", "deliver"):
        facts = {"to": "boston"} if name == "deliver" else {}
        with by(ward.units) as work:
            record(work, [Doing(specimens.specimen(work, aliquot).id, name, facts, promise="request/X/1", purpose="supply")])
    sealed(ward.units, keys)
    whole = unpack(ward, aliquot, keys, tmp_path)
    theirs = unpack(ward, aliquot, keys, tmp_path, "laboratory")
    assert theirs.faults(trusted=[theirs.key]) == whole.faults(trusted=[whole.key]) == []
    stood = json.loads(whole.content["chains"][f"specimen/{aliquot}"]["entries"][1]["body"])["facts"]["position"]["container"]
    assert stood in whole.content["containers"]
    assert theirs.content["withheld"] == sorted([f"container/{stood}", f"specimen/{ward.marrow}"])
    assert set(theirs.content["tubes"]) == {aliquot} and theirs.content["containers"] == {}
    assert all(one["reasons"] is None and one["on"] is None for one in theirs.content["verdicts"].values())
    assert any(one["on"] for one in whole.content["verdicts"].values())
    assert f"withheld from whoever asked for this pack: specimen/{ward.marrow}" in theirs.run("--key", theirs.key).stdout
    assert "crack in the cap" not in theirs.evidence.decode()


def test_what_was_corrected_by_two_people_verifies(units: Units, keys: Keyring, tmp_path: Path) -> None:
    """After a sample swap every pack of both trees is right, and says the old child and the new one; so is a tube that was brought back."""
    seat_second(units)
    with by(units) as work:
        one, other = tree(work, 1), tree(work, 2)
    act(units, other.codes[-1], "lose")
    swapped(units, one, other)
    with by(units) as work:
        back = propose_revival(work, other.codes[-1], "found behind the rack").id
    confirmed(units, back)
    sealed(units, keys)
    for code in (*one.codes, *other.codes):
        pack = unpacked(packed(units, code, keys), tmp_path / code, keys)
        assert pack.faults(trusted=[pack.key]) == []
        assert one.child in pack.evidence.decode() and other.child in pack.evidence.decode()


def test_notes_and_verdicts_that_were_erased_leave_the_rest_valid(ward: Ward, aliquot: str, keys: Keyring, tmp_path: Path) -> None:
    with by(ward.units) as work:
        work.session.execute(text("DELETE FROM note"))
        work.session.execute(text("DELETE FROM verdict"))
        seal(work, keys)
    pack = unpack(ward, aliquot, keys, tmp_path)
    assert "crack in the cap" not in pack.evidence.decode() and pack.faults(trusted=[pack.key]) == []


def test_a_tube_that_changes_while_it_is_read_is_read_again(
    ward: Ward, aliquot: str, keys: Keyring, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = iter([False, True])
    monkeypatch.setattr(gathering, "_still", lambda *_: next(answers))
    assert unpack(ward, aliquot, keys, tmp_path).faults() == [] and list(answers) == []
    monkeypatch.setattr(gathering, "_still", lambda *_: False)
    with pytest.raises(Overtaken):
        packed(ward.units, aliquot, keys)


# What somebody with every right on the database does, and what the verifier in the pack made of it afterwards says.
TAMPERED = [
    ("UPDATE entry SET body = {swapped} WHERE chain_id = {chain} AND seq = 2", "entry 2: hash"),
    ("UPDATE entry SET body = CAST('{{' AS {bytes}) WHERE chain_id = {chain} AND seq = 3", "entry 3: body"),
    ("UPDATE entry SET actor_id = 1 WHERE chain_id = {chain} AND seq = 2", "entry 2: actor"),
    ("UPDATE standing SET thaws = 0 WHERE code = '{code}'", "thaws: the tube says 0, its entries give 1"),
    ("UPDATE specimen SET material = 'PB' WHERE code = '{code}'", "material"),
    ("UPDATE chain SET last_seq = 2 WHERE id = {chain}", "last_seq"),
    ("DELETE FROM parent", "parents"),
    ("UPDATE posting SET amount = amount + 1 WHERE chain_id = {chain} AND account = 'tube'", "entry 1: postings"),
    ("UPDATE verdict SET granted = {false}", "verdict/granted"),
    ("UPDATE container SET title = 'Box 3' WHERE parent_id IS NOT NULL", "title"),
]
LITE = {"swapped": "CAST(replace(CAST(body AS TEXT), 'maxima', 'boston') AS BLOB)", "bytes": "BLOB", "false": "0"}
POSTGRESQL = {"swapped": "convert_to(replace(convert_from(body, 'UTF8'), 'maxima', 'boston'), 'UTF8')", "bytes": "BYTEA", "false": "false"}


def test_a_ledger_that_was_tampered_with_gives_a_pack_that_says_so(ward: Ward, aliquot: str, keys: Keyring, tmp_path: Path) -> None:
    sealed(ward.units, keys)
    connection: Connection = ward.units.sessions.connection  # type: ignore[attr-defined]
    lite = connection.dialect.name == "sqlite"
    words = {"chain": f"(SELECT id FROM chain WHERE ref = '{aliquot}')", "code": aliquot, **(LITE if lite else POSTGRESQL)}
    for table in ("entry", "posting"):
        off = f"DROP TRIGGER {table}_no_update" if lite else f"ALTER TABLE {table} DISABLE TRIGGER {table}_no_change"
        connection.exec_driver_sql(off)
    for number, (statement, named) in enumerate(TAMPERED):
        with connection.begin_nested() as before:
            assert connection.exec_driver_sql(statement.format(**words)).rowcount
            found = unpack(ward, aliquot, keys, tmp_path / str(number)).faults()
            before.rollback()
        assert any(named in one for one in found), (statement, found)
        assert not any(one.startswith("evidence.sig") for one in found)
    assert unpack(ward, aliquot, keys, tmp_path).faults() == []


def test_its_page_leads_to_it(app: Service, ward: Ward, aliquot: str) -> None:
    page = Browser(app.test_client(), "manager")
    assert f'href="/api/v1/specimens/{aliquot}/evidence" download>' in page.see(f"/specimens/{aliquot}")
    got = page.client.get(f"/api/v1/specimens/{aliquot}/evidence")
    assert (got.status_code, got.content_type) == (200, "application/zip")
