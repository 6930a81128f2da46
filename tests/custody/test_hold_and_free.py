"""Holds by hand: several at once, each with its reason, freed by a manager; those of consent follow decisions alone."""

from __future__ import annotations

import pytest

from biobank.core.errors import FieldsWrong, Forbidden
from biobank.custody.rules import Held
from biobank.specimens.service import earmark
from tests.ward import Ward, act, by, entries, nothing_changes, told


def test_several_holds_at_once(ward: Ward) -> None:
    for kind in ("identity", "quarantine"):
        assert act(ward.units, ward.marrow, "hold", kind=kind, reason="two labels on one tube") == "held"
    assert told(ward.units, ward.marrow)["holds"] == {"identity", "quarantine"}
    act(ward.units, ward.marrow, "unhold", kind="identity", reason="settled")
    assert told(ward.units, ward.marrow)["holds"] == {"quarantine"}
    with pytest.raises(Held, match="quarantine"), by(ward.units) as work:
        earmark(work, ward.marrow, "asparaginase")


def test_the_reason_is_kept_beside_the_entry(ward: Ward) -> None:
    act(ward.units, ward.marrow, "hold", kind="identity", reason="two labels on one tube")
    assert "two labels" not in str(entries(ward.units, ward.marrow))
    last = ward.manager.read(f"/specimens/{ward.marrow}/custody")["entries"][-1]
    assert last["notes"] == {"reason": "two labels on one tube"}
    assert ward.manager.read(f"/specimens/{ward.marrow}")["holds"] == [
        {"kind": "identity", "since": "2026-11-20", "reason": "two labels on one tube"}
    ]


def test_only_a_manager_frees(ward: Ward) -> None:
    act(ward.units, ward.marrow, "hold", "technician", kind="identity", reason="x")
    with nothing_changes(ward.units), pytest.raises(Forbidden, match="unhold"):
        act(ward.units, ward.marrow, "unhold", "technician", kind="identity", reason="x")


@pytest.mark.parametrize("name", ["hold", "unhold"])
@pytest.mark.parametrize("kind", ["no-consent", "withdrawn"])
def test_what_follows_from_consent_is_not_set_by_hand(ward: Ward, name: str, kind: str) -> None:
    with nothing_changes(ward.units), pytest.raises(FieldsWrong):
        act(ward.units, ward.marrow, name, kind=kind, reason="x")


def test_another_biobank_sees_and_does_nothing(ward: Ward) -> None:
    from biobank.core.codes import CodeUnknown

    with nothing_changes(ward.units), pytest.raises(CodeUnknown):
        act(ward.units, ward.marrow, "thaw", "elsewhere")
