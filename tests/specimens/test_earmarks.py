"""An earmark names a sub-study of the child's own study."""

from __future__ import annotations

from tests.ward import Ward, nothing_changes, refused


def test_an_unknown_sub_study_is_a_wrong_value_and_one_of_another_study_a_conflict(ward: Ward) -> None:
    path = f"/specimens/{ward.marrow}/earmarks"
    with nothing_changes(ward.units):
        refused(ward.manager.post(path, {"sub_study": "nothing"}), 422, "fields-wrong", "/sub_study", "asparaginase", "nothing")
        refused(ward.manager.post(path, {"sub_study": "interfant21_mrd"}), 409, "not-wanted", "interfant21", "asparaginase")
