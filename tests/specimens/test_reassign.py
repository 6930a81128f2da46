"""A sample swap: two people, both whole trees, one transaction; the old value stays visible."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from biobank.availability import queries as availability
from biobank.availability.rules import Criteria
from biobank.core.clock import SetClock
from biobank.core.codes import CodeUnknown, spaced
from biobank.core.errors import FieldsWrong, Forbidden, Refusal
from biobank.core.work import Grant, Units
from biobank.corrections.queries import page_of
from biobank.corrections.rules import (
    CorrectionAnswered,
    CorrectionOvertaken,
    CorrectionUnknown,
    CorrectionWaits,
    NotAPrimary,
    SameChild,
    SecondPersonNeeded,
)
from biobank.corrections.service import confirm, decline, foresee, propose_move, propose_swap
from biobank.custody.rules import ConsentRefused, fold
from biobank.custody.service import Doing, record
from biobank.identity import service as identity
from biobank.specimens import queries as specimens
from biobank.specimens.service import NewAliquots, NewArrival, NewCollection, aliquot, earmark, plan_collection, register_arrival
from biobank.subjects.rules import NewEnrolment, NewEpisode, NewParticipant, NotEnrolled
from biobank.subjects.service import register_participant
from biobank.withdrawals.service import withdraw
from tests.availability import stock
from tests.client import Client
from tests.specimens.swapped import Tree, acts, as_second, confirmed, owner, proposed, seat_second, sound, swapped, tree
from tests.ward import act, by, entries, nothing_changes, refused, told

SUPPLY = Criteria(purpose="supply")


@pytest.fixture
def two(units: Units) -> tuple[Tree, Tree]:
    """Two children with every consent, each with a tree of four tubes; and a second manager."""
    seat_second(units)
    with by(units) as work:
        return tree(work, 1), tree(work, 2)


def available(units: Units, purpose: str = "supply") -> dict[str, tuple[int, int]]:
    """Tubes and participants per material."""
    with by(units) as work:
        answer = availability.count(work, Criteria(purpose=purpose), ("material",))
    return {str(cell.at[0]): (cell.tubes, cell.participants) for cell in answer.cells}


# both trees

def test_both_trees_change_places(units: Units, two: tuple[Tree, Tree]) -> None:
    one, other = two
    was, then = owner(units, one.marrow), owner(units, other.marrow)
    before = {code: told(units, code) for code in (*one.codes, *other.codes)}
    swapped(units, one, other)
    for code in one.codes:
        assert owner(units, code) == then
    for code in other.codes:
        assert owner(units, code) == was
    for code, tube in before.items():
        after = told(units, code)
        for field in ("material", "family", "container_type", "purpose", "left", "thaws", "position", "status", "ordinal", "parent", "released_on"):
            assert after[field] == tube[field], (code, field)
    assert sound(units)


def test_every_tube_has_one_entry_and_the_old_value_stays_visible(units: Units, two: tuple[Tree, Tree]) -> None:
    one, other = two
    number = swapped(units, one, other)
    with by(units) as work:
        first = identity.queries.actor_by_login(work, "manager")
        second = identity.queries.actor_by_login(work, "second-manager")
    assert first is not None and second is not None
    for mine, theirs in ((one, other), (other, one)):
        for code in mine.codes:
            bodies = entries(units, code)
            assert acts(units, code).count("reassign") == 1
            told_, facts = bodies[-1], bodies[-1]["facts"]
            assert (told_["act"], told_["actor"], facts["proposed_by"], facts["correction"]) == ("reassign", second.id, first.id, number)
            assert facts["was"]["participant"] == mine.child == bodies[0]["facts"]["participant"]
            assert facts["now"]["participant"] == theirs.child == facts["effect"]["participant"]
            assert (facts["entry"], facts["with"]) == (1, theirs.marrow)
            assert facts["verdict"]["granted"] is True and "labels were" not in str(told_)
            assert fold(bodies).participant == theirs.child


def test_the_reason_is_a_note_that_can_be_erased(units: Units, two: tuple[Tree, Tree], api: Callable[[str], Client]) -> None:
    swapped(units, *two)
    shown = api("manager").read(f"/specimens/{two[0].plasma}/custody")["entries"][-1]
    assert shown["notes"] == {"reason": "labels were changed at the bench"} and "labels were" not in shown["body"]


def test_a_swap_back_corrects_the_correction(units: Units, two: tuple[Tree, Tree]) -> None:
    one, other = two
    was = owner(units, one.marrow)
    swapped(units, one, other)
    swapped(units, other, one)
    assert owner(units, one.plasma) == was
    last = entries(units, one.marrow)
    assert [body["act"] for body in last[-2:]] == ["reassign", "reassign"] and last[-1]["facts"]["entry"] == last[-2]["seq"]
    assert sound(units)


def test_other_tubes_of_the_same_draw_stay(units: Units, two: tuple[Tree, Tree]) -> None:
    one, other = two
    with by(units) as work:
        kin = [row.code for row in specimens.lineage(work, specimens.specimen(work, one.marrow))[0] if row.code not in one.codes]
    assert kin
    swapped(units, one, other)
    assert {owner(units, code)[0] for code in kin} == {one.child}
    assert all("reassign" not in acts(units, code) for code in kin)


def test_materials_and_families_make_no_difference(units: Units, two: tuple[Tree, Tree]) -> None:
    with by(units) as work:
        blood = register_arrival(work, NewArrival(two[1].child, "alltogether1", "MNC_VIABLE", "CRYOVIAL", "residual", work.now))[0].code
    confirmed(units, proposed(units, two[0].marrow, blood))
    assert (owner(units, blood)[0], told(units, blood)["material"]) == (two[0].child, "MNC_VIABLE")
    assert owner(units, two[0].plasma)[0] == two[1].child
    assert sound(units)


def test_what_is_gone_goes_along(units: Units, two: tuple[Tree, Tree]) -> None:
    one, other = two
    act(units, one.plasma, "lose")
    swapped(units, one, other)
    assert (owner(units, one.plasma)[0], told(units, one.plasma)["status"]) == (other.child, "gone")
    assert told(units, one.plasma)["holds"] == set()
    assert sound(units)


def test_a_later_child_is_born_into_the_new_draw(units: Units, two: tuple[Tree, Tree]) -> None:
    one, other = two
    then = owner(units, other.marrow)
    swapped(units, one, other)
    with by(units) as work:
        made = stock.aliquots(work, one.marrow, 1)[0]
    assert owner(units, made) == then and entries(units, made)[0]["facts"]["participant"] == other.child
    assert sound(units)


def test_a_collected_tube_and_its_draw_still_verify(units: Units, two: tuple[Tree, Tree]) -> None:
    """When a draw was made is told by its first collected tube, which may have left it since."""
    with by(units) as work:
        planned = plan_collection(work, NewCollection(two[0].child, "alltogether1", "DX", work.today))
        first, second = [row.code for row in specimens.of_collection(work, planned.id)][:2]
    for code in (first, second):
        act(units, code, "collect")
    assert sound(units)
    confirmed(units, proposed(units, first, two[1].marrow))
    assert sound(units)


def test_who_answers_for_a_tube_follows_its_child(units: Units, two: tuple[Tree, Tree]) -> None:
    """Unless that was transferred, it is the hospital that the child is of."""
    with by(units) as work:
        day = work.today - timedelta(days=60)
        new = NewEnrolment("alltogether1", "umc", "T-9001", day, None, NewEpisode("primary", day, "BCP_ALL", ()), "test stock")
        child = specimens.participant_code(work, register_participant(work, NewParticipant(day, "female", new)).participant_id)
        number = propose_move(work, two[0].marrow, child, "alltogether1", "read the wrong line").id
    confirmed(units, number)
    facts = entries(units, two[0].plasma)[-1]["facts"]
    assert (facts["was"]["responsible"], facts["now"]["responsible"]) == ("maxima", "umc")
    assert (told(units, two[0].plasma)["responsible"], told(units, two[0].plasma)["custodian"]) == ("umc", "maxima")
    assert sound(units)


# consent

def test_consent_is_asked_anew(units: Units, two: tuple[Tree, Tree]) -> None:
    """A child who never agreed, and one who withdrew: their tubes' holds change places with the tubes."""
    with by(units) as work:
        silent = tree_without_consent(work, 3)
    with by(units, "consent") as work:
        withdraw(work, two[1].child, "alltogether1", {"residual_storage": "no-further-use"})
    assert told(units, two[1].plasma)["holds"] == {"withdrawn"} and told(units, silent)["holds"] == {"no-consent"}
    swapped(units, *two)
    for code in two[0].codes:
        assert told(units, code)["holds"] == {"withdrawn"}
        assert entries(units, code)[-1]["facts"]["verdict"]["granted"] is False
    for code in two[1].codes:
        assert told(units, code)["holds"] == set()
    with pytest.raises(ConsentRefused), by(units) as work:
        aliquot(work, two[0].marrow, NewAliquots(1, stock.Quantity(1000, "nL")))
    confirmed(units, proposed(units, silent, two[0].marrow))
    assert told(units, silent)["holds"] == {"withdrawn"} and told(units, two[0].plasma)["holds"] == {"no-consent"}
    assert sound(units)


