"""Diagnosis tubes arrive before anyone has signed: they are recorded and held, kept for 28 days, and freed by the decision."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from biobank.consent.rules import Signature
from biobank.consent.service import NewDecision, decide
from biobank.core.clock import SetClock
from biobank.core.units import Quantity
from biobank.core.work import Units
from biobank.custody.rules import ConsentRefused, Held
from biobank.custody.service import Doing, record
from biobank.specimens import queries as specimens
from biobank.specimens.service import NewAliquots, NewCollection, NewDerivatives, aliquot, derive, earmark, plan_collection
from biobank.subjects.rules import NewEnrolment, NewEpisode, NewParticipant
from biobank.subjects.service import register_participant
from tests.availability import stock
from tests.conftest import NOW
from tests.ward import act, by, entries, mL, nothing_changes, told

QUARTER = Quantity(250_000, "nL")
BOTH = ("parent", "second-parent")


def silent_child(units: Units) -> tuple[str, str]:
    """A child whose family has not decided, and its received and released marrow."""
    with by(units) as work:
        child = stock.child(work, 1, silent=True)
        return child, stock.draw(work, child)


def says(units: Units, child: str, component: str, answer: str = "yes", roles: tuple[str, ...] = BOTH) -> None:
    with by(units) as work:
        signed = tuple(Signature(role, work.today) for role in roles)
        decide(work, child, NewDecision("alltogether1", component, answer, "v1", work.today, "joint", signed))


def take(units: Units, code: str) -> str:
    with by(units) as work:
        return aliquot(work, code, NewAliquots(1, QUARTER))[1][0].code


def test_a_tube_without_a_decision_is_received_and_held(units: Units) -> None:
    _, marrow = silent_child(units)
    tube = told(units, marrow)
    assert (tube["status"], tube["holds"], tube["left"]) == ("in_custody", {"no-consent"}, 2_000_000)
    received = next(body for body in entries(units, marrow) if body["act"] == "receive")
    assert received["facts"]["verdict"]["granted"] is False and received["facts"]["verdict"]["purpose"] == "store"
    assert received["facts"]["effect"]["open"] == [{"kind": "no-consent", "since": "2026-11-20"}]


def test_the_entry_never_says_why_consent_was_refused(units: Units) -> None:
    _, marrow = silent_child(units)
    assert all("no-decision" not in str(body) for body in entries(units, marrow))


def test_the_decision_that_arrives_late_frees_the_tube_and_its_children(units: Units) -> None:
    child, marrow = silent_child(units)
    cryo = take(units, marrow)
    assert told(units, cryo)["holds"] == {"no-consent"}
    says(units, child, "residual_storage")
    assert told(units, marrow)["holds"] == told(units, cryo)["holds"] == set()
    assert [body["act"] for body in entries(units, cryo)] == ["register", "consent-unhold"]


def test_a_missing_signature_keeps_the_tube_held_until_it_comes(units: Units) -> None:
    child, marrow = silent_child(units)
    says(units, child, "residual_storage", roles=("parent",))
    assert told(units, marrow)["holds"] == {"no-consent"}
    take(units, marrow)
    says(units, child, "residual_storage", roles=("second-parent",))
    assert told(units, marrow)["holds"] == set()


def test_a_no_keeps_the_tube_held_and_ends_every_preserve(units: Units) -> None:
    child, marrow = silent_child(units)
    says(units, child, "residual_storage", "no")
    assert told(units, marrow)["holds"] == {"no-consent"}
    with nothing_changes(units):
        for attempt in (lambda: take(units, marrow), lambda: act(units, marrow, "check-out"), lambda: derive_(units, marrow)):
            with pytest.raises(ConsentRefused, match="component-declined"):
                attempt()


def derive_(units: Units, code: str) -> None:
    with by(units) as work:
        derive(work, code, NewDerivatives("BM_PLASMA", 1))


@pytest.mark.parametrize("report", ["return", "thaw", "find", "lose", "spill", "measure"])
def test_reports_on_a_refused_tube_are_never_refused(units: Units, report: str) -> None:
    child, marrow = silent_child(units)
    says(units, child, "residual_storage", "no")
    assert act(units, marrow, report, **({"volume": mL(1)} if report in {"spill", "measure"} else {})) == "done"


@pytest.mark.parametrize(("days", "passes"), [(0, True), (28, True), (29, False)])
def test_waiting_ends_after_28_days(units: Units, clock: SetClock, days: int, passes: bool) -> None:
    _, marrow = silent_child(units)
    clock.forward(timedelta(days=days))
    if passes:
        assert told(units, take(units, marrow))["holds"] == {"no-consent"}
        return
    with nothing_changes(units), pytest.raises(ConsentRefused, match="no-decision"):
        take(units, marrow)


def test_the_children_wait_from_the_same_day_as_their_parent(units: Units, clock: SetClock) -> None:
    _, marrow = silent_child(units)
    clock.forward(timedelta(days=20))
    cryo = take(units, marrow)
    clock.forward(timedelta(days=9))
    act(units, cryo, "release")
    with pytest.raises(ConsentRefused):
        take(units, cryo)


def test_a_held_tube_is_never_used(units: Units) -> None:
    _, marrow = silent_child(units)
    tube = by_id(units, marrow)
    with nothing_changes(units):
        for doing in (Doing(tube, "reserve", promise="request/X/1", purpose="supply"), Doing(tube, "check-out", {"for": "use:cns_detection"},
                      purpose="use:cns_detection")):
            with pytest.raises(Held, match="no-consent"), by(units) as work:
                record(work, [doing])
        with pytest.raises(Held, match="no-consent"), by(units) as work:
            earmark(work, marrow, "cns_detection")


def by_id(units: Units, code: str) -> int:
    with by(units) as work:
        return specimens.specimen(work, code).id


def test_a_use_asks_for_its_own_component(units: Units) -> None:
    child, marrow = silent_child(units)
    says(units, child, "residual_storage")
    with pytest.raises(ConsentRefused, match="no-decision for cns_detection"), by(units) as work:
        earmark(work, marrow, "cns_detection")
    says(units, child, "cns_detection")
    with by(units) as work:
        assert earmark(work, marrow, "cns_detection").outcome == "done"


def test_a_twelfth_birthday_ends_preserving_until_the_child_agrees(units: Units, clock: SetClock) -> None:
    with by(units) as work:
        episode = NewEpisode("primary", date(2026, 11, 1), "BCP_ALL", ())
        enrolment = register_participant(
            work, NewParticipant(date(2014, 11, 25), "male", NewEnrolment("alltogether1", "maxima", "T-12", date(2026, 11, 1), None, episode))
        )
        child = specimens.participant_code(work, enrolment.participant_id)
    says(units, child, "residual_storage")
    with by(units) as work:
        marrow = stock.draw(work, child)
    assert told(units, marrow)["holds"] == set()
    clock.forward(timedelta(days=5))
    with nothing_changes(units), pytest.raises(ConsentRefused, match="age-gate"):
        take(units, marrow)
    assert act(units, marrow, "return") == "held", "what comes back is recorded and held"
    says(units, child, "residual_storage", roles=("participant",))
    assert told(units, marrow)["holds"] == set()
    take(units, marrow)


def test_a_draw_is_planned_while_waiting_and_not_against_a_no(units: Units) -> None:
    child, _ = silent_child(units)
    with by(units) as work:
        plan_collection(work, NewCollection(child, "alltogether1", "DX", work.today))
    says(units, child, "residual_storage", "no")
    with nothing_changes(units), pytest.raises(ConsentRefused, match="component-declined"), by(units) as work:
        plan_collection(work, NewCollection(child, "alltogether1", "DX", work.today))


def test_extra_material_needs_the_consent_to_extra_samples_as_well(units: Units) -> None:
    child, marrow = silent_child(units)
    says(units, child, "residual_storage")
    with by(units) as work:
        from biobank.specimens.service import NewArrival, register_arrival

        tube, done = register_arrival(work, NewArrival(child, "alltogether1", "WHOLE_BLOOD", "EDTA", "extra", NOW, Quantity(2_000_000, "nL")))
    assert done.opened == ("no-consent",)
    says(units, child, "extra_samples")
    assert told(units, tube.code)["holds"] == told(units, marrow)["holds"] == set()


def test_an_unrelated_decision_leaves_a_reservation_alone(units: Units) -> None:
    """Reserved for a sub-study; that nothing was said about other research never mattered."""
    child, marrow = silent_child(units)
    says(units, child, "residual_storage")
    says(units, child, "cns_detection")
    with by(units) as work:
        record(work, [Doing(specimens.specimen(work, marrow).id, "reserve", promise="request/X/1", purpose="use:cns_detection")])
    says(units, child, "asparaginase")
    assert told(units, marrow)["reserved"]["base"] == 2_000_000
    says(units, child, "cns_detection", "no")
    assert told(units, marrow)["reserved"]["base"] == 0 and told(units, marrow)["holds"] == set()


def test_a_reservation_falls_with_a_use_that_it_declared(units: Units) -> None:
    child, marrow = silent_child(units)
    for component in ("residual_storage", "extra_use", "genetic"):
        says(units, child, component)
    with by(units) as work:
        doing = Doing(specimens.specimen(work, marrow).id, "reserve", promise="request/X/1", purpose="supply", uses=frozenset({"genetic"}))
        record(work, [doing])
    says(units, child, "genetic", "no")
    assert told(units, marrow)["reserved"]["base"] == 0
