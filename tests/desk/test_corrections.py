"""Correcting by two people at a desk: proposed on the tube's page, looked at side by side, confirmed or declined."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from biobank.core.codes import spaced
from biobank.core.work import Grant, Units
from biobank.custody.service import Doing, record
from biobank.identity import service as identity
from biobank.specimens import queries as specimens
from biobank.web.dispatch import Service
from tests import cast
from tests.desk.test_pages import Browser
from tests.specimens.swapped import Tree, tree
from tests.ward import act, by, told

NBSP = "\u00a0"


def shown(code: str) -> str:
    """A code as it stands on a page."""
    return spaced(code).replace(" ", NBSP)


@pytest.fixture
def two(units: Units) -> tuple[Tree, Tree]:
    """Two children with their trees; and a second manager with a password."""
    with by(units) as work:
        identity.add_person(work, "deputy", "Deputy", cast.PASSWORD, "maxima", [Grant("manager")])
        return tree(work, 1), tree(work, 2)


@pytest.fixture
def browser(app: Service) -> Callable[[str], Browser]:
    return lambda login: Browser(app.test_client(), login)


def proposed(browser: Browser, one: Tree, other: Tree) -> str:
    """Where the correction is that somebody proposed on the page of a tube."""
    browser.see(f"/specimens/{one.marrow}")
    answer = browser.send(f"/specimens/{one.marrow}/reassign", {"with": other.marrow, "reason": "the labels were changed"})
    assert answer.status_code == 303, answer.get_data(as_text=True)
    return str(answer.headers["Location"])


def test_a_swap_from_proposal_to_confirmation(browser: Callable[[str], Browser], units: Units, two: tuple[Tree, Tree]) -> None:
    one, other = two
    with by(units) as work:
        record(work, [Doing(specimens.specimen(work, one.aliquots[1]).id, "reserve", promise="request/DNB4DR19/1", purpose="supply")])
    manager, deputy = browser("manager"), browser("deputy")
    assert "No correction waits." in deputy.see("/corrections")
    at = proposed(manager, one, other)
    mine = manager.see(at)
    assert "somebody else has to look at it" in mine and "Take it back" in mine and "Confirm: it is as proposed" not in mine
    assert "A correction waits for a second person." in manager.see(f"/specimens/{one.plasma}")
    assert "corrections that wait for a second person" in deputy.see("/") and "corrections that wait" not in manager.see("/")
    page = deputy.see(at)
    for code in (*one.codes, *other.codes, one.child, other.child):
        assert shown(code) in page
    assert "reservation ends" in page and "the labels were changed" in page
    refused = manager.send(at + "/confirmation", {})
    assert refused.status_code == 403 and "A second person is needed" in refused.get_data(as_text=True)
    deputy.see(at)
    assert deputy.send(at + "/confirmation", {}).status_code == 303
    assert told(units, one.plasma)["participant"] == other.child and told(units, one.aliquots[1])["reserved"]["base"] == 0
    after = deputy.see(at)
    assert "confirmed" in after and "Confirm: it is as proposed" not in after
    history = deputy.see(f"/specimens/{one.plasma}")
    assert f"<del><code class=\"code\">{shown(one.child)}</code></del>" in history and "by two people" in history
    assert "corrected by entry" in history
    assert "confirmed" in deputy.see("/corrections")


def test_one_that_is_declined(browser: Callable[[str], Browser], units: Units, two: tuple[Tree, Tree]) -> None:
    at = proposed(browser("manager"), *two)
    deputy = browser("deputy")
    deputy.see(at)
    assert deputy.send(at + "/refusal", {"reason": "the ward's list was the older one"}).status_code == 303
    page = deputy.see(at)
    assert "declined" in page and "the ward&#39;s list was the older one" in page
    assert told(units, two[0].marrow)["participant"] == two[0].child
    again = deputy.send(at + "/confirmation", {})
    assert again.status_code == 409 and "Answered already" in again.get_data(as_text=True)


def test_what_has_changed_since_is_told_before_it_is_refused(browser: Callable[[str], Browser], units: Units, two: tuple[Tree, Tree]) -> None:
    at = proposed(browser("manager"), *two)
    act(units, two[0].plasma, "lose")
    deputy = browser("deputy")
    page = deputy.see(at)
    assert "It can no longer be confirmed." in page and "was in custody and is gone" in page and "Confirm: it is as proposed" not in page
    answer = deputy.send(at + "/confirmation", {})
    assert answer.status_code == 409 and "Overtaken" in answer.get_data(as_text=True)


def test_a_tube_that_comes_back(browser: Callable[[str], Browser], units: Units, two: tuple[Tree, Tree]) -> None:
    code = two[0].plasma
    act(units, code, "lose")
    manager, deputy = browser("manager"), browser("deputy")
    assert "Propose to bring it back" in manager.see(f"/specimens/{code}")
    at = manager.send(f"/specimens/{code}/revival", {"reason": "behind the rack"}).headers["Location"]
    page = deputy.see(at)
    assert "Comes back" in page and "20" in page and "in custody again" in page
    assert deputy.send(at + "/confirmation", {}).status_code == 303
    assert told(units, code)["status"] == "in_custody"
    assert "<del>gone</del> <ins>in custody again</ins>" in deputy.see(f"/specimens/{code}")


def test_another_child(browser: Callable[[str], Browser], units: Units, two: tuple[Tree, Tree]) -> None:
    manager, deputy = browser("manager"), browser("deputy")
    manager.see(f"/specimens/{two[0].marrow}")
    form = {"participant": two[1].child, "in_study": "alltogether1", "reason": "read the wrong line"}
    at = manager.send(f"/specimens/{two[0].marrow}/reassign", form).headers["Location"]
    assert deputy.see(at).count(shown(two[1].child)) == 1
    deputy.send(at + "/confirmation", {})
    assert told(units, two[0].plasma)["participant"] == two[1].child


def test_a_refused_proposal_keeps_what_was_typed(browser: Callable[[str], Browser], two: tuple[Tree, Tree]) -> None:
    manager = browser("manager")
    manager.see(f"/specimens/{two[0].marrow}")
    answer = manager.send(f"/specimens/{two[0].marrow}/reassign", {"with": two[1].plasma, "reason": "the labels were changed"})
    text = answer.get_data(as_text=True)
    assert answer.status_code == 422 and "Whole trees only" in text and "the labels were changed" in text
    empty = manager.send(f"/specimens/{two[0].marrow}/reassign", {"reason": "x"})
    assert empty.status_code == 422


def test_who_may_not_correct_is_offered_nothing(browser: Callable[[str], Browser], two: tuple[Tree, Tree]) -> None:
    at = proposed(browser("manager"), *two)
    technician = browser("technician")
    assert "Correct by two people" not in technician.see(f"/specimens/{two[0].marrow}")
    page = technician.see(at)
    assert "Confirm: it is as proposed" not in page and "A manager of the studies concerned" in page
    assert technician.send(at + "/confirmation", {}).status_code == 403
    browser("researcher").see(at, 403)
    browser("elsewhere").see(at, 404)


def test_an_aliquot_leads_to_its_primary(browser: Callable[[str], Browser], two: tuple[Tree, Tree]) -> None:
    page = browser("manager").see(f"/specimens/{two[0].plasma}")
    assert "That is corrected on the drawn tube" in page and f"/specimens/{two[0].marrow}#correct" in page