def tree_without_consent(work: Any, number: int) -> str:
    """The marrow of a child whose family has not decided."""
    child = stock.child(work, number, silent=True)
    code: str = register_arrival(work, NewArrival(child, "alltogether1", "BM", "EDTA", "residual", work.now))[0].code
    return code


def test_extra_material_asks_for_extra_samples(units: Units, two: tuple[Tree, Tree]) -> None:
    with by(units) as work:
        child = stock.child(work, 3, declined=("extra_samples",))
        extra = register_arrival(work, NewArrival(two[0].child, "alltogether1", "WHOLE_BLOOD", "EDTA", "extra", work.now))[0].code
        number = propose_move(work, extra, child, "alltogether1", "read the wrong line").id
    confirmed(units, number)
    assert told(units, extra)["holds"] == {"no-consent"}
    assert sound(units)


def test_holds_by_hand_stay(units: Units, two: tuple[Tree, Tree]) -> None:
    act(units, two[0].plasma, "hold", kind="identity", reason="the label was smudged")
    swapped(units, *two)
    assert told(units, two[0].plasma)["holds"] == {"identity"}


# reservations, requests, earmarks

def test_reservations_end_and_the_request_says_why(units: Units, two: tuple[Tree, Tree], api: Callable[[str], Client]) -> None:
    manager = api("manager")
    code = manager.made("/requests", {"study": "alltogether1", "purpose": "supply", "items": [{"material": "BM", "n": 2}]})["code"]
    for state in ("submitted", "approved"):
        manager.made(f"/requests/{code}/transitions", {"to": state})
    mine = [two[0].aliquots[1], two[1].aliquots[1]]
    manager.made(f"/requests/{code}/allocation", {"item": 1, "specimens": mine})
    manager.made("/scans", {"code": mine[0], "act": "pick", "context": {"pick_list": code}})
    swapped(units, *two)
    for tube in mine:
        assert told(units, tube)["reserved"]["base"] == 0
        assert entries(units, tube)[-1]["facts"]["effect"]["free"] == [f"request/{code}/1"]
    item = manager.read(f"/requests/{code}")["items"][0]
    assert {(tube["specimen"], tube["stage"], tube["freed_by"]) for tube in item["tubes"]} == {(tube, "freed", "reassign") for tube in mine}
    assert (told(units, mine[0])["is_out"], item["freed"]) == (True, 2)
    assert manager.read(f"/requests/{code}/pick-list")["items"] == []
    assert sound(units)


