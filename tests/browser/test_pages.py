"""Every page, on the demo cohort, on a desk and on a phone, by day and by night: no fault, nothing cut off, nothing that axe finds."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Literal

import pytest
from playwright.sync_api import Browser, Page, expect
from sqlalchemy import text

from tests.browser.screen import CODE, DESK, PHONE, SHOTS, Screen, plain, shoot, sitting
from tests.drills.server import Server, serving_demo

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

CHILDREN = 12

# name -> (path, a query whose first value goes into it)
TUBE = "SELECT s.code FROM standing s JOIN specimen p ON p.id = s.specimen_id WHERE "
PAGES: dict[str, tuple[str, str]] = {
    "home": ("/", ""),
    "scan": ("/scan", ""),
    "participants": ("/participants", ""),
    "participants-new": ("/participants/new", ""),
    "participant": ("/participants/{}",
                    "SELECT p.code FROM participant p JOIN standing s ON s.participant_id = p.id GROUP BY p.code ORDER BY count(*) DESC"),
    "participant-two-studies": ("/participants/{}",
                                "SELECT p.code FROM participant p JOIN enrolment e ON e.participant_id = p.id GROUP BY p.code "
                                "ORDER BY count(*) DESC, p.code"),
    "collections": ("/collections", ""),
    "collection": ("/collections/{}",
                   "SELECT c.code FROM collection c JOIN specimen p ON p.collection_id = c.id JOIN standing s ON s.specimen_id = p.id "
                   "WHERE s.status = 'expected'"),
    "held": ("/held", ""),
    "specimen": ("/specimens/{}", TUBE + "s.container_id IS NOT NULL AND p.kind = 'aliquot' AND s.open_reservations = 0 ORDER BY s.seq DESC"),
    "specimen-primary": ("/specimens/{}", TUBE + "p.kind = 'primary' AND s.status = 'in_custody' ORDER BY s.seq DESC"),
    "specimen-held": ("/specimens/{}", TUBE + "s.open_holds > 0 AND s.status = 'in_custody'"),
    "specimen-expected": ("/specimens/{}", TUBE + "s.status = 'expected'"),
    "specimen-reserved": ("/specimens/{}", TUBE + "s.open_reservations > 0"),
    "specimen-delivered": ("/specimens/{}", TUBE + "s.status = 'with_recipient'"),
    "corrections": ("/corrections", ""),
    "correction": ("/corrections/{}", "SELECT id FROM correction WHERE state = 'waiting'"),
    "specimen-waits": ("/specimens/{}", "SELECT s.code FROM specimen s JOIN correction c ON c.specimen_id = s.id WHERE c.state = 'waiting'"),
    "storage": ("/storage", ""),
    "storage-freezer": ("/storage/{}", "SELECT code FROM container WHERE kind = 'freezer'"),
    "storage-box": ("/storage/{}", "SELECT c.code FROM container c JOIN standing s ON s.container_id = c.id GROUP BY c.code ORDER BY count(*) DESC"),
    "availability": ("/availability", ""),
    "availability-chosen": ("/availability?purpose=supply&study=alltogether1&item=BM:DX:marrow", ""),
    "requests": ("/requests", ""),
    "request-draft": ("/requests/{}", "SELECT code FROM request WHERE state = 'draft'"),
    "request-reserved": ("/requests/{}", "SELECT code FROM request WHERE state = 'reserved'"),
    "request-delivered": ("/requests/{}", "SELECT code FROM request WHERE state = 'delivered'"),
    "requests-new": ("/requests/new", ""),
    "requests-new-lines": ("/requests/new?study=alltogether1&item=BM:DX:marrow", ""),
    "audit": ("/audit", ""),
    "studies": ("/studies", ""),
    "study": ("/studies/alltogether1", ""),
    "study-closed": ("/studies/interfant06", ""),
    "problem": ("/specimens/SB4DR120", ""),
}
ROLES = ("technician", "consent", "diagnostics", "researcher", "reviewer", "asparaginase", "data", "auditor", "admin", "elsewhere")
# Words that are the same in both languages.
SAME = {"Scan", "Studies", "Code", "Status", "biobank"}
# A heading with a code, a title or the code of an event in it.
OF_DATA = re.compile(f"{CODE.pattern}|ALLTogether|Interfant|^[A-Z]+[A-Z0-9_]+\\s")

Address = Callable[[str], str]


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, str]]:
    """The demo as it is served after `make run`."""
    with serving_demo(tmp_path_factory.mktemp("demo"), CHILDREN) as (server, password):
        yield server, password
        assert server.faults() == []


@pytest.fixture(scope="module")
def address(demo: tuple[Server, str]) -> Address:
    """Where a page of `PAGES` is."""
    server, _ = demo

    def find(name: str) -> str:
        path, query = PAGES[name]
        if query:
            with server.units.read() as work:
                path = path.format(work.session.execute(text(query)).scalars().first())
        return f"http://127.0.0.1:{server.port}{path}"

    return find


@pytest.fixture(scope="module")
def manager(browser: Browser, demo: tuple[Server, str]) -> Iterator[Screen]:
    """The manager's window, signed in once."""
    server, password = demo
    with sitting(browser, f"http://127.0.0.1:{server.port}") as screen:
        screen.sign_in("manager", password)
        yield screen


