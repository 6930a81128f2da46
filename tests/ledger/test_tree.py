"""The Merkle tree against published vectors, and against the definition in RFC 6962 written down naively.

Vectors: transparency-dev/merkle (Apache-2.0), proof/verify_test.go and rfc6962/rfc6962_test.go, which are those of the
certificate-transparency reference implementation: leaves, roots of the trees of 1 to 8 leaves, inclusion and consistency proofs,
and the ways to spoil a proof.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from biobank.ledger.rules import EMPTY, Frontier, consistency_path, consistent, included, inclusion_path, leaf_hash, node_hash

LEAVES = [bytes.fromhex(told) for told in ("", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f")]
ROOTS = [
    bytes.fromhex(told)
    for told in (
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    )
]
# Leaf number (from 1, as published), size of the tree, path.
INCLUSION = [
    (1, 1, ()),
    (1, 8, ("96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7", "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4")),
    (6, 8, ("bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b", "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7")),
    (3, 3, ("fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",)),
    (2, 5, ("6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d", "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b")),
]
CONSISTENCY = [
    (1, 1, ()),
    (1, 8, ("96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7", "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4")),
    (6, 8, ("0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a", "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7")),
    (2, 5, ("5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e", "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b")),
    (6, 7, ("0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a", "b08693ec2e721597130641e8211e7eedccb4c26413963eee6c1e2ed16ffb1a5f",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7")),
]
SOME_HASH = bytes.fromhex("abacaba000000000000000000000000000000000000000000060061e00123456")


def mth(data: Sequence[bytes]) -> bytes:
    """RFC 6962, section 2.1, word for word."""
    if not data:
        return hashlib.sha256().digest()
    if len(data) == 1:
        return hashlib.sha256(b"\x00" + data[0]).digest()
    k = 1
    while k * 2 < len(data):
        k *= 2
    return hashlib.sha256(b"\x01" + mth(data[:k]) + mth(data[k:])).digest()


class Naive:
    """Subtrees by the definition."""

    def __init__(self, data: Sequence[bytes]) -> None:
        self.data = data

    def hash_of(self, start: int, end: int) -> bytes:
        return mth(self.data[start:end])


def test_hashes_of_nothing_of_leaves_and_of_nodes() -> None:
    assert EMPTY.hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" == mth([]).hex()
    assert leaf_hash(b"").hex() == "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"
    assert leaf_hash(b"L123456").hex() == "395aa064aa4c29f7010acfe3f25db9485bbd4b91897b6ad7ad547639252b4d56"
    assert node_hash(b"N123", b"N456").hex() == "aa217fe888e47007fa15edab33c2b492a722cb106c64667fc2b044444de66bbb"


def test_no_node_is_a_leaf() -> None:
    left, right = leaf_hash(b"Hello"), leaf_hash(b"World")
    assert len({node_hash(left, right), node_hash(right, left), leaf_hash(left + right)}) == 3


@pytest.mark.parametrize("size", range(1, 9))
def test_published_roots(size: int) -> None:
    tree = Frontier()
    tree.extend([leaf_hash(one) for one in LEAVES[:size]])
    assert tree.root() == ROOTS[size - 1] == mth(LEAVES[:size])


@pytest.mark.parametrize(("number", "size", "told"), INCLUSION)
def test_published_inclusion_proofs(number: int, size: int, told: tuple[str, ...]) -> None:
    path = [bytes.fromhex(one) for one in told]
    assert inclusion_path(number - 1, size, Naive(LEAVES[:size]).hash_of) == path
    assert included(leaf_hash(LEAVES[number - 1]), number - 1, size, path, ROOTS[size - 1])


@pytest.mark.parametrize(("old", "new", "told"), CONSISTENCY)
def test_published_consistency_proofs(old: int, new: int, told: tuple[str, ...]) -> None:
    path = [bytes.fromhex(one) for one in told]
    assert consistency_path(old, new, Naive(LEAVES[:new]).hash_of) == path
    assert consistent(old, new, ROOTS[old - 1], ROOTS[new - 1], path)


def flipped(one: bytes, bit: int) -> bytes:
    """The same bytes with a bit turned."""
    return bytes([one[0] ^ bit]) + one[1:]


def spoilt_paths(path: Sequence[bytes], root: bytes) -> Iterator[list[bytes]]:
    """As the published tests spoil them."""
    for wrong in (b"", root, SOME_HASH):
        yield [*path, wrong]
        yield [wrong, *path]
    for at, one in enumerate(path):
        yield [*path[:at], flipped(one, 8), *path[at + 1 :]]
        yield [*path[:at], *path[at + 1 :]]
    if len(path) > 1:
        yield [path[0], SOME_HASH, *path[1:]]
        yield list(reversed(path))


@pytest.mark.parametrize(("number", "size", "told"), INCLUSION)
def test_a_spoilt_inclusion_proof_proves_nothing(number: int, size: int, told: tuple[str, ...]) -> None:
    path, index, root, leaf = [bytes.fromhex(one) for one in told], number - 1, ROOTS[size - 1], leaf_hash(LEAVES[number - 1])
    for wrong_index in (index - 1, index + 1, index ^ 2):
        assert not included(leaf, wrong_index, size, path, root)
    for wrong_size in (size * 2, size // 2):
        assert not included(leaf, index, wrong_size, path, root)
    for wrong_root in (EMPTY, SOME_HASH, b""):
        assert not included(leaf, index, size, path, wrong_root)
    for wrong_leaf in (b"WrongLeaf", b"", SOME_HASH):
        assert not included(wrong_leaf, index, size, path, root)
    for wrong in spoilt_paths(path, root):
        assert not included(leaf, index, size, wrong, root), wrong


@pytest.mark.parametrize(("old", "new", "told"), [one for one in CONSISTENCY if one[2]])
def test_a_spoilt_consistency_proof_proves_nothing(old: int, new: int, told: tuple[str, ...]) -> None:
    path, root1, root2 = [bytes.fromhex(one) for one in told], ROOTS[old - 1], ROOTS[new - 1]
    for size1, size2 in ((old - 1, new), (old + 1, new), (old ^ 2, new), (old, new * 2), (old, new // 2)):
        assert not consistent(size1, size2, root1, root2, path), (size1, size2)
    for first, second in ((b"WrongRoot", root2), (root1, b"WrongRoot"), (root2, root1)):
        assert not consistent(old, new, first, second, path)
    for wrong in (*spoilt_paths(path, root1), [*path, root2], [root2, *path], [path[0], *path], []):
        assert not consistent(old, new, root1, root2, wrong), wrong


@pytest.mark.parametrize(("index", "size"), [(0, 0), (1, 0), (2, 1), (-1, 1)])
def test_a_leaf_that_cannot_be_there_is_not(index: int, size: int) -> None:
    assert not included(SOME_HASH, index, size, [], EMPTY)
    assert not included(SOME_HASH, index, size, [], SOME_HASH)
    with pytest.raises(ValueError, match="not in the tree"):
        inclusion_path(index, size, Naive([]).hash_of)


# The published table for trees where the path is empty: sizes, roots, path, whether it proves.
EDGES = [
    (0, 0, b"1", b"2", [], False), (0, 0, b"1", b"1", [], True), (0, 1, b"1", b"2", [], True),
    (1, 1, b"2", b"2", [], True), (1, 1, b"1", b"2", [], False),
    (1, 0, b"1", b"2", [], False),
    (2, 1, b"1", b"2", [], False), (1, 2, b"1", b"2", [], False), (0, 0, EMPTY, b"2", [], False),
    (1, 1, EMPTY, b"2", [], False), (0, 0, EMPTY, EMPTY, [EMPTY], False), (0, 1, EMPTY, EMPTY, [EMPTY], False), (1, 1, EMPTY, EMPTY, [EMPTY], False),
    (0, 0, EMPTY, EMPTY, [], True),
]


@pytest.mark.parametrize(("old", "new", "root1", "root2", "path", "proves"), EDGES)
def test_sizes_whose_proof_is_empty(old: int, new: int, root1: bytes, root2: bytes, path: list[bytes], proves: bool) -> None:
    assert consistent(old, new, root1, root2, path) is proves


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 300), st.data())
def test_growing_in_any_steps_gives_the_tree_of_the_definition(size: int, data: st.DataObject) -> None:
    leaves = [b"%d" % number for number in range(size)]
    tree, at, seen = Frontier(), 0, {}
    while at < size:
        step = data.draw(st.integers(min(size - at, 1 + size // 8), size - at))
        for level, first, nodes in tree.extend([leaf_hash(one) for one in leaves[at : at + step]]):
            seen.update({(level, first + number): node for number, node in enumerate(nodes)})
        tree = Frontier(tree.size, tree.pack())
        at += step
        assert tree.root() == mth(leaves[:at])
    # Every complete subtree was told once it was complete, and none besides.
    assert seen == {
        (level, index): mth(leaves[index << level : index + 1 << level]) for level in range(size.bit_length()) for index in range(size >> level)
    }


@settings(deadline=None)
@given(st.integers(0, 12), st.integers(0, 6), st.integers(0, 12))
def test_whole_subtrees_are_appended_alike(before: int, level: int, count: int) -> None:
    leaves = [leaf_hash(b"%d" % number) for number in range((before << level) + (count << level))]
    at_once, by_subtree = Frontier(), Frontier()
    at_once.extend(leaves)
    made = by_subtree.extend(leaves[: before << level])
    subtrees = [mth([b"%d" % number for number in range(index << level, index + 1 << level)]) for index in range(before, before + count)]
    made = by_subtree.extend(subtrees, level)
    assert (by_subtree.size, by_subtree.root(), by_subtree.pack()) == (at_once.size, at_once.root(), at_once.pack())
    assert all(told >= level for told, _, _ in made)


@settings(deadline=None)
@given(st.integers(1, 130), st.data())
def test_every_leaf_is_proved_in_every_tree(size: int, data: st.DataObject) -> None:
    leaves = [b"%d" % number for number in range(size)]
    index = data.draw(st.integers(0, size - 1))
    path, root = inclusion_path(index, size, Naive(leaves).hash_of), mth(leaves)
    assert included(leaf_hash(leaves[index]), index, size, path, root)
    other = data.draw(st.integers(0, size).filter(lambda one: one != index))
    assert not included(leaf_hash(leaves[index]), other, size, path, root)
    assert len(path) <= (size - 1).bit_length()


@settings(deadline=None)
@given(st.integers(0, 130), st.data())
def test_every_beginning_is_proved_and_no_other(size: int, data: st.DataObject) -> None:
    leaves = [b"%d" % number for number in range(size)]
    old = data.draw(st.integers(0, size))
    path = consistency_path(old, size, Naive(leaves).hash_of)
    assert consistent(old, size, mth(leaves[:old]), mth(leaves), path)
    if old:
        rewritten = [b"other", *leaves[1:]]
        assert not consistent(old, size, mth(rewritten[:old]), mth(leaves), path)
        assert not consistent(old, size, mth(rewritten[:old]), mth(leaves), consistency_path(old, size, Naive(rewritten).hash_of))


@pytest.mark.parametrize(("size", "packed"), [(0, bytes(32)), (1, b""), (3, bytes(32)), (4, bytes(64)), (2, bytes(31))])
def test_an_edge_that_does_not_fit_its_size_is_refused(size: int, packed: bytes) -> None:
    with pytest.raises(ValueError, match="complete subtrees"):
        Frontier(size, packed)


@pytest.mark.parametrize(("old", "new"), [(2, 1), (-1, 3)])
def test_no_tree_begins_with_a_larger_one(old: int, new: int) -> None:
    with pytest.raises(ValueError, match="does not begin"):
        consistency_path(old, new, Naive([b"x"] * 3).hash_of)