def test_what_a_recipient_has_is_in_doubt_and_withheld(units: Units, two: tuple[Tree, Tree], api: Callable[[str], Client]) -> None:
    manager = api("manager")
    code = manager.made("/requests", {"study": "alltogether1", "purpose": "supply", "items": [{"material": "BM", "n": 1}]})["code"]
    for state in ("submitted", "approved"):
        manager.made(f"/requests/{code}/transitions", {"to": state})
    tube = two[0].aliquots[1]
    manager.made(f"/requests/{code}/allocation", {"item": 1, "specimens": [tube]})
    for step in ("pick", "deliver"):
        manager.made("/scans", {"code": tube, "act": step, "context": {"pick_list": code}})
    assert manager.read(f"/requests/{code}")["items"][0]["in_doubt"] == 0
    swapped(units, *two)
    assert told(units, tube)["holds"] == {"identity"} and told(units, two[0].aliquots[0])["holds"] == set()
    item = manager.read(f"/requests/{code}")["items"][0]
    assert (item["in_doubt"], [one["identity"] for one in item["tubes"]]) == (1, ["in-doubt"])
    refused(manager.post(f"/requests/{code}/transitions", {"to": "closed"}), 409, "tubes-open", "in doubt", spaced(tube))
    act(units, tube, "unhold", kind="identity", reason="the recipient was told, and destroyed the results")
    item = manager.read(f"/requests/{code}")["items"][0]
    assert (item["in_doubt"], [one["identity"] for one in item["tubes"]]) == (0, ["corrected"])
    manager.made(f"/requests/{code}/transitions", {"to": "closed"})
    assert sound(units)


