"""Anchors and doses: days that sampling is counted from."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from biobank.core.errors import FieldsWrong
from biobank.subjects import queries, service
from biobank.subjects.rules import AnchorUnknown, NewAnchor, NewDose
from tests.subjects.given import child, code_of


def test_doses_are_numbered_and_the_latest_is_found(work):
    enrolment = child(work)
    code = code_of(work, enrolment)
    for day in (date(2026, 3, 10), date(2026, 3, 24)):
        service.add_dose(work, code, NewDose("alltogether1", day, "PEG_Ecoli", 1500, "IV"))
    assert (queries.anchor_of(work, enrolment, "asparaginase_dose").ordinal, queries.anchor_of(work, enrolment, "asparaginase_dose", 1).at) == (
        2, date(2026, 3, 10),
    )
    doses = [(anchor.ordinal, dose.product, dose.units_per_m2) for anchor, dose in queries.anchors(work, [enrolment.id]) if dose]
    assert doses == [(1, "PEG_Ecoli", 1500), (2, "PEG_Ecoli", 1500)]


def test_a_moment_gives_the_civil_day_at_the_site(work):
    enrolment = child(work)
    late = datetime(2026, 3, 10, 23, 30, tzinfo=UTC)
    anchor = service.add_anchor(work, code_of(work, enrolment), NewAnchor("alltogether1", "treatment_start", late))
    assert (anchor.at, anchor.moment) == (date(2026, 3, 11), late)


def test_an_anchor_is_corrected_by_its_ordinal(work):
    enrolment = child(work)
    code = code_of(work, enrolment)
    service.add_anchor(work, code, NewAnchor("alltogether1", "treatment_start", date(2026, 3, 5)))
    service.add_anchor(work, code, NewAnchor("alltogether1", "treatment_start", date(2026, 3, 6), ordinal=1))
    assert queries.anchor_of(work, enrolment, "treatment_start").at == date(2026, 3, 6)
    with pytest.raises(AnchorUnknown):
        service.add_anchor(work, code, NewAnchor("alltogether1", "treatment_start", date(2026, 3, 6), ordinal=2))


def test_a_dose_can_be_corrected_with_its_product(work):
    enrolment = child(work)
    code = code_of(work, enrolment)
    service.add_dose(work, code, NewDose("alltogether1", date(2026, 3, 10), "PEG_Ecoli", 1500, "IV"))
    service.add_dose(work, code, NewDose("alltogether1", date(2026, 3, 11), "Erwinia", 20_000, "IM", ordinal=1))
    (found,) = [(a.at, d.product, d.route) for a, d in queries.anchors(work, [enrolment.id]) if d]
    assert found == (date(2026, 3, 11), "Erwinia", "IM")


@pytest.mark.parametrize("days", [1, -4000])
def test_a_day_in_the_future_or_before_birth_is_refused(work, days):
    code = code_of(work, child(work))
    with pytest.raises(FieldsWrong) as refused:
        service.add_anchor(work, code, NewAnchor("alltogether1", "treatment_start", work.today + timedelta(days=days)))
    assert refused.value.faults[0].pointer == "/at"


@pytest.mark.parametrize(
    ("changed", "pointer"), [({"product": "PEG"}, "/product"), ({"route": "PO"}, "/route"), ({"units_per_m2": 0}, "/units_per_m2")]
)
def test_a_wrong_dose_is_named(work, changed, pointer):
    code = code_of(work, child(work))
    facts = {"study": "alltogether1", "at": date(2026, 3, 10), "product": "PEG_Ecoli", "units_per_m2": 1500, "route": "IV", **changed}
    with pytest.raises(FieldsWrong) as refused:
        service.add_dose(work, code, NewDose(**facts))
    assert refused.value.faults[0].pointer == pointer
