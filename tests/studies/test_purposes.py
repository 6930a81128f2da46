"""Which components a purpose needs, and which studies do not have it."""

from __future__ import annotations

import pytest

from biobank.studies.rules import components_for, known_purposes
from tests.studies.shipped import study


@pytest.mark.parametrize(
    ("code", "purpose", "uses", "needed"),
    [
        ("alltogether1", "collect", [], ("extra_samples",)),
        ("alltogether1", "store", [], ("residual_storage",)),
        ("alltogether1", "use:asparaginase", [], ("residual_storage", "asparaginase")),
        ("alltogether1", "use:interfant21_mrd", [], None),
        ("alltogether1", "use", [], None),
        ("alltogether1", "supply", [], ("residual_storage", "extra_use")),
        ("alltogether1", "supply", ["outside_eea", "genetic"], ("residual_storage", "extra_use", "genetic", "outside_eea")),
        ("alltogether1", "supply", ["resale"], None),
        ("alltogether1", "store:x", [], None),
        ("alltogether1", "export", [], ("registry",)),
        ("alltogether1", "return-results", [], ("return_of_results",)),
        ("alltogether1", "sell", [], None),
        ("interfant21", "collect", [], None),
        ("interfant21", "use:csf_flow", [], ("residual_storage", "csf_flow")),
        ("blinfant", "export", [], None),
        ("blinfant", "use:blinfant_mrd", [], ("residual_storage", "blinfant_mrd")),
        ("intreall2010", "store", [], ("tumour_banking",)),
        ("intreall2020", "supply", ["commercial"], ("tumour_banking", "extra_use", "commercial")),
    ],
)
def test_components_of_a_purpose(code: str, purpose: str, uses: list[str], needed: tuple[str, ...] | None) -> None:
    assert components_for(study(code), purpose, frozenset(uses)) == needed


def test_known_purposes() -> None:
    assert known_purposes(study("blinfant")) == ("store", "supply", "return-results", "use:blinfant_mrd")