def test_earmarks_of_another_study_end(units: Units, two: tuple[Tree, Tree]) -> None:
    with by(units) as work:
        earmark(work, two[0].plasma, "asparaginase")
        earmark(work, two[0].marrow, "asparaginase")
        child = stock.child(work, 5, study="interfant21")
        number = propose_move(work, two[0].marrow, child, "interfant21", "another study's infant").id
    confirmed(units, number)
    assert told(units, two[0].plasma)["earmarks"] == told(units, two[0].marrow)["earmarks"] == []
    assert entries(units, two[0].plasma)[-1]["facts"]["earmarks_ended"] == ["asparaginase"]
    assert owner(units, two[0].plasma)[:2] == (child, "interfant21")
    assert sound(units)


def test_earmarks_of_the_same_study_and_foreign_codes_stay(units: Units, two: tuple[Tree, Tree]) -> None:
    with by(units) as work:
        arrival = NewArrival(two[0].child, "alltogether1", "BM", "EDTA", "residual", work.now, external=("ward", "W-17"))
        tube = register_arrival(work, arrival)[0].code
        earmark(work, tube, "asparaginase")
    confirmed(units, proposed(units, tube, two[1].marrow))
    assert told(units, tube)["earmarks"] == ["asparaginase"] and told(units, tube)["external_codes"] == [{"issuer": "ward", "code": "W-17"}]
    assert sound(units)


def test_availability_counts_by_the_right_child(units: Units, two: tuple[Tree, Tree]) -> None:
    """A child who declined the sub-study: after the swap the tubes of one are counted under the other's consent."""
    with by(units) as work:
        declined = tree(work, 3, declined=("asparaginase",))
    assert available(units, "use:asparaginase")["BM"] == (6, 2)
    act(units, two[0].aliquots[1], "lose")
    assert available(units, "use:asparaginase")["BM"] == (5, 2)
    confirmed(units, proposed(units, two[0].marrow, declined.marrow))
    # The tree with the lost aliquot is now the one that may not be used.
    assert available(units, "use:asparaginase")["BM"] == (6, 2)
    assert available(units)["BM"] == (8, 3)


# one tree to another child

def test_one_tree_goes_to_another_child(units: Units, two: tuple[Tree, Tree]) -> None:
    with by(units) as work:
        child = stock.child(work, 3)
        drawn = specimens.collection_by_id(work, specimens.specimen(work, two[0].marrow).collection_id).drawn_at
        number = propose_move(work, two[0].marrow, child, "alltogether1", "read the wrong line").id
    confirmed(units, number)
    for code in two[0].codes:
        assert owner(units, code)[0] == child
    assert len({owner(units, code)[2] for code in two[0].codes}) == 1
    with by(units) as work:
        draw = specimens.collection_by_id(work, specimens.specimen(work, two[0].marrow).collection_id)
        assert (draw.event, draw.drawn_at, draw.planned_on) == (None, drawn, None)
    assert sound(units)


def test_one_tree_goes_into_a_draw_of_the_other_child(units: Units, two: tuple[Tree, Tree]) -> None:
    draw = owner(units, two[1].marrow)[2]
    with by(units) as work:
        number = propose_move(work, two[0].marrow, two[1].child, "alltogether1", "read the wrong line", draw).id
    confirmed(units, number)
    assert {owner(units, code)[2] for code in (*two[0].codes, *two[1].codes)} == {draw}
    assert told(units, two[0].marrow)["event"] == "DX"
    assert sound(units)


# refused, clearly

def test_a_lone_aliquot_is_refused_and_its_primary_named(units: Units, two: tuple[Tree, Tree]) -> None:
    for code, other in ((two[0].plasma, two[1].marrow), (two[1].marrow, two[0].plasma)):
        with nothing_changes(units), pytest.raises(NotAPrimary, match=spaced(two[0].marrow)):
            proposed(units, code, other)


