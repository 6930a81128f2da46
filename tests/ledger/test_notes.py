"""Signed notes and keys against published vectors.

Vectors: golang/mod (BSD-3-Clause), sumdb/note/note_test.go: keys, the signature of a text, and what must be refused; C2SP/C2SP,
signed-note.md and tlog-checkpoint.md: the examples. The signature of tlog-checkpoint.md's example is one that the Go checksum database
gave for its own checkpoint of that size and root (origin “go.sum database tree”, key sum.golang.org+033de0ae), so it is checked as that.
"""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from biobank.ledger.rules import (
    KeyMalformed,
    NoteMalformed,
    SignatureWrong,
    Signer,
    SignerUnknown,
    Verifier,
    check_note,
    join_notes,
    read_note,
    read_signer,
    read_verifier,
    sign_checkpoint,
    split_notes,
)

PETER = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
PETERS_KEY = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz"
ENOCH = "EnochRoot+af0cfe78+ATtqJ7zOtqQtYqOo0CpvDXNlMhV3HeJDpjrASKGLWdop"
TEXT = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
PETERS = "x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM="
ENOCHS = "rwz+eBzmZa0SO3NbfRGzPCpDckykFXSdeX+MNtCOXm2/5n2tiOHp+vAF1aGrQ5ovTG01oOTGwnWLox33WWd1RvMc+QQ="
CHECKSUM_DATABASE = "sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8"
EXAMPLE = (
    "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n"
    "— example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n"
)
REAL = EXAMPLE.replace("example.com/behind-the-sofa\n20", "go.sum database tree\n20").replace("— example.com/behind-the-sofa", "— sum.golang.org")


def test_keys_are_read_and_written_alike() -> None:
    assert read_verifier(PETER).vkey == PETER
    assert read_verifier(ENOCH).vkey == ENOCH
    assert read_verifier(CHECKSUM_DATABASE).vkey == CHECKSUM_DATABASE
    signer = read_signer(PETERS_KEY)
    assert (signer.secret, signer.verifier.vkey, signer.verifier.id.hex()) == (PETERS_KEY, PETER, "c74f20a3")


def test_the_published_signatures() -> None:
    """Ed25519 is deterministic: the same key and text give the very same bytes."""
    peter, enoch = read_verifier(PETER), read_verifier(ENOCH)
    assert base64.b64encode(peter.id + read_signer(PETERS_KEY).sign(TEXT.encode())).decode() == PETERS
    for verifier, line in ((peter, PETERS), (enoch, ENOCHS)):
        raw = base64.b64decode(line)
        assert raw[:4] == verifier.id and verifier.accepts(TEXT.encode(), raw[4:])
        assert not verifier.accepts(TEXT.encode() + b" ", raw[4:])
        assert not verifier.accepts(TEXT.encode(), bytes([raw[4] ^ 1]) + raw[5:])
        assert not verifier.accepts(TEXT.encode(), raw[4:-1])


def mangled(key: str) -> list[str]:
    """Every part of it, and each character replaced by the next: as the published tests do."""
    parts = [key[start:end] for start in range(len(key) + 1) for end in range(start + 1, len(key) + 1) if key[start:end] != key]
    return parts + [key[:at] + chr(ord(one) + 1) + key[at + 1 :] for at, one in enumerate(key)]


def test_no_mangled_key_is_accepted() -> None:
    wrong_length = "PeterNeumann+cc469956+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TWBADKEY=="
    wrong_type = "PeterNeumann+173116ae+ZRpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
    for key in [*mangled(PETER), wrong_length, wrong_type]:
        with pytest.raises(KeyMalformed):
            read_verifier(key)
    for key in mangled(PETERS_KEY):
        with pytest.raises(KeyMalformed) as refused:
            read_signer(key)
        assert "AYEKFALVFGyNhPJEMzD1QIDr" not in refused.value.detail


def test_the_examples_of_the_specification_are_read() -> None:
    note = read_note(EXAMPLE)
    assert (note.origin, note.size) == ("example.com/behind-the-sofa", 20852163)
    assert note.root == base64.b64decode("CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=")
    assert [(one.name, one.id.hex(), len(one.signature)) for one in note.signatures] == [("example.com/behind-the-sofa", "033de0ae", 64)]


def test_a_real_checkpoint_of_another_log_is_checked() -> None:
    """One that other software signed, with a key that the world knows."""
    note = check_note(REAL, [read_verifier(CHECKSUM_DATABASE)])
    assert (note.origin, note.size) == ("go.sum database tree", 20852163)
    with pytest.raises(SignatureWrong, match=r"sum\.golang\.org\+033de0ae"):
        check_note(REAL.replace("20852163", "20852164"), [read_verifier(CHECKSUM_DATABASE)])


ONE, OTHER = Signer("biobank", bytes(range(32))), Signer("biobank", bytes(range(1, 33)))
ROOT = bytes(range(100, 132))
NOTE = sign_checkpoint("biobank", 42, ROOT, [ONE])


