"""The stand-alone verifier against public vectors, and against what the product computes in another way."""

from __future__ import annotations

import ast
import hashlib
import json
import sys
from dataclasses import asdict
from pathlib import Path
from random import Random
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import biobank.specimens
from biobank.custody.rules import OWNER, fold
from biobank.ledger.rules import Signer, consistency_path, inclusion_path
from tests.specimens.packs import loaded, root_of

SHIPPED = Path(biobank.specimens.__file__).parent / "templates" / "specimens"
# RFC 8032, 7.1: tests 1, 2, 3 and SHA(abc): public key, message, signature.
RFC8032 = [
    ("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
     "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"),
    ("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "72",
     "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"),
    ("fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025", "af82",
     "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a"),
    ("ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf", hashlib.sha512(b"abc").hexdigest(),
     "dc2a4459e7369633a52b1bf277839a00201009a3efbf3ecb69bea2186c26b58909351fc9ac90b3ecfdfbc7c66431e0303dca179c138ac17ad9bef1177331a704"),
]


@pytest.fixture(scope="module")
def seals() -> ModuleType:
    return loaded(SHIPPED / "seals.py")


@pytest.fixture(scope="module")
def verify() -> ModuleType:
    return loaded(SHIPPED / "verify.py")


@pytest.mark.parametrize("name", ["verify.py", "seals.py"])
def test_it_needs_python_3_8_and_the_standard_library_alone(name: str) -> None:
    tree = ast.parse((SHIPPED / name).read_text("utf-8"), feature_version=(3, 8))
    modules = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    modules |= {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    beside = {"seals", "cryptography"}
    assert {module.split(".")[0] for module in modules} - set(sys.stdlib_module_names) <= beside
    attributes = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    # What only a newer Python has.
    assert not attributes & {"removeprefix", "removesuffix", "bit_count", "batched", "is_relative_to"}


@pytest.mark.parametrize(("public", "message", "signature"), RFC8032)
def test_signatures_of_rfc_8032(seals: ModuleType, public: str, message: str, signature: str) -> None:
    key, text, right = (bytes.fromhex(one) for one in (public, message, signature))
    for check in (seals.signed_plainly, seals.is_signed):
        assert check(key, right, text)
        assert not check(key, right, text + b"x")
        assert not check(key, bytes([right[0] ^ 1]) + right[1:], text)
        # The same signature written with a larger number would be another signature of the same text.
        larger = int.from_bytes(right[32:], "little") + seals.Q
        assert not check(key, right[:32] + larger.to_bytes(32, "little"), text)
        assert not check(key, right[:-1], text) and not check(key, right + b"0", text) and not check(b"\xff" * 32, right, text)


def test_both_ways_to_check_a_signature_agree(seals: ModuleType) -> None:
    random = Random(3)
    for _ in range(12):
        signer, text = Signer("x", random.randbytes(32)), random.randbytes(random.randrange(90))
        right = bytearray(signer.sign(text))
        assert seals.signed_plainly(signer.verifier.key, bytes(right), text) and seals.is_signed(signer.verifier.key, bytes(right), text)
        right[random.randrange(64)] ^= 1 << random.randrange(8)
        assert not seals.signed_plainly(signer.verifier.key, bytes(right), text) and not seals.is_signed(signer.verifier.key, bytes(right), text)


def test_proofs_of_every_tree_up_to_33_leaves(seals: ModuleType) -> None:
    leaves = [hashlib.sha256(b"\0" + str(n).encode()).digest() for n in range(33)]

    def hash_of(start: int, end: int) -> bytes:
        return root_of(leaves[start:end])

    for size in range(1, 34):
        root = hash_of(0, size)
        for index in range(size):
            proof = inclusion_path(index, size, hash_of)
            assert seals.root_above(leaves[index], index, size, proof) == root
            for wrong in ([*proof, root], proof[:-1], [root, *proof[1:]]):
                if wrong != proof:
                    assert not _proves(seals, leaves[index], index, size, wrong, root)
            assert size == 1 or not _proves(seals, leaves[index], index ^ 1, size, proof, root)
        for old in range(1, size):
            proof, was = consistency_path(old, size, hash_of), hash_of(0, old)
            assert seals.roots_of(old, size, proof, was) == (was, root)
            for wrong in ([*proof, root], proof[:-1], [was, *proof[1:]]):
                if wrong != proof:
                    assert not _grew(seals, old, size, wrong, was, root)


def _proves(seals: ModuleType, leaf: bytes, index: int, size: int, proof: list[bytes], root: bytes) -> bool:
    try:
        return bool(seals.root_above(leaf, index, size, proof) == root)
    except ValueError:
        return False


def _grew(seals: ModuleType, old: int, new: int, proof: list[bytes], was: bytes, root: bytes) -> bool:
    try:
        return bool(seals.roots_of(old, new, proof, was) == (was, root))
    except ValueError:
        return False


WORD, SOME = st.sampled_from(["a", "b", "c"]), st.sampled_from([None, "a", "b"])
EFFECT = st.fixed_dictionaries(
    {},
    optional={
        "status": WORD, "reason": SOME, "custodian": SOME, "responsible": SOME, "released_on": SOME, "certainty": WORD, "residual": st.booleans(),
        "unit": WORD, "out": st.booleans(), "seen": st.booleans(), "thaws": st.integers(0, 2), "close": st.lists(WORD, max_size=2),
        "place": st.none() | st.fixed_dictionaries({"container": WORD, "row": st.integers(1, 2), "column": st.integers(1, 2)}),
        "lines": st.lists(st.tuples(st.sampled_from(["tube", "spilled"]), st.integers(-5, 5)).map(list), max_size=3),
        "open": st.lists(st.fixed_dictionaries({"kind": WORD, "since": WORD}), max_size=2), "free": st.lists(WORD, max_size=2),
        "promise": st.fixed_dictionaries({"for": WORD, "amount": st.integers(0, 5)}), "stage": st.fixed_dictionaries({"for": WORD, "stage": WORD}),
    },
)


@settings(max_examples=200, deadline=None)
@given(effects=st.lists(st.tuples(EFFECT, WORD), max_size=6))
def test_both_ways_to_fold_a_tube_agree(verify: ModuleType, effects: list[tuple[dict[str, Any], str]]) -> None:
    bodies = [{"act": "x", "occurred_at": at, "facts": {"effect": effect}} for effect, at in effects]
    ours = {name: value for name, value in asdict(fold(bodies)).items() if name not in OWNER}
    ours["promises"] = [{"for": one["for_"], "amount": one["amount"], "stage": one["stage"]} for one in ours["promises"]]
    assert json.loads(json.dumps(ours)) == verify.fold(bodies)
    assert not [wrong for body in bodies for wrong in verify.misfits(body["facts"]["effect"], verify.EFFECT)]


def test_it_knows_every_effect_there_is(verify: ModuleType) -> None:
    """An effect that is new to the product is new to the verifier too: a pack with it would be refused."""
    said = (Path(biobank.specimens.__file__).parents[1] / "custody" / "rules" / "standing.py").read_text("utf-8")
    for name in verify.EFFECT:
        assert name.rstrip("?") in said
