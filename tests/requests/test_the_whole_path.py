"""A request from draft to closed, through the use cases, on both databases."""

from __future__ import annotations

import json

import pytest

from biobank.availability import service as availability
from biobank.availability.rules import Criteria
from biobank.core.errors import Conflict, FieldsWrong, Forbidden
from biobank.core.work import Grant
from biobank.custody.rules import ConsentRefused, Held
from biobank.ledger import queries as ledger
from biobank.places.service import NewContainer, add_container
from biobank.requests import queries
from biobank.requests.rules import (
    LastTube,
    NotForThisItem,
    NotForYou,
    NothingFits,
    NotOnThisList,
    NotYet,
    OverAsked,
    RequestUnknown,
    Stale,
    StepNeeds,
    StepNotPossible,
    TubeNotAvailable,
    TubesOpen,
)
from biobank.requests.service import NewItem, NewRequest, allocate, check_etag, create, deliver, etag, pick, transition, unpick, unreserve
from biobank.specimens.service import do
from tests.availability.stock import STUDY, aliquots, cast, child, decline, draw, person, standing


@pytest.fixture
def lab(work):
    work.actor = cast(work, "manager")
    return work


def asked(work, *items: NewItem, purpose: str = "supply", state: str = "approved", uses: tuple[str, ...] = ()) -> str:
    """A request by the manager, judged by somebody else; its code."""
    request = create(work, NewRequest(STUDY, purpose, items or (NewItem("BM", 2, "DX"),), uses))
    if state != "draft":
        transition(work, request.code, "submitted")
    if state == "approved":
        work.actor = cast(work, "reviewer")
        transition(work, request.code, "approved")
        work.actor = cast(work, "manager")
    return request.code


def state(work, code: str) -> str:
    return queries.request(work, code).state


def give(work, code: str, tube: str) -> None:
    specimen_id = standing(work, tube).specimen_id
    pick(work, code, specimen_id, tube)
    deliver(work, code, specimen_id, tube)


def test_from_draft_to_closed(lab):
    tube = draw(lab, child(lab, 1))
    aliquots(lab, tube, 4)
    code = asked(lab)
    done = allocate(lab, code, 1)
    taken = [choice.code for choice in done.plan.taken]
    assert len(taken) == 2
    assert done.request.state == "reserved"
    supply = availability.count(lab, Criteria("supply", studies=(STUDY,)))
    assert supply.tubes == 3
    assert dict(supply.not_available)["reserved"] == 2
    first, second = (standing(lab, one).specimen_id for one in taken)
    pick(lab, code, first, taken[0])
    assert state(lab, code) == "picking"
    pick(lab, code, second, taken[1])
    deliver(lab, code, first, taken[0])
    assert state(lab, code) == "picking"
    deliver(lab, code, second, taken[1])
    assert state(lab, code) == "delivered"
    transition(lab, code, "closed")
    here = standing(lab, taken[0])
    assert (here.status, here.custodian, here.remaining, here.open_reservations) == ("with_recipient", "maxima", 0, 0)
    request = queries.request(lab, code)
    entries = ledger.entries(lab, request.chain_id)
    assert [entry.act for entry in entries] == ["draft", "submitted", "approved", "allocate", "picking", "delivered", "closed"]
    assert {tube.stage for tube in queries.tubes(lab, request, [1])} == {"delivered"}
    assert [len(plans) for plans in queries.plans(lab, request).values()] == [1]


def test_a_manager_who_approves_their_own_request_is_flagged_and_may_not_reject_it(lab):
    code = asked(lab, state="submitted")
    mine = lab.actor
    with pytest.raises(NotForYou):
        transition(lab, code, "rejected", "not worth it")
    lab.actor = cast(lab, "technician")
    with pytest.raises(Forbidden):
        transition(lab, code, "approved")
    lab.actor = mine
    request = transition(lab, code, "approved")
    approval = json.loads(ledger.entries(lab, request.chain_id)[-1].body)
    assert approval["facts"]["conflict_of_interest"] is True


def test_a_rejection_needs_a_reason_and_it_stays_with_the_request(lab):
    code = asked(lab, state="submitted")
    lab.actor = cast(lab, "reviewer")
    with pytest.raises(StepNeeds):
        transition(lab, code, "rejected", "  ")
    request = transition(lab, code, "rejected", "too scarce")
    last = ledger.entries(lab, request.chain_id)[-1]
    assert last.notes == {"reason": "too scarce"}
    assert b"too scarce" not in last.body
    with pytest.raises(StepNotPossible):
        transition(lab, code, "submitted")