def test_the_same_child_is_refused(units: Units, two: tuple[Tree, Tree]) -> None:
    with by(units) as work:
        again = register_arrival(work, NewArrival(two[0].child, "alltogether1", "BM", "EDTA", "residual", work.now))[0].code
    for other in (again, two[0].marrow):
        with nothing_changes(units), pytest.raises(SameChild, match=two[0].child):
            proposed(units, two[0].marrow, other)
    with nothing_changes(units), pytest.raises(SameChild), by(units) as work:
        propose_move(work, two[0].marrow, two[0].child, "alltogether1", "nothing")


@pytest.mark.parametrize("reason", ["", "   ", "x" * 1001, "bell\a"])
def test_a_reason_is_needed(units: Units, two: tuple[Tree, Tree], reason: str) -> None:
    with nothing_changes(units), pytest.raises(FieldsWrong), by(units) as work:
        propose_swap(work, two[0].marrow, two[1].marrow, reason)


def test_unknown_children_studies_and_draws(units: Units, two: tuple[Tree, Tree]) -> None:
    with by(units) as work:
        enrolled = stock.child(work, 3)
        draw = specimens.specimen(work, two[1].marrow).collection_id
        theirs = specimens.collection_by_id(work, draw).code
    asked: list[tuple[type[Refusal], tuple[Any, ...]]] = [
        (Refusal, ("SB4DR121", "alltogether1")), (CodeUnknown, (two[0].marrow, "alltogether1")), (NotEnrolled, (enrolled, "interfant21")),
        (FieldsWrong, (enrolled, "alltogether1", theirs)),
    ]
    for refusal, (child, study, *collection) in asked:
        with nothing_changes(units), pytest.raises(refusal), by(units) as work:
            propose_move(work, two[0].marrow, child, study, "because", *collection)


def test_a_tube_waits_for_one_correction_at_a_time(units: Units, two: tuple[Tree, Tree]) -> None:
    with by(units) as work:
        third = tree(work, 3)
    number = proposed(units, two[0].marrow, two[1].marrow)
    with nothing_changes(units), pytest.raises(CorrectionWaits, match=f"correction {number}"):
        proposed(units, third.marrow, two[1].marrow)
    as_second(units, lambda work: decline(work, number, "not so"))
    proposed(units, third.marrow, two[1].marrow)


# two people

def test_the_same_person_does_not_confirm(units: Units, two: tuple[Tree, Tree]) -> None:
    number = proposed(units, two[0].marrow, two[1].marrow)
    with nothing_changes(units), pytest.raises(SecondPersonNeeded), by(units) as work:
        confirm(work, number)
    assert owner(units, two[0].marrow)[0] == two[0].child


def test_the_database_refuses_the_same_person(units: Units, two: tuple[Tree, Tree]) -> None:
    number = proposed(units, two[0].marrow, two[1].marrow)
    for sql in (
        "UPDATE correction SET state = 'confirmed', decided_by_id = proposed_by_id WHERE id = :id",
        "UPDATE correction SET state = 'confirmed' WHERE id = :id",
        "UPDATE correction SET decided_by_id = proposed_by_id WHERE id = :id",
    ):
        with pytest.raises(IntegrityError), units.sessions.writing() as session, session.begin_nested():
            session.execute(text(sql), {"id": number})


def test_verification_finds_an_entry_by_one_person(units: Units, two: tuple[Tree, Tree]) -> None:
    """Had the use case been passed by: the entry itself tells that nobody else looked."""
    from biobank.app import CHECKS
    from biobank.corrections.service import sides
    from biobank.ledger import service as ledger

    with by(units) as work:
        both = sides.swapped(work, sides.whole_tree(work, two[0].marrow), sides.whole_tree(work, two[1].marrow))
        side = both[0]
        facts = sides.facts_of(side, side.primary, side.goal) | {"correction": 1, "proposed_by": work.who.id, "entry": 1}
        record(work, [Doing(side.primary.id, "reassign", facts, anew=True, belongs=side.goal.belonging)])
        found = {(finding.chain, finding.field) for finding in ledger.verify(work, CHECKS)}
    assert (f"specimen/{two[0].marrow}", "proposed_by") in found


