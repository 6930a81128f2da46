"""`biobank studies`."""

from __future__ import annotations

from pathlib import Path

from biobank.settings import shipped
from tests.cli.shell import Shell

FILE = shipped("config") / "studies" / "blinfant.toml"


def test_the_six_studies_are_listed(shell: Shell) -> None:
    listed = [line.split("\t") for line in shell("studies", "list").out.splitlines()]
    assert [line[0] for line in listed] == ["alltogether1", "blinfant", "interfant06", "interfant21", "intreall2010", "intreall2020"]
    assert {line[1] for line in listed} == {"1"}


def test_check_needs_no_database_and_names_a_fault(shell: Shell, tmp_path: Path) -> None:
    assert len(shell("studies", "check").out.splitlines()) == 6
    wrong = tmp_path / "blinfant.toml"
    wrong.write_text(FILE.read_text("utf-8").replace('material = "BM"', 'material = "BN"', 1), "utf-8")
    refused = shell("studies", "check", str(wrong))
    assert refused.code == 1
    assert "blinfant.toml" in refused.err and "BN" in refused.err and "BM" in refused.err
    assert shell("studies", "load", str(wrong)).code == 1


def test_load_takes_a_new_version_and_leaves_the_same_one(shell: Shell, tmp_path: Path) -> None:
    same = shell("studies", "load", str(FILE))
    assert same.out.strip() == "blinfant version 1: unchanged"
    newer = tmp_path / "blinfant.toml"
    newer.write_text(FILE.read_text("utf-8").replace("\nversion = 1\n", "\nversion = 2\n"), "utf-8")
    assert shell("studies", "load", str(newer)).out.strip() == "blinfant version 2: loaded"
    edited = tmp_path / "edited.toml"
    edited.write_text(newer.read_text("utf-8").replace("Blinatumomab infant pilot", "Another title"), "utf-8")
    refused = shell("studies", "load", str(edited))
    assert refused.code == 1
    assert "version" in refused.err