def test_a_request_sent_back_is_submitted_again(lab):
    code = asked(lab, state="submitted")
    lab.actor = cast(lab, "reviewer")
    transition(lab, code, "revise", "which event?")
    with pytest.raises(NotForYou):
        lab.actor = cast(lab, "asparaginase")
        transition(lab, code, "submitted")
    lab.actor = cast(lab, "manager")
    assert transition(lab, code, "submitted").state == "submitted"


def test_the_state_it_is_in_already_changes_nothing(lab):
    code = asked(lab, state="submitted")
    before = etag(queries.request(lab, code))
    assert etag(transition(lab, code, "submitted")) == before


def test_an_older_etag_is_refused(lab):
    request = queries.request(lab, asked(lab, state="draft"))
    check_etag(request, etag(request))
    with pytest.raises(Stale) as refused:
        transition(lab, request.code, "submitted", if_match='"99"')
    assert refused.value.status == 412


def test_tubes_are_reserved_only_after_approval(lab):
    tube = draw(lab, child(lab, 1))
    code = asked(lab, state="submitted")
    with pytest.raises(NotYet):
        allocate(lab, code, 1)
    with pytest.raises(NotYet):
        pick(lab, code, standing(lab, tube).specimen_id, tube)


def test_the_last_tube_needs_a_reason(lab):
    tube = draw(lab, child(lab, 1))
    code = asked(lab, NewItem("BM", 1, "DX"))
    for chosen in (None, [tube]):
        with pytest.raises(LastTube) as refused:
            allocate(lab, code, 1, chosen)
        assert refused.value.facts["specimens"] == [tube]
    assert standing(lab, tube).open_reservations == 0
    done = allocate(lab, code, 1, reason="the only marrow before treatment; the committee agreed")
    assert [choice.why for choice in done.plan.taken] == ["last"]
    assert standing(lab, tube).open_reservations == 1


def test_last_is_per_participant_event_and_material(lab):
    one, two = child(lab, 1), child(lab, 2)
    draw(lab, one)
    other = draw(lab, two)
    draw(lab, two, material="PB")
    code = asked(lab, NewItem("BM", 1, "DX"))
    with pytest.raises(LastTube):
        allocate(lab, code, 1, [other])
    aliquots(lab, other, 1)
    assert [choice.code for choice in allocate(lab, code, 1, [other]).plan.taken] == [other]


def test_a_person_chooses_tubes_that_fit_and_no_more_than_asked(lab):
    tube = draw(lab, child(lab, 1))
    made = aliquots(lab, tube, 4)
    blood = draw(lab, child(lab, 2), material="PB")
    code = asked(lab, NewItem("BM", 2, "DX"))
    with pytest.raises(OverAsked):
        allocate(lab, code, 1, made[:3])
    with pytest.raises(NotForThisItem):
        allocate(lab, code, 1, [blood])
    with pytest.raises(FieldsWrong) as refused:
        allocate(lab, code, 2)
    assert refused.value.faults[0].pointer == "/item"
    allocate(lab, code, 1, [made[0]])
    with pytest.raises(TubeNotAvailable) as taken:
        allocate(lab, code, 1, [made[0]])
    assert taken.value.facts["code"] == "reserved"
    done = allocate(lab, code, 1)
    assert len(done.plan.taken) == 1
    with pytest.raises(OverAsked):
        allocate(lab, code, 1)


def test_two_requests_never_get_the_same_tube(lab):
    made = aliquots(lab, draw(lab, child(lab, 1)), 3)
    first, second = asked(lab, NewItem("BM", 2, "DX")), asked(lab, NewItem("BM", 2, "DX"))
    taken = [choice.code for choice in allocate(lab, first, 1).plan.taken]
    others = [choice.code for choice in allocate(lab, second, 1, reason="agreed").plan.taken]
    assert len({*taken, *others}) == 4
    assert set(made) < {*taken, *others}


def test_nothing_fits_says_why(lab):
    draw(lab, child(lab, 1), released=False)
    code = asked(lab, NewItem("BM", 1, "DX"))
    with pytest.raises(NothingFits) as refused:
        allocate(lab, code, 1)
    assert "1 × Not released by diagnostics" in refused.value.detail