def test_what_was_signed_is_read_back() -> None:
    note = check_note(NOTE, [ONE.verifier])
    assert (note.origin, note.size, note.root) == ("biobank", 42, ROOT)
    assert f"biobank\n42\n{base64.b64encode(ROOT).decode()}\n\n— biobank {NOTE.split()[-1]}\n" == NOTE


def test_after_a_rotation_either_key_is_enough() -> None:
    both = sign_checkpoint("biobank", 42, ROOT, [ONE, OTHER])
    for known in ([ONE.verifier], [OTHER.verifier], [OTHER.verifier, ONE.verifier]):
        assert check_note(both, known).size == 42
    # A known key's wrong signature spoils the note, whatever else stands there.
    first, second = both.splitlines()[-2:]
    spoilt = both.replace(second, second[:-8] + ("A" if second[-8] != "A" else "B") + second[-7:])
    assert check_note(spoilt, [ONE.verifier]).size == 42
    with pytest.raises(SignatureWrong):
        check_note(spoilt, [ONE.verifier, OTHER.verifier])
    assert first != second


@pytest.mark.parametrize("known", [(), (OTHER.verifier,), (Verifier("another", ONE.verifier.key),)])
def test_a_note_that_nobody_known_signed_is_refused(known: tuple[Verifier, ...]) -> None:
    with pytest.raises(SignerUnknown, match=r"biobank\+"):
        check_note(NOTE, known)


SIGNED = NOTE.partition("\n\n")[2]
ROOT64 = base64.b64encode(ROOT).decode()
MALFORMED = [
    "", "\n", NOTE.partition("\n\n")[0], NOTE.partition("\n\n")[0] + "\n", NOTE[:-1], "\x01" + NOTE, NOTE.replace("\n", "\r\n"),
    NOTE + "Unexpected line.\n", NOTE.replace("— biobank ", "— bio bank "), NOTE.replace("— biobank", "- biobank"),
    NOTE.replace("— biobank ", "— bio+bank "), NOTE.replace("— biobank ", "—  "), f"biobank\n042\n{ROOT64}\n\n{SIGNED}",
    f"biobank\n-1\n{ROOT64}\n\n{SIGNED}", f"biobank\n４２\n{ROOT64}\n\n{SIGNED}", f"biobank\n42\n{ROOT64[:-4]}\n\n{SIGNED}",
    f"biobank\n42\n\n{SIGNED}", f"\n42\n{ROOT64}\n\n{SIGNED}", f"biobank\n{ROOT64}\n42\n\n{SIGNED}",
    f"biobank\n42\n{ROOT64}\n\n" + SIGNED * 101, f"biobank\n42\n{ROOT64}\n\n— biobank AAAA\n", f"biobank\n42\n{ROOT64}\n\n— biobank !!!!\n",
]


@pytest.mark.parametrize("text", MALFORMED, ids=range(len(MALFORMED)))
def test_what_is_no_note_is_refused(text: str) -> None:
    with pytest.raises(NoteMalformed):
        read_note(text)


def test_sixteen_signatures_at_least_are_accepted() -> None:
    assert len(read_note(f"biobank\n42\n{ROOT64}\n\n" + SIGNED * 16).signatures) == 16


def test_every_changed_character_is_noticed() -> None:
    for at, one in enumerate(NOTE):
        for other in {"A", "B", "0", "\n", chr(ord(one) ^ 1)} - {one}:
            with pytest.raises((NoteMalformed, SignatureWrong, SignerUnknown)):
                check_note(NOTE[:at] + other + NOTE[at + 1 :], [ONE.verifier])


@given(st.integers(0, 10**18), st.binary(min_size=32, max_size=32), st.binary(min_size=32, max_size=32))
def test_any_checkpoint_survives_the_way_there_and_back(size: int, root: bytes, seed: bytes) -> None:
    signer = read_signer(Signer("biobank", seed).secret)
    note = check_note(sign_checkpoint("biobank", size, root, [signer]), [read_verifier(signer.verifier.vkey)])
    assert (note.size, note.root) == (size, root)


BETWEEN = "\n\n"
NEXT = sign_checkpoint("biobank", 43, ROOT, [ONE, OTHER])


@pytest.mark.parametrize(
    "text",
    [join_notes([NOTE, NEXT]), f"{NOTE}\n{NEXT}", f"\n{NOTE}\n\n\n{NEXT}\n\n", f"{NOTE}\n{NEXT}".replace("\n", "\r\n")],
    ids=["joined", "appended", "empty lines", "crlf"],
)
def test_an_export_file_is_read_note_by_note(text: str) -> None:
    assert split_notes(text) == [NOTE, NEXT]
    assert [read_note(one).size for one in split_notes(text)] == [42, 43]


def test_what_is_no_note_in_an_export_file_is_not_passed_over() -> None:
    assert split_notes("") == split_notes("\n\n") == []
    for text in (f"{NOTE}\nsomething else\n", f"something else\n\n{NOTE}", f"{NOTE}\n{NEXT.partition(BETWEEN)[0]}"):
        with pytest.raises(NoteMalformed):
            for one in split_notes(text):
                read_note(one)
