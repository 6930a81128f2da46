"""The fold of decisions into periods: tables for what the law says, and a comparison with the second opinion of `oracle`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from biobank.consent.queries import jurisdiction
from biobank.consent.rules import (
    DecisionMade,
    JurisdictionFileWrong,
    Signature,
    age_on,
    birthday,
    parse_jurisdiction,
    periods,
    reasons_on,
)
from tests.consent import oracle

NL = jurisdiction("NL")
STRICTEST = jurisdiction("AU")


@dataclass(frozen=True)
class Form:
    valid_from: date
    valid_until: date | None


FORMS = {"v1": Form(date(2000, 1, 1), None)}
BOTH = ("parent", "second-parent")


def day(text: str) -> date:
    return date.fromisoformat(text)


def yes(on, *roles, authority="joint", form="v1", order=0, **at):
    signed = tuple(Signature(role, day(at.get(role.replace("-", "_"), on))) for role in roles)
    return DecisionMade("storage", "yes", day(on), order, form, authority, signed)


def no(on, order=0, answer="no"):
    return DecisionMade("storage", answer, day(on), order)


def reason(decisions, born, on, died=None, rule=NL, forms=FORMS):
    folded = periods(decisions, day(born), day(died) if died else None, rule, "storage", forms)
    found = reasons_on(folded, day(on))
    return " + ".join(f"{code}({','.join(roles)})" if roles else code for code, roles in found) or "granted"


BORN = "2010-06-15"
PARENTS = [yes("2021-01-10", *BOTH)]
ALL = [yes("2023-01-10", *BOTH, "participant")]


@pytest.mark.parametrize(
    ("decisions", "on", "expected"),
    [
        ([], "2021-01-10", "no-decision"),
        (PARENTS, "2021-01-09", "no-decision"),
        (PARENTS, "2021-01-10", "granted"),
        ([yes("2021-01-10", "parent")], "2021-02-01", "signatory-missing(second-parent)"),
        ([yes("2021-01-10", "parent", authority="sole")], "2021-02-01", "granted"),
        ([yes("2021-01-10", "guardian", authority="guardian")], "2021-02-01", "granted"),
        ([yes("2021-01-10", "guardian")], "2021-02-01", "signatory-missing(parent,second-parent)"),
        ([yes("2021-01-10", *BOTH, second_parent="2021-01-20")], "2021-01-19", "signatory-missing(second-parent)"),
        ([yes("2021-01-10", *BOTH, second_parent="2021-01-20")], "2021-01-20", "granted"),
        ([yes("2021-01-10", "parent"), yes("2021-03-01", "second-parent", order=1)], "2021-03-01", "granted"),
        # the twelfth birthday
        (PARENTS, "2022-06-14", "granted"),
        (PARENTS, "2022-06-15", "age-gate(participant)"),
        ([*PARENTS, yes("2022-08-01", "participant", order=1)], "2022-07-31", "age-gate(participant)"),
        ([*PARENTS, yes("2022-08-01", "participant", order=1)], "2022-08-01", "granted"),
        ([yes("2021-01-10", *BOTH, "participant")], "2022-06-15", "age-gate(participant)"),
        ([yes("2021-01-10", "parent")], "2022-06-15", "signatory-missing(participant,second-parent)"),
        (ALL, "2023-02-01", "granted"),
        ([yes("2023-01-10", *BOTH)], "2023-02-01", "signatory-missing(participant)"),
        # the sixteenth: nothing further when the child had signed
        (ALL, "2026-06-15", "granted"),
        (PARENTS, "2026-06-15", "age-gate(participant)"),
        ([yes("2026-07-01", "participant")], "2026-07-01", "granted"),
        ([yes("2026-07-01", *BOTH)], "2026-07-01", "signatory-missing(participant)"),
        # saying no, and yes again
        ([*PARENTS, no("2021-05-01", 1)], "2021-04-30", "granted"),
        ([*PARENTS, no("2021-05-01", 1)], "2021-05-01", "component-declined"),
        ([*PARENTS, no("2021-05-01", 1), yes("2021-06-01", "parent", order=2)], "2021-06-02",
         "component-declined + signatory-missing(second-parent)"),
        ([*PARENTS, no("2021-05-01", 1), yes("2021-06-01", *BOTH, order=2)], "2021-06-01", "granted"),
        ([*PARENTS, no("2021-05-01", 1), yes("2021-06-01", *BOTH, order=2, parent="2021-04-01")], "2021-06-02",
         "component-declined + signatory-missing(parent)"),
        ([*PARENTS, no("2021-05-01", 1, "withdrawn")], "2021-05-01", "withdrawn"),
        ([yes("2021-05-01", *BOTH, order=1), no("2021-05-01", 0)], "2021-05-01", "granted"),
    ],
)
def test_the_dutch_rule(decisions, on, expected):
    assert reason(decisions, BORN, on) == expected


@pytest.mark.parametrize(
    ("died", "on", "expected"),
    [("2022-06-14", "2024-01-01", "granted"), ("2022-06-15", "2024-01-01", "age-gate(participant)"), (None, "2024-01-01", "age-gate(participant)")],
)
def test_a_death_drops_the_gates_dated_after_it_and_no_other(died, on, expected):
    assert reason(PARENTS, BORN, on, died) == expected


def test_after_a_death_the_roles_of_its_day_hold_and_the_dead_do_not_sign():
    late = [yes("2021-01-10", *BOTH, second_parent="2023-01-10")]
    assert reason(late, BORN, "2023-01-10", died="2022-03-01") == "granted"
    grown = [yes("2027-01-10", "participant")]
    assert reason(grown, BORN, "2027-01-10", died="2026-12-31") == "signatory-missing(participant)"
    assert reason(grown, BORN, "2027-01-10", died="2027-01-10") == "granted"


def test_a_child_born_on_29_february_turns_twelve_in_a_leap_year_and_sixteen_too_but_eighteen_on_1_march():
    assert birthday(day("2008-02-29"), 12) == day("2020-02-29")
    assert birthday(day("2008-02-29"), 18) == day("2026-03-01")
    assert (age_on(day("2008-02-29"), day("2026-02-28")), age_on(day("2008-02-29"), day("2026-03-01"))) == (17, 18)
    assert reason([yes("2018-01-01", *BOTH)], "2008-02-29", "2020-02-28") == "granted"
    assert reason([yes("2018-01-01", *BOTH)], "2008-02-29", "2020-02-29") == "age-gate(participant)"


def test_elsewhere_the_strictest_rule_asks_anew_at_eighteen():
    assert STRICTEST.assumed
    assert reason(ALL, BORN, "2028-06-14", rule=STRICTEST) == "granted"
    assert reason(ALL, BORN, "2028-06-15", rule=STRICTEST) == "age-gate(participant)"
    assert reason([*ALL, yes("2028-06-15", "participant", order=1)], BORN, "2028-06-15", rule=STRICTEST) == "granted"


def test_a_form_that_was_superseded_when_it_was_signed_does_not_count():
    forms = {"v1": Form(day("2020-01-01"), day("2021-01-09")), "v2": Form(day("2021-01-10"), None)}
    assert reason(PARENTS, BORN, "2021-02-01", forms=forms) == "form-version-too-old(parent,second-parent)"
    assert reason([yes("2021-01-09", *BOTH)], BORN, "2022-02-01", forms=forms) == "granted"
    assert reason([*PARENTS, yes("2021-03-01", *BOTH, form="v2", order=1)], BORN, "2021-03-01", forms=forms) == "granted"


def test_periods_follow_one_another_without_gaps_and_say_which_begin_on_a_birthday():
    folded = periods([*PARENTS, yes("2022-08-01", "participant", order=1)], day(BORN), None, NL, "storage", FORMS)
    assert [(p.from_on, p.until_on, p.granted, p.at_birthday) for p in folded] == [
        (day("2021-01-10"), day("2022-06-15"), True, False),
        (day("2022-06-15"), day("2022-08-01"), False, True),
        (day("2022-08-01"), None, True, False),
    ]


def test_a_faulty_jurisdiction_file_names_each_key():
    bad = {"country": "XX", "title": "X", "version": 1, "band": [{"from_age": 0, "joint": ["mother"], "sole": ["parent"], "gardian": ["guardian"]}]}
    with pytest.raises(JurisdictionFileWrong) as refused:
        parse_jurisdiction(bad, "xx.toml")
    for key in ("band[0].gardian", "band[0].joint", "band[0].guardian", "source"):
        assert key in str(refused.value)


START = date(2020, 1, 1)
days = st.integers(0, 2200).map(lambda n: START + timedelta(days=n))
FORM_1, FORM_2 = (date(2000, 1, 1), date(2022, 6, 30)), (date(2021, 1, 1), date(2100, 1, 1))


@st.composite
def histories(draw):
    """Decisions of a child of 8 to 17 years; the birth is often on a 29 February."""
    born = draw(st.one_of(st.dates(date(2004, 1, 1), date(2011, 12, 31)), st.just(date(2008, 2, 29))))
    told = []
    for _ in range(draw(st.integers(1, 5))):
        on = draw(days)
        answer = draw(st.sampled_from(["yes", "yes", "yes", "no", "withdrawn"]))
        roles = draw(st.sets(st.sampled_from(["parent", "second-parent", "guardian", "participant"]), max_size=4)) if answer == "yes" else set()
        signed = tuple((role, on + timedelta(days=draw(st.sampled_from([0, 0, 0, -20, 15])))) for role in sorted(roles))
        form = draw(st.sampled_from([FORM_1, FORM_1, FORM_2]))
        told.append(oracle.Told(answer, on, draw(st.sampled_from([None, "joint", "joint", "sole", "guardian"])), signed, *form))
    died = draw(st.one_of(st.none(), st.none(), days))
    return born, told, died


@settings(max_examples=150, deadline=None)
@given(histories(), st.lists(days, min_size=1, max_size=3), st.booleans())
def test_any_history_is_judged_as_the_second_opinion_does(history, asked, at_birthdays):
    born, told, died = history
    decisions = [
        DecisionMade("storage", one.answer, one.on, order, "v1" if one.form_until == FORM_1[1] else "v2", one.authority,
                     tuple(Signature(role, on) for role, on in one.signed))
        for order, one in enumerate(told)
    ]
    forms = {"v1": Form(*FORM_1), "v2": Form(*FORM_2)}
    folded = periods(decisions, born, died, NL, "storage", forms)
    if at_birthdays:
        asked = [*asked, *(birthday(born, age) + timedelta(days=shift) for age in (12, 16) for shift in (-1, 0) if birthday(born, age) > START)]
    for on in (on for on in asked if on < date(2027, 1, 1)):
        found = reasons_on(folded, on)
        assert (found[0][0] if found else "granted") == oracle.on_day(told, born, died, on), (on, folded)
