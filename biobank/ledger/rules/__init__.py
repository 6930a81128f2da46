"""What the ledger is by rule: canonical bytes and hashes, the Merkle tree over them, and signed notes about it."""

from biobank.ledger.rules.entries import (
    APPEND_ONLY,
    EXACT_UP_TO,
    GENESIS,
    ChainMoved,
    Finding,
    Head,
    Line,
    Written,
    canonical,
    compose,
    digest,
    note_hash,
)
from biobank.ledger.rules.notes import (
    KeyMalformed,
    Note,
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
from biobank.ledger.rules.tree import (
    EMPTY,
    Frontier,
    consistency_path,
    consistent,
    included,
    inclusion_path,
    leaf_hash,
    node_hash,
)

__all__ = [
    "APPEND_ONLY", "EMPTY", "EXACT_UP_TO", "GENESIS", "ChainMoved", "Finding", "Frontier", "Head", "KeyMalformed", "Line", "Note", "NoteMalformed",
    "SignatureWrong", "Signer", "SignerUnknown", "Verifier", "Written", "canonical", "check_note", "compose", "consistency_path", "consistent",
    "digest", "included", "inclusion_path", "join_notes", "leaf_hash", "node_hash", "note_hash", "read_note", "read_signer", "read_verifier",
    "sign_checkpoint", "split_notes",
]