def test_proposing_changes_nothing(units: Units, two: tuple[Tree, Tree]) -> None:
    with nothing_changes(units):
        proposed(units, two[0].marrow, two[1].marrow)


def test_declining_changes_nothing_and_the_proposer_may_take_it_back(units: Units, two: tuple[Tree, Tree]) -> None:
    number = proposed(units, two[0].marrow, two[1].marrow)
    with nothing_changes(units), by(units) as work:
        assert decline(work, number).state == "refused"
    with pytest.raises(CorrectionAnswered, match="refused by manager"):
        confirmed(units, number)
    with by(units) as work:
        assert page_of(work, "waiting", None, 10) == []


def test_it_is_answered_once(units: Units, two: tuple[Tree, Tree]) -> None:
    number = swapped(units, *two)
    with nothing_changes(units):
        for answer in (confirm, decline):
            with pytest.raises(CorrectionAnswered, match="confirmed by second-manager"):
                as_second(units, lambda work, answer=answer: answer(work, number))  # type: ignore[misc]


def test_only_who_may_correct_in_both_studies(units: Units, two: tuple[Tree, Tree]) -> None:
    with by(units) as work:
        infant = stock.child(work, 7, study="interfant21")
        theirs = register_arrival(work, NewArrival(infant, "interfant21", "BM", "EDTA", "residual", work.now))[0].code
    seat_second(units, Grant("manager", "interfant21"), login="one-study")
    with nothing_changes(units):
        with pytest.raises(Forbidden, match="correct"):
            proposed(units, two[0].marrow, two[1].marrow, login="technician")
        with pytest.raises(CodeUnknown):
            proposed(units, theirs, two[1].marrow, login="infants-only")
    number = proposed(units, theirs, two[1].marrow)
    for answer in (confirm, decline):
        with nothing_changes(units), pytest.raises(CorrectionUnknown):
            as_second(units, lambda work, answer=answer: answer(work, number), login="one-study")  # type: ignore[misc]
    with by(units, "auditor") as work:
        assert [one.id for one in page_of(work, "waiting", None, 10)] == [number]
    with by(units, "infants-only") as work:
        assert page_of(work, "waiting", None, 10) == []
    with nothing_changes(units), pytest.raises(Forbidden):
        as_second(units, lambda work: confirm(work, number), login="auditor")


# judged again

@pytest.mark.parametrize("what", ["aliquot", "lose", "deliver", "receive"])
def test_what_moved_in_between_is_named_and_refused(units: Units, two: tuple[Tree, Tree], what: str) -> None:
    one, other = two
    with by(units) as work:
        planned = plan_collection(work, NewCollection(one.child, "alltogether1", "DX", work.today))
        expected = specimens.of_collection(work, planned.id)[0].code
    number = proposed(units, expected if what == "receive" else one.marrow, other.marrow)
    named = one.plasma
    if what == "aliquot":
        with by(units) as work:
            named = stock.aliquots(work, one.marrow, 1)[0]
    elif what == "lose":
        act(units, one.plasma, "lose")
    elif what == "receive":
        act(units, expected, "receive", condition="good")
        named = expected
    else:
        with by(units) as work:
            tube = specimens.specimen(work, one.plasma).id
            for name in ("reserve", "pick", "deliver"):
                record(work, [Doing(tube, name, {"to": "boston"} if name == "deliver" else {}, promise="request/X/1", purpose="supply")])
    with nothing_changes(units), pytest.raises(CorrectionOvertaken, match=spaced(named)):
        confirmed(units, number)
    with by(units) as work:
        assert spaced(named) in foresee(work, page_of(work, "waiting", None, 1)[0]).overtaken[0]


def test_ordinary_handling_in_between_is_no_matter(units: Units, two: tuple[Tree, Tree], clock: SetClock) -> None:
    number = proposed(units, two[0].marrow, two[1].marrow)
    clock.forward(timedelta(days=2))
    act(units, two[0].plasma, "check-out")
    act(units, two[0].plasma, "hold", kind="identity", reason="until it is settled")
    with by(units, "consent") as work:
        withdraw(work, two[0].child, "alltogether1", {"residual_storage": "no-further-use"})
    confirmed(units, number)
    assert told(units, two[0].plasma)["holds"] == {"identity"} and told(units, two[1].plasma)["holds"] == {"withdrawn"}
    assert sound(units)