def test_declared_uses_are_asked_of_consent(lab):
    draw(lab, child(lab, 1, declined=("genetic",)))
    code = asked(lab, NewItem("BM", 1, "DX"), uses=("genetic",))
    with pytest.raises(NothingFits):
        allocate(lab, code, 1, reason="agreed")
    plain = asked(lab, NewItem("BM", 1, "DX"))
    assert len(allocate(lab, plain, 1, reason="agreed").plan.taken) == 1


def test_a_recipient_outside_the_eea_needs_that_consent(lab):
    draw(lab, child(lab, 1, declined=("outside_eea",)))
    request = create(lab, NewRequest(STUDY, "supply", (NewItem("BM", 1, "DX"),), organisation="boston"))
    transition(lab, request.code, "submitted")
    lab.actor = cast(lab, "reviewer")
    transition(lab, request.code, "approved")
    lab.actor = cast(lab, "manager")
    with pytest.raises(NothingFits):
        allocate(lab, request.code, 1, reason="agreed")


def test_only_the_tubes_on_the_list_are_picked(lab):
    made = aliquots(lab, draw(lab, child(lab, 1)), 3)
    code = asked(lab, NewItem("BM", 1, "DX"))
    allocate(lab, code, 1, [made[0]])
    wrong = standing(lab, made[1]).specimen_id
    with pytest.raises(NotOnThisList) as refused:
        pick(lab, code, wrong, made[1])
    assert made[0][:4] in refused.value.facts["waiting"]
    assert standing(lab, made[1]).is_out is False
    right = standing(lab, made[0]).specimen_id
    with pytest.raises(Conflict):
        deliver(lab, code, right, made[0])
    pick(lab, code, right, made[0])
    with pytest.raises(Conflict):
        pick(lab, code, right, made[0])
    unpick(lab, code, right, made[0])
    give(lab, code, made[0])
    with pytest.raises(NotYet):
        pick(lab, code, right, made[0])


def test_what_changed_since_stops_the_pick(lab):
    one = child(lab, 1)
    made = aliquots(lab, draw(lab, one), 3)
    code = asked(lab, NewItem("BM", 2, "DX"))
    allocate(lab, code, 1, made[:2])
    first, second = (standing(lab, tube).specimen_id for tube in made[:2])
    do(lab, first, "hold", {"kind": "quarantine", "reason": "cap cracked"})
    with pytest.raises(Held):
        pick(lab, code, first, made[0])
    pick(lab, code, second, made[1])
    decline(lab, one, "extra_use")
    with pytest.raises(ConsentRefused):
        deliver(lab, code, second, made[1])
    assert state(lab, code) == "picking"


def test_a_reservation_that_custody_closed_says_by_which_act(lab):
    made = aliquots(lab, draw(lab, child(lab, 1)), 3)
    code = asked(lab, NewItem("BM", 1, "DX"))
    allocate(lab, code, 1, [made[0]])
    do(lab, standing(lab, made[0]).specimen_id, "lose", {})
    (tube,) = queries.tubes(lab, queries.request(lab, code), [1])
    assert (tube.stage, tube.freed_by) == ("freed", "lose")
    assert [choice.code for choice in allocate(lab, code, 1, [made[1]]).plan.taken] == [made[1]]


def test_cancelling_frees_every_tube(lab):
    made = aliquots(lab, draw(lab, child(lab, 1)), 3)
    code = asked(lab, NewItem("BM", 2, "DX"))
    allocate(lab, code, 1, made[:2])
    pick(lab, code, standing(lab, made[0]).specimen_id, made[0])
    with pytest.raises(StepNeeds):
        transition(lab, code, "cancelled")
    request = transition(lab, code, "cancelled", "funding fell through")
    assert [standing(lab, tube).open_reservations for tube in made] == [0, 0, 0]
    # The picked one is still out until somebody scans it back.
    assert standing(lab, made[0]).is_out is True
    assert len(_facts(lab, request)[-1]["freed"]) == 2
    with pytest.raises(NotYet):
        pick(lab, code, standing(lab, made[1]).specimen_id, made[1])


def _facts(work, request) -> list[dict]:
    import json

    return [json.loads(entry.body)["facts"] for entry in ledger.entries(work, request.chain_id)]


def test_single_tubes_are_set_free_and_others_taken_instead(lab):
    made = aliquots(lab, draw(lab, child(lab, 1)), 3)
    code = asked(lab, NewItem("BM", 1, "DX"))
    allocate(lab, code, 1, [made[0]])
    with pytest.raises(TubeNotAvailable):
        unreserve(lab, code, [made[1]])
    assert unreserve(lab, code, [made[0]], "cracked").state == "approved"
    allocate(lab, code, 1, [made[1]])
    assert state(lab, code) == "reserved"


