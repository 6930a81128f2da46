"""Every byte of a pack counts: changed to another value, each is found, and nothing ever crashes."""

from __future__ import annotations

import os
from random import Random

import pytest

from tests.specimens.packs import Packs, packs

__all__ = ["packs"]

pytestmark = [pytest.mark.drill, pytest.mark.xdist_group("evidence")]
# How many other values each byte is given: one, or (BIOBANK_DRILL=full) every single bit of it turned, and its case.
FULL = os.environ.get("BIOBANK_DRILL") == "full"
TURNS = [1 << bit for bit in range(8)] if FULL else []
SAMPLE = 60 if FULL else 20


def other_values(place: int, value: int, random: Random) -> list[int]:
    """Values that the byte has not: a near one, in turn of another kind, so that letters, digits and signs all come up."""
    return [value ^ turn for turn in TURNS] or [[value ^ 1, value ^ 32, (value + 1) % 256, random.choice(range(256)) ^ 1][place % 4]]


@pytest.mark.parametrize("file", ["evidence.json", "evidence.sig"])
@pytest.mark.parametrize("trusting", [False, True], ids=["its-own-keys", "published-key"])
def test_every_byte_counts(packs: Packs, file: str, trusting: bool) -> None:
    pack = packs.small
    random, tried, unseen = Random(5), 0, []
    whole = bytearray(pack.evidence if file == "evidence.json" else pack.signature)
    keys = [pack.key] if trusting else []
    for place, value in enumerate(bytes(whole)):
        for other in other_values(place, value, random):
            if other == value:
                other = value ^ 2
            whole[place], tried = other, tried + 1
            found = pack.faults(bytes(whole), None, keys) if file == "evidence.json" else pack.faults(None, bytes(whole), keys)
            if not found:
                unseen.append((place, value, other))
        whole[place] = value
    print(f"{file}: {len(whole)} bytes, {tried} changes, {len(unseen)} unseen")
    assert unseen == [] and tried >= len(whole)


def test_without_the_signature_over_the_whole_the_entries_still_guard_most_of_it(packs: Packs) -> None:
    """What the checks of hashes, proofs, postings and standings find by themselves, as if the log's key had signed the changed file."""
    pack = packs.small
    whole, unseen = bytearray(pack.evidence), []
    for place, value in enumerate(bytes(whole)):
        whole[place] = value ^ 1
        if all(one.startswith("evidence.sig") for one in pack.faults(bytes(whole))):
            unseen.append(place)
        whole[place] = value
    print(f"{len(whole)} bytes, {len(whole) - len(unseen)} guarded by more than the signature over the whole")
    text, free = pack.evidence, 0
    for word in (b'"drawn_at":"', b'"format":"', b'"on":"', b'"rules_version":"'):
        start = text.find(word)
        while start >= 0:
            end = text.index(b'"', start + len(word))
            free += len([place for place in unseen if start <= place <= end])
            start = text.find(word, end)
    assert free == len(unseen), bytes(text[place] for place in unseen)


def test_a_sample_through_the_command_line(packs: Packs) -> None:
    """In a fresh interpreter without our code and without `cryptography`: exit 1, the fault named, never a traceback."""
    pack, random = packs.small, Random(6)
    for file in ("evidence.json", "evidence.sig"):
        path = pack.folder / file
        right = path.read_bytes()
        for place in random.sample(range(len(right)), SAMPLE):
            path.write_bytes(right[:place] + bytes([right[place] ^ 1 << place % 8]) + right[place + 1 :])
            done = pack.run("--key", pack.key, isolated="-I -S")
            assert (done.returncode, done.stdout) == (1, ""), (file, place)
            assert done.stderr.startswith("FAULT\n") and "Traceback" not in done.stderr
        path.write_bytes(right)
    assert pack.run("--key", pack.key, isolated="-I -S").returncode == 0