def test_what_is_foreseen_is_what_happens(units: Units, two: tuple[Tree, Tree]) -> None:
    with by(units, "consent") as work:
        withdraw(work, two[1].child, "alltogether1", {"residual_storage": "no-further-use"})
    with by(units) as work:
        tube = specimens.specimen(work, two[0].aliquots[1]).id
        record(work, [Doing(tube, "reserve", promise="request/X/1", purpose="supply")])
    number = proposed(units, two[0].marrow, two[1].marrow)
    with by(units) as work:
        foreseen = {tube.code: tube for side in foresee(work, page_of(work, None, None, 1)[0]).sides for tube in side.tubes}
    confirmed(units, number)
    for code in (*two[0].codes, *two[1].codes):
        effect = entries(units, code)[-1]["facts"]["effect"]
        assert {hold["kind"] for hold in effect.get("open", [])} == set(foreseen[code].opens)
        assert (set(effect.get("close", [])), set(effect.get("free", []))) == (set(foreseen[code].lifts), set(foreseen[code].frees))


# over HTTP

def test_over_http(units: Units, two: tuple[Tree, Tree], api: Callable[[str], Client], database: Any) -> None:
    manager = api("manager")
    answer = manager.post(f"/specimens/{two[0].marrow}/reassign", {"with": two[1].marrow, "reason": "labels were changed"})
    assert answer.status_code == 202
    made = answer.get_json()
    assert (made["kind"], made["state"], made["proposed_by"], made["overtaken"]) == ("swap", "waiting", "manager", [])
    assert [[tube["code"] for tube in side["specimens"]] for side in made["trees"]] == [two[0].codes, two[1].codes]
    assert [side["to"]["participant"] for side in made["trees"]] == [two[1].child, two[0].child]
    assert answer.headers["Location"] == f"/api/v1/corrections/{made['id']}"
    assert manager.read("/corrections")["items"] == [manager.read(f"/corrections/{made['id']}")] == [made]
    refused(manager.post(f"/corrections/{made['id']}/confirmation"), 403, "second-person-needed", "yourself")
    with by(units) as work:
        token = identity.make_token(work, "second-manager")
    second = Client(manager._client, token)
    done = second.made(f"/corrections/{made['id']}/confirmation")
    assert done["correction"]["state"] == "confirmed" and done["correction"]["decided_by"] == "second-manager"
    assert {entry["chain"] for entry in done["entries"]} == {f"specimen/{code}" for code in (*two[0].codes, *two[1].codes)}
    assert second.read(f"/specimens/{two[0].plasma}")["participant"] == two[1].child
    refused(second.post(f"/corrections/{made['id']}/refusal"), 409, "correction-answered", "confirmed by second-manager")
    assert second.read("/corrections") == {"items": [], "next": None}
    assert [one["id"] for one in second.read("/corrections", state="confirmed")["items"]] == [made["id"]]


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"reason": "x"}, "/participant"), ({"with": "SB4DR120", "study": "x", "reason": "x"}, "/study"),
        ({"participant": "SB4DR120", "reason": "x"}, "/study"),
        ({"with": "SB4DR120"}, "/reason"), ({"with": "SB4DR120", "reason": "x", "birth_date": "2020-01-01"}, "/birth_date"),
    ],
)
def test_bodies_that_say_too_much_or_too_little(two: tuple[Tree, Tree], api: Callable[[str], Client], body: dict[str, str], pointer: str) -> None:
    faults = refused(api("manager").post(f"/specimens/{two[0].marrow}/reassign", body), 422, "fields-wrong")["faults"]
    assert pointer in {fault["pointer"] for fault in faults}


def test_who_may_not_see_it_learns_nothing(two: tuple[Tree, Tree], units: Units, api: Callable[[str], Client]) -> None:
    number = proposed(units, two[0].marrow, two[1].marrow)
    refused(api("elsewhere").get(f"/corrections/{number}"), 404, "correction-unknown")
    refused(api("technician").post(f"/corrections/{number}/confirmation"), 403, "forbidden", "correct")
    assert api("researcher").get("/corrections").status_code == 403
    assert api("elsewhere").read("/corrections")["items"] == []
