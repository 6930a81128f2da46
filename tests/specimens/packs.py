"""Evidence packs in tests: made, unpacked, checked by the verifier that is in them, and forged."""

from __future__ import annotations

import base64
import copy
import hashlib
import importlib.util
import io
import json
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from types import ModuleType
from typing import Any

import pytest

from biobank.app import make_units, upgrade_database
from biobank.cli.instance import lay_ground
from biobank.core.actor import Grant
from biobank.core.clock import SetClock
from biobank.core.db import Sessions, make_engine
from biobank.core.units import Quantity
from biobank.core.work import Units, Work
from biobank.custody.service import Doing, record
from biobank.identity import service as identity
from biobank.ledger.rules import Frontier, Signer, canonical, inclusion_path, leaf_hash, node_hash, sign_checkpoint
from biobank.ledger.service import Keyring, seal
from biobank.places.service import NewContainer, add_container
from biobank.settings import load_settings
from biobank.specimens import queries as specimens
from biobank.specimens.service import NewArrival, NewDerivatives, amend, derive, do, earmark, evidence_pack, register_arrival
from biobank.storage.service import put
from tests.availability import stock
from tests.conftest import NOW
from tests.ward import by

GENESIS = "0" * 64
FORGER = Signer("biobank", b"a forger writes his own signature"[:32])
# Lets everything be imported but ours, or neither ours nor `cryptography`.
BLOCKED = """
import runpy, sys
class Nothing:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {blocked}:
            raise ImportError(name)
sys.meta_path.insert(0, Nothing())
sys.argv = {arguments}
runpy.run_path(sys.argv[0], run_name="__main__")
"""


@dataclass(frozen=True)
class Pack:
    """An unpacked pack and its verifier; `key` is the line that the biobank would have published."""

    folder: Path
    verifier: ModuleType
    key: str

    @property
    def evidence(self) -> bytes:
        return (self.folder / "evidence.json").read_bytes()

    @property
    def signature(self) -> bytes:
        return (self.folder / "evidence.sig").read_bytes()

    @property
    def content(self) -> dict[str, Any]:
        return json.loads(self.evidence)

    def faults(self, evidence: bytes | None = None, signature: bytes | None = None, trusted: Sequence[str] = ()) -> list[str]:
        """What the verifier finds, in this process."""
        _, found = self.verifier.check(self.evidence if evidence is None else evidence, signature or self.signature, trusted)
        return [str(fault) for fault in found]

    def run(self, *arguments: str, blocked: set[str] | None = None, isolated: str = "-I") -> subprocess.CompletedProcess[str]:
        """`python3 verify.py` in a fresh interpreter, where the blocked packages cannot be imported."""
        whole = [str(self.folder / "verify.py"), *arguments]
        command = whole if blocked is None else ["-c", BLOCKED.format(blocked=blocked, arguments=whole)]
        return subprocess.run([sys.executable, *isolated.split(), *command], capture_output=True, text=True, cwd="/", timeout=60, check=False)


def keyring(folder: Path) -> Keyring:
    """The keys of a test."""
    return Keyring.load(folder / "signing", "biobank")


def sealed(units: Units, keys: Keyring) -> None:
    """Everything that is there is sealed."""
    with units.write() as work:
        seal(work, keys)


def packed(units: Units, code: str, keys: Keyring, login: str = "manager") -> bytes:
    """The pack of a tube as somebody gets it."""
    with by(units, login) as work:
        return evidence_pack(work, code, keys)


def unpacked(made: bytes, folder: Path, keys: Keyring) -> Pack:
    """The files of a pack in a folder, and its verifier as a plain module."""
    folder.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(io.BytesIO(made)) as archive:
        archive.extractall(folder)
    return Pack(folder, loaded(folder / "verify.py"), keys.signers[-1].verifier.vkey)


