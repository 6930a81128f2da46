"""The list of tubes: a participant's code is read as everywhere else."""

from __future__ import annotations

import pytest

from tests.ward import Ward, refused


@pytest.mark.parametrize("form", ["{0}", "{0:.4} {1}", "{0:.4}-{1}"])
def test_a_participants_code_is_read_in_every_form(ward: Ward, form: str) -> None:
    typed = form.format(ward.child, ward.child[4:]).lower()
    found = ward.bench.read("/specimens", participant=typed)["items"]
    assert ward.marrow in {tube["code"] for tube in found}
    assert {tube["participant"] for tube in found} == {ward.child}


def test_a_mistyped_participant_is_no_empty_list(ward: Ward) -> None:
    refused(ward.bench.get("/specimens", participant="AAAAAAAA"), 422, "code-mistyped", "AAAAAAAA")
