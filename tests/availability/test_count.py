"""Availability for insiders: exact, fresh, and why the rest does not count."""

from __future__ import annotations

import pytest

from biobank.availability import service
from biobank.availability.queries import available_specimens, why_not
from biobank.availability.rules import REASONS, Criteria, in_order, reason
from biobank.consent.service import verdicts
from biobank.core.errors import FieldsWrong, Forbidden
from biobank.core.work import Grant
from biobank.specimens.service import do
from tests.availability.stock import STUDY, aliquots, cast, child, decline, draw, person, standing


@pytest.fixture
def lab(work):
    work.actor = cast(work, "manager")
    return work


SUPPLY = Criteria("supply", studies=(STUDY,))


def told(answer) -> dict[str, int]:
    return dict(answer.not_available)


def test_a_released_tube_with_consent_counts_and_the_rest_is_told_why(lab):
    code = draw(lab, child(lab, 1))
    answer = service.count(lab, SUPPLY, ("material", "event"))
    assert (answer.tubes, answer.participants) == (1, 1)
    cells = {cell.at: (cell.tubes, cell.participants) for cell in answer.cells}
    assert cells["BM", "DX"] == (1, 1)
    assert cells["PB", "DX"] == (0, 0)
    assert set(told(answer)) == {"not-received"}
    assert [tube.code for tube in available_specimens(lab, SUPPLY)] == [code]


def test_every_tube_stands_in_exactly_one_place(lab):
    tube = draw(lab, child(lab, 1))
    aliquots(lab, tube, 4)
    draw(lab, child(lab, 2), released=False)
    draw(lab, child(lab, 3, declined=("extra_use",)))
    draw(lab, child(lab, 4, silent=True))
    answer = service.count(lab, SUPPLY, ("material",))
    reasons = told(answer)
    assert answer.tubes == 5
    assert reasons["not-released"] == 1
    assert reasons["component-declined"] == 1
    assert reasons["held-no-consent"] == 1
    assert sum(cell.tubes for cell in answer.cells) == answer.tubes
    everything = answer.tubes + sum(reasons.values())
    assert everything == len(why_not(lab, SUPPLY, _all_codes(lab)))


def _all_codes(work):
    from sqlalchemy import select

    from biobank.custody.models import Standing

    return list(work.session.execute(select(Standing.code).where(Standing.study == STUDY, Standing.status != "cancelled")).scalars())


def test_each_standing_has_its_reason(lab):
    one = child(lab, 1)
    tube = draw(lab, one)
    kept, out, held, lost = aliquots(lab, tube, 4)
    ids = {code: standing(lab, code).specimen_id for code in (kept, out, held, lost)}
    do(lab, ids[out], "check-out", {})
    do(lab, ids[held], "hold", {"kind": "quarantine", "reason": "cap cracked"})
    do(lab, ids[lost], "lose", {})
    assert why_not(lab, SUPPLY, [kept, out, held, lost]) == {kept: None, out: "out", held: "held-quarantine", lost: "gone"}
    emptied = draw(lab, child(lab, 2), volume=400_000)
    aliquots(lab, emptied, 4)
    assert why_not(lab, SUPPLY, [emptied]) == {emptied: "nothing-left"}


def test_the_sql_agrees_with_the_verdict_of_consent(lab):
    """The same question asked of consent itself, child by child and purpose by purpose."""
    children = [
        child(lab, 1), child(lab, 2, declined=("extra_use",)), child(lab, 3), child(lab, 4, silent=True),
        child(lab, 5, declined=("asparaginase", "genetic")),
    ]
    tubes = {code: standing(lab, code).enrolment_id for code in (draw(lab, one) for one in children)}
    decline(lab, children[2], "residual_storage")
    asked = [("supply", frozenset()), ("supply", frozenset({"genetic"})), ("supply", frozenset({"genetic", "commercial"})), ("export", frozenset())]
    asked += [("use:asparaginase", frozenset()), ("use:cns_detection", frozenset()), ("use:interfant21_mrd", frozenset()), ("store", frozenset())]
    for purpose, uses in asked:
        found = why_not(lab, Criteria(purpose, uses), tubes)
        judged = verdicts(lab, tubes.values(), purpose, uses=uses)
        for code, enrolment in tubes.items():
            if standing(lab, code).open_holds:
                assert found[code] == "held-no-consent"
            else:
                assert found[code] == (None if judged[enrolment].granted else judged[enrolment].codes[0]), (purpose, uses)


def test_filters_narrow_and_several_words_widen(lab):
    draw(lab, child(lab, 1))
    draw(lab, child(lab, 2, disease="T_ALL"), material="PB")

    def tubes(**more) -> int:
        return service.count(lab, Criteria("supply", studies=(STUDY,), **more)).tubes

    assert tubes() == 2
    assert tubes(materials=("BM",)) == 1
    assert tubes(materials=("BM", "PB")) == 2
    assert tubes(diseases=("T_ALL",)) == 1
    assert tubes(events=("D29",)) == 0
    assert tubes(families=("marrow",)) == 1
    assert tubes(organisations=("maxima",)) == 2
    by = service.count(lab, SUPPLY, ("disease", "family"))
    assert {cell.at for cell in by.cells if cell.tubes} == {("BCP_ALL", "marrow"), ("T_ALL", "blood")}


@pytest.mark.parametrize(
    ("criteria", "by", "pointer"),
    [
        (Criteria("release"), (), "/purpose"),
        (Criteria("use:nothing"), (), "/purpose"),
        (Criteria("collect"), (), "/purpose"),
        (Criteria("supply", uses=frozenset({"cosmetic"})), (), "/uses"),
        (Criteria("supply", studies=("alltogether2",)), (), "/study"),
        (Criteria("supply", materials=("MARROW",)), (), "/material"),
        (Criteria("supply", events=("DAY15",)), (), "/event"),
        (Criteria("supply", diseases=("ALL",)), (), "/disease"),
        (Criteria("supply", families=("bone",)), (), "/family"),
        (Criteria("supply", organisations=("nowhere",)), (), "/organisation"),
        (Criteria("supply"), ("age",), "/by"),
    ],
)
def test_a_word_that_nothing_knows_is_named(lab, criteria, by, pointer):
    with pytest.raises(FieldsWrong) as refused:
        service.count(lab, criteria, by)
    assert refused.value.faults[0].pointer == pointer


def test_only_insiders_and_only_their_studies(lab):
    draw(lab, child(lab, 1))
    lab.actor = cast(lab, "researcher")
    with pytest.raises(Forbidden):
        service.count(lab, SUPPLY)
    lab.actor = cast(lab, "asparaginase")
    assert service.count(lab, Criteria("use:asparaginase")).tubes == 1
    with pytest.raises(Forbidden):
        service.count(lab, Criteria("supply", studies=("interfant21",)))
    lab.actor = person(lab, "test-member-2", Grant("sub-study", "interfant21"))
    assert service.count(lab, Criteria("supply")).tubes == 0
    lab.actor = person(lab, "test-manager-elsewhere", Grant("manager", None, "elsewhere"), organisation="elsewhere")
    assert service.count(lab, Criteria("supply")).tubes == 0


def test_reasons_are_told_in_a_fixed_order_and_all_have_words():
    codes = ["no-decision", "reserved", "held-quarantine", "gone", "held-discrepancy", "not-received"]
    assert in_order(codes) == ["not-received", "gone", "held-discrepancy", "held-quarantine", "reserved", "no-decision"]
    assert all(reason(row.code) == row for row in REASONS)
    assert reason("held-quarantine").title == "Held: quarantine"
    assert reason("something-new").title
