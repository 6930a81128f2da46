"""Many entries like those of scans, appended past the use cases: for jobs that read the ledger and ask nothing of tubes."""

from __future__ import annotations

from biobank.core.work import Units
from biobank.ledger import service as ledger
from biobank.ledger.rules import Line

CHAINS, EACH = 200, 10
FACTS = {
    "effect": {
        "lines": [["tube", -250_000], ["aliquoted", 250_000]], "seen": True, "thaws": 3, "place": {"container": "C612FF2G", "row": 3, "column": 7},
    },
    "verdict": {"granted": True, "id": 12_345, "purpose": "store"}, "was": {"place": None, "out": False},
}


def fill(units: Units, entries: int) -> None:
    """At least so many entries, ten on each chain."""
    for _ in range(-(-entries // (CHAINS * EACH))):
        with units.write() as work:
            chains = ledger.open_chains(work, "filler", [f"{work.random.getrandbits(80):020x}" for _ in range(CHAINS)])
            ledger.append(work, [Line(chain, "thaw", FACTS) for chain in chains for _ in range(EACH)])