def loaded(path: Path) -> ModuleType:
    """A file as a module; what it puts into the path of imports is taken out again."""
    before = list(sys.path)
    spec = importlib.util.spec_from_file_location(f"pack_{path.stem}", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    sys.path[:] = before
    sys.modules.pop("seals", None)
    return module


def signed(content: dict[str, Any], *signers: Signer) -> tuple[bytes, bytes]:
    """The two files of a pack with this content, signed by whoever: his keys are put beside those that are there."""
    content = copy.deepcopy(content)
    if isinstance(content.get("keys"), list):
        content["keys"] = [*content["keys"], *(one.verifier.vkey for one in signers if one.verifier.vkey not in content["keys"])]
    evidence = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    text = f"biobank evidence 1\n{content.get('tube')}\nsha256 {hashlib.sha256(evidence).hexdigest()}\n"
    lines = [f"\N{EM DASH} {one.name} {base64.b64encode(one.verifier.id + one.sign(text.encode())).decode()}\n" for one in signers]
    return evidence, (text + "\n" + "".join(lines)).encode()


def rewritten(content: dict[str, Any]) -> tuple[bytes, bytes]:
    """A rewrite that agrees with itself: hashes, links, columns and heads are made anew, put into a tree of the forger's and signed by him."""
    content = copy.deepcopy(content)
    leaves: list[bytes] = []
    entries = []
    for name, chain in content["chains"].items():
        previous = GENESIS
        for seq, entry in enumerate(chain["entries"], start=1):
            body = json.loads(entry["body"]) | {"chain": name, "seq": seq, "previous": previous}
            entry["body"] = canonical(body).decode()
            previous = hashlib.sha256(entry["body"].encode()).hexdigest()
            entry |= {column: body[column] for column in ("chain", "seq", "act", "actor", "occurred_at", "recorded_at", "previous")}
            entry |= {"hash": previous, "leaf": len(leaves)}
            leaves.append(leaf_hash(entry["body"].encode()))
            entries.append(entry)
        chain |= {"last_seq": len(chain["entries"]), "last_hash": previous}
    for number, entry in enumerate(entries):
        entry["proof"] = [one.hex() for one in inclusion_path(number, len(leaves), lambda start, end: root_of(leaves[start:end]))]
    content["checkpoints"] = [{"note": sign_checkpoint("biobank", len(leaves), root_of(leaves), [FORGER]), "proof": []}]
    return signed(content | {"keys": [], "unsealed": []}, FORGER)


def root_of(leaves: Sequence[bytes]) -> bytes:
    """The root above these leaf hashes."""
    if len(leaves) == 1:
        return leaves[0]
    half = 1 << (len(leaves) - 1).bit_length() - 1
    found = node_hash(root_of(leaves[:half]), root_of(leaves[half:]))
    frontier = Frontier()
    frontier.extend(leaves)
    assert frontier.root() == found
    return found


def told(entry: dict[str, Any], **facts: Any) -> None:
    """Change the facts in an entry's body, and nothing beside it."""
    body = json.loads(entry["body"])
    body["facts"] |= facts
    entry["body"] = canonical(body).decode()


@dataclass(frozen=True)
class Packs:
    """Two packs of one log: an aliquot of a derivative to which much happened, and a tube that only came and was put away."""

    rich: Pack
    small: Pack


@pytest.fixture(scope="session")
def packs(new_database: Callable[[str, str], str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Packs]:
    """Made once, on a database of their own: what is tried on them concerns the verifier alone."""
    folder, url = tmp_path_factory.mktemp("packs"), new_database("sqlite", "packs")
    upgrade_database(url)
    engine = make_engine(url)
    units = make_units(load_settings(folder, url), clock=SetClock(NOW), random=Random(11), sessions=Sessions(engine))
    keys = keyring(folder)
    with units.write() as work:
        lay_ground(work)
        for code in ("maxima", "boston"):
            identity.add_organisation(work, code, code, "biobank", "NL", "Europe/Amsterdam")
        work.actor = stock.person(work, "manager", Grant("manager"))
        stock.person(work, "second", Grant("technician"))
        child = stock.child(work, 1)
        eventful, quiet = _eventful(work, child, keys), _quiet(work, child)
        seal(work, keys)
        made = [unpacked(evidence_pack(work, code, keys), folder / code, keys) for code in (eventful, quiet)]
    engine.dispose()
    yield Packs(*made)


def _eventful(work: Work, child: str, keys: Keyring) -> str:
    shelf = add_container(work, NewContainer("shelf", "Shelf 2 — left", 0, 0)).code
    boxes = [add_container(work, NewContainer("box", f"Box {n}", 3, 3, shelf)).code for n in (1, 2)]
    marrow = stock.draw(work, child)
    id_ = specimens.specimen(work, marrow).id
    put(work, id_, "store", None, boxes[0])
    seal(work, keys)
    do(work, id_, "hold", {"kind": "quarantine", "reason": "a crack in the cap — “seen” at the bench"})
    do(work, id_, "unhold", {"kind": "quarantine", "reason": "another cap"})
    amend(work, marrow, 1, "container_type", "EDTA", "read the wrong line")
    plasma = derive(work, marrow, NewDerivatives("BM_PLASMA", 1, Quantity(900_000, "nL"), Quantity(1_000_000, "nL"), {"g": 400}))[1][0].code
    made = stock.aliquots(work, plasma, 3, 200_000)[0]
    id_ = specimens.specimen(work, made).id
    put(work, id_, "store", f"{boxes[1]}:B2", None)
    seal(work, keys)
    earmark(work, made, "asparaginase")
    do(work, id_, "spill", {"volume": {"value": 20, "unit": "uL"}})
    for act in ("reserve", "pick"):
        record(work, [Doing(id_, act, promise="request/X/1", purpose="supply")])
    do(work, id_, "thaw", {})
    do(work, id_, "hold", {"kind": "discrepancy", "reason": "less than it should be"})
    return made


def _quiet(work: Work, child: str) -> str:
    tube, _ = register_arrival(work, NewArrival(child, stock.STUDY, "PB", "EDTA", "residual", NOW, Quantity(1_000_000, "nL"), ("umc", "A-17")))
    return tube.code