def test_delivered_wants_every_tube_handed_over_or_freed(lab):
    made = aliquots(lab, draw(lab, child(lab, 1)), 3)
    code = asked(lab, NewItem("BM", 2, "DX"))
    with pytest.raises(TubesOpen):
        transition(lab, code, "reserved")
    allocate(lab, code, 1, made[:2])
    transition(lab, code, "picking")
    with pytest.raises(TubesOpen):
        transition(lab, code, "delivered")
    give(lab, code, made[0])
    unreserve(lab, code, [made[1]])
    assert transition(lab, code, "delivered").state == "delivered"


def test_a_request_with_two_items_is_reserved_when_both_have_tubes(lab):
    aliquots(lab, draw(lab, child(lab, 1)), 3)
    aliquots(lab, draw(lab, child(lab, 2), material="PB"), 3)
    code = asked(lab, NewItem("BM", 1, "DX"), NewItem("PB", 1))
    assert allocate(lab, code, 1).request.state == "approved"
    assert allocate(lab, code, 2).request.state == "reserved"


def test_the_pick_list_follows_the_way_through_the_freezers(lab):
    freezer = add_container(lab, NewContainer("freezer", "F1", 0, 0))
    boxes = [add_container(lab, NewContainer("box", title, 9, 9, parent=freezer.code)) for title in ("B1", "B2")]
    made = aliquots(lab, draw(lab, child(lab, 1)), 4)
    from biobank.custody.rules import Place
    from biobank.custody.service import Doing, record

    places = [(boxes[1], 1, 1), (boxes[0], 2, 1), (boxes[0], 1, 9)]
    for tube, (box, row, column) in zip(made, places, strict=False):
        record(lab, [Doing(standing(lab, tube).specimen_id, "store", place=Place(box.code, row, column), container_id=box.id)])
    code = asked(lab, NewItem("BM", 4, "DX"))
    allocate(lab, code, 1, made)
    stops = queries.pick_list(lab, queries.request(lab, code))
    assert [stop.tube.code for stop in stops] == [made[2], made[1], made[0], made[3]]
    assert [stop.way for stop in stops] == [("F1", "B1"), ("F1", "B1"), ("F1", "B2"), ()]


def test_who_sees_which_request(lab):
    code = asked(lab, state="draft")
    lab.actor = cast(lab, "researcher")
    with pytest.raises(RequestUnknown):
        queries.request(lab, code)
    own = create(lab, NewRequest(STUDY, "supply", (NewItem("BM", 1),)))
    assert [row.code for row in queries.requests(lab)] == [own.code]
    lab.actor = person(lab, "colleague", Grant("researcher"), organisation="karolinska")
    assert [row.code for row in queries.requests(lab)] == [own.code]
    lab.actor = person(lab, "test-technician", Grant("technician", "interfant21"))
    assert queries.requests(lab) == []
    lab.actor = cast(lab, "reviewer")
    assert [row.code for row in queries.requests(lab)] == [own.code, code]
    assert [row.code for row in queries.requests(lab, after=own.code, limit=1)] == [code]


@pytest.mark.parametrize(
    ("wrong", "pointer"),
    [
        ({"study": "alltogether2"}, "/study"),
        ({"purpose": "release"}, "/purpose"),
        ({"purpose": "export"}, "/purpose"),
        ({"purpose": "use:interfant21_mrd"}, "/purpose"),
        ({"uses": ("cosmetic",)}, "/uses"),
        ({"purpose": "use:asparaginase", "uses": ("genetic",)}, "/uses"),
        ({"organisation": "nowhere"}, "/organisation"),
        ({"items": ()}, "/items"),
        ({"items": (NewItem("MARROW", 1),)}, "/items/0/material"),
        ({"items": (NewItem("BM", 0),)}, "/items/0/n"),
        ({"items": (NewItem("BM", 1, "DAY15"),)}, "/items/0/event"),
        ({"items": (NewItem("BM", 1, family="bone"),)}, "/items/0/family"),
    ],
)
def test_a_wrong_word_in_a_request_is_named(lab, wrong, pointer):
    given = {"study": STUDY, "purpose": "supply", "items": (NewItem("BM", 1, "DX"),)} | wrong
    with pytest.raises(FieldsWrong) as refused:
        create(lab, NewRequest(**given))
    assert refused.value.faults[0].pointer == pointer