def wrong(page: Page, name: str, schemes: tuple[Literal["light", "dark"], ...] = ("light", "dark")) -> list[str]:
    """Look at the page in both sizes, light and dark: what is cut off, what axe finds."""
    page.wait_for_load_state("load")
    found = []
    for width, height in (DESK, PHONE):
        page.set_viewport_size({"width": width, "height": height})
        found += shoot(page, name, schemes)
    page.set_viewport_size({"width": DESK[0], "height": DESK[1]})
    return found


@pytest.mark.parametrize("name", PAGES)
def test_a_page(name: str, manager: Screen, address: Address) -> None:
    """English in both sizes, light and dark; then Dutch on a phone, where nothing is cut off and no heading stays English."""
    page, before = manager.page, len(manager.faults)
    answer = page.goto(address(name))
    assert answer is not None and answer.status == (404 if name == "problem" else 200)
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    english = headings(page)
    # axe itself is brought in past the content policy; whatever the page did is known before.
    assert manager.faults[before:] == []
    assert wrong(page, name) == []
    page.context.add_cookies([{"name": "language", "value": "nl", "url": manager.address}])
    page.set_viewport_size({"width": PHONE[0], "height": PHONE[1]})
    try:
        page.reload()
        assert page.locator("html").get_attribute("lang") == "nl"
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE[0]
        assert sorted(english & headings(page) - SAME) == []
    finally:
        page.set_viewport_size({"width": DESK[0], "height": DESK[1]})
        page.context.clear_cookies(name="language")


def test_no_page_of_the_menu_is_forgotten(manager: Screen, address: Address) -> None:
    manager.page.goto(address("home"))
    links = manager.page.get_by_role("navigation", name="Main").get_by_role("link").all()
    assert {link.get_attribute("href") for link in links} <= {path for path, _ in PAGES.values()}


def test_sign_in(browser: Browser, demo: tuple[Server, str]) -> None:
    with sitting(browser, f"http://127.0.0.1:{demo[0].port}") as screen:
        screen.page.goto(f"{screen.address}/storage")
        expect(screen.page.get_by_role("button", name="Sign in")).to_be_visible()
        assert wrong(screen.page, "sign-in") == []
        screen.page.get_by_label("Login").fill("manager")
        screen.page.get_by_label("Password").fill("not the password")
        screen.page.get_by_role("button", name="Sign in").click()
        expect(screen.page.get_by_role("alert")).to_be_visible()
        assert wrong(screen.page, "sign-in-refused") == []


@pytest.mark.parametrize("login", ROLES)
def test_home_of(login: str, browser: Browser, demo: tuple[Server, str]) -> None:
    """Whatever a role may do: its menu leads to pages that open, and the home page is whole on a phone."""
    server, password = demo
    with sitting(browser, f"http://127.0.0.1:{server.port}") as screen:
        screen.sign_in(login, password)
        assert wrong(screen.page, f"home-{login}", ("light",)) == []
        for link in screen.page.get_by_role("navigation", name="Main").get_by_role("link").all():
            answer = screen.page.request.get(f"{screen.address}{link.get_attribute('href')}")
            assert answer.status == 200, answer.url


def test_the_menu_on_a_phone(browser: Browser, demo: tuple[Server, str]) -> None:
    server, password = demo
    with sitting(browser, f"http://127.0.0.1:{server.port}", PHONE) as screen:
        screen.sign_in("manager", password)
        screen.page.get_by_role("button", name="Menu").click()
        screen.page.screenshot(path=SHOTS / "menu-390-light.png")
        screen.open("Storage")
        expect(screen.page.get_by_role("heading", level=1)).to_have_text("Storage")


def headings(page: Page) -> set[str]:
    """Headings, entries of the menu and heads of columns; without those that are codes and titles of data."""
    found = page.get_by_role("heading").all_inner_texts() + page.get_by_role("columnheader").all_inner_texts()
    found += [text or "" for text in page.get_by_role("navigation", include_hidden=True).locator("a").all_text_contents()]
    return {plain(text) for text in found if any(letter.islower() for letter in text) and not OF_DATA.search(text)}
