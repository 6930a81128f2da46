"""The evidence pack of a tube: one file that anyone can check without us."""

from __future__ import annotations

import base64
import hashlib
import io
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from biobank.core.work import Work
from biobank.ledger.rules import Signer, Verifier, canonical, read_note
from biobank.ledger.service import Keyring
from biobank.specimens import queries
from biobank.specimens.service.gathering import gather

# The first line of what is signed. A checkpoint begins with the name of a log, which never has a space: neither passes for the other.
FORMAT = "biobank evidence 1"
SHIPPED = ("verify.py", "seals.py", "README.txt")
TEMPLATES = Path(__file__).parent.parent / "templates" / "specimens"


def evidence_pack(work: Work, code: str, keyring: Keyring) -> bytes:
    """A zip with the tube's facts, ancestry, entries, proofs and verdicts, signed as a whole, and a verifier that uses none of our code.

    Writes nothing: what is not sealed yet is named and stands without a proof. The same state gives the same bytes. Persons stand in it by
    number alone. Raises CodeMistyped, or CodeUnknown also for a tube whose custody the actor may not read.
    """
    pack = gather(work, queries.specimen_id(work, code, "read-custody"))
    pack |= {"format": FORMAT, "keys": _keys(pack["checkpoints"], keyring)}
    evidence = canonical(pack)
    files = {"evidence.json": evidence, "evidence.sig": _signed(pack["tube"], evidence, keyring.signers)}
    return _zip(files | {name: (TEMPLATES / name).read_bytes() for name in SHIPPED})


def _keys(checkpoints: Sequence[dict[str, Any]], keyring: Keyring) -> list[str]:
    """The public keys that signed anything in the pack, the newest last."""
    used = {(one.name, one.id) for checkpoint in checkpoints for one in read_note(checkpoint["note"]).signatures}
    used |= {(signer.verifier.name, signer.verifier.id) for signer in keyring.signers}
    known: Sequence[Verifier] = keyring.verifiers
    return [one.vkey for one in known if (one.name, one.id) in used]


def _signed(tube: str, evidence: bytes, signers: Sequence[Signer]) -> bytes:
    """A C2SP signed note over the SHA-256 of the whole file."""
    text = f"{FORMAT}\n{tube}\nsha256 {hashlib.sha256(evidence).hexdigest()}\n"
    lines = [(one.name, base64.b64encode(one.verifier.id + one.sign(text.encode())).decode()) for one in signers]
    return (text + "\n" + "".join(f"\N{EM DASH} {name} {signature}\n" for name, signature in lines)).encode()


def _zip(files: dict[str, bytes]) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name, content in files.items():
            # The time of making would make every pack another file.
            entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            entry.external_attr, entry.create_system, entry.compress_type = 0o644 << 16, 3, zipfile.ZIP_DEFLATED
            archive.writestr(entry, content)
    return made.getvalue()
