"""Appending to chains, sealing and proving them, and verifying all of it."""

from biobank.ledger.service.appending import append, lock, open_chain, open_chains
from biobank.ledger.service.proofs import NoSuchTree, NotSealed, consistency, inclusion
from biobank.ledger.service.reporting import Report, Reports, run_verification
from biobank.ledger.service.sealing import Sealed, TreeChanged, seal
from biobank.ledger.service.signing import Keyring, LogRenamed, known_verifiers, read_verifiers
from biobank.ledger.service.verifying import Check, Progress, verify

__all__ = [
    "Check", "Keyring", "LogRenamed", "NoSuchTree", "NotSealed", "Progress", "Report", "Reports", "Sealed", "TreeChanged", "append",
    "consistency", "inclusion", "known_verifiers", "lock", "open_chain", "open_chains", "read_verifiers", "run_verification", "seal",
    "verify",
]
