"""The whole mission with keyboard, mouse and what is on screen: from a child's enrolment to a tube handed over."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest
from playwright.sync_api import Browser, Locator, expect

from biobank.core.clock import SystemClock
from tests.browser.screen import Screen, choose, codes, plain, sitting, spaced, type_day
from tests.drills.server import Server

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

COMPONENTS = (
    "Data on disease, treatment and outcome in the study database",
    "Storage of residual bone marrow, blood and cerebrospinal fluid",
    "PEG-asparaginase: level, efficacy, side effects",
    "Use of stored material for research beyond this study",
)


@pytest.fixture
def screen(browser: Browser, either: Server) -> Iterator[Screen]:
    """The one window in which everything happens."""
    with sitting(browser, f"http://127.0.0.1:{either.port}") as window:
        yield window


def test_from_enrolment_to_delivery(screen: Screen, either: Server) -> None:
    screen.sign_in("manager")
    participant = enrol(screen)
    record_consent(screen)
    tubes = plan_the_draw(screen)
    marrow, blood, csf = tubes["Bone marrow"][0], tubes["Peripheral blood"][0], tubes["Cerebrospinal fluid, native"][0]
    print_the_labels(screen, marrow)
    box = add_a_box(screen)

    receive_and_release(screen, [marrow, blood, csf])
    children = aliquot(screen, marrow)
    store(screen, box, children, csf)

    earmark(screen, children[0])
    look_at_availability(screen)
    request = ask_for_two(screen)
    approve(screen, request)
    chosen = reserve(screen, request, children)
    wrong = next(code for code in children if code not in chosen)
    pick_and_deliver(screen, request, chosen, wrong)

    read_the_custody(screen, marrow, chosen[0], participant)
    verify(either)


def enrol(screen: Screen) -> str:
    """A child of seven, diagnosed today; its code."""
    page = screen.page
    screen.open("Participants")
    page.get_by_role("link", name="Enrol a participant").first.click()
    today = SystemClock().now().astimezone(ZoneInfo("Europe/Amsterdam")).date()
    type_day(page.get_by_label("Birth date"), today - timedelta(days=7 * 365 + 100))
    page.get_by_label("Sex").select_option("female")
    page.get_by_label("Study").select_option("ALLTogether1")
    page.get_by_label("Subject number").fill("NL-0001")
    page.get_by_label("Where").select_option("Prinses Máxima Centrum")
    type_day(page.get_by_label("Diagnosed on"), today)
    choose(page.get_by_label("Disease"), "B-cell precursor")
    page.get_by_role("button", name="Enrol").click()
    expect(page.get_by_role("heading", name="Everything over time")).to_be_visible()
    return codes(screen.heading())[0]


def record_consent(screen: Screen) -> None:
    """Both parents sign four components."""
    page = screen.page
    page.get_by_role("link", name="Record consent").click()
    for title in COMPONENTS:
        page.get_by_role("row").filter(has_text=title).get_by_role("radio", name="yes").check()
    page.get_by_label("Parental authority").select_option("joint")
    signers = page.get_by_role("group", name="Signed by")
    signers.get_by_label("parent", exact=True).check()
    signers.get_by_label("second parent").check()
    page.get_by_role("button", name="Record these answers").click()
    for title in COMPONENTS:
        expect(page.get_by_role("row").filter(has_text=title).first).to_contain_text("since")


def plan_the_draw(screen: Screen) -> dict[str, list[str]]:
    """The draw at diagnosis: codes of its tubes by the material's title."""
    page = screen.page
    page.get_by_role("link", name="Plan a draw").click()
    choose(page.get_by_label("Event", exact=True), "DX")
    page.get_by_role("button", name="Plan it").click()
    expect(page.get_by_role("heading", name="Tubes of this draw")).to_be_visible()
    found: dict[str, list[str]] = {}
    for row in rows_of(page.get_by_role("table", name="Tubes of this draw")):
        cells = row.get_by_role("cell").all_inner_texts()
        found.setdefault(plain(cells[0]).split(" (")[0], []).append(codes(row.get_by_role("rowheader").inner_text())[0])
    return found


def rows_of(table: Locator) -> list[Locator]:
    """The rows of a table below its head."""
    return [row for row in table.get_by_role("row").all() if row.get_by_role("cell").count()]


def print_the_labels(screen: Screen, tube: str) -> None:
    """The sheet comes as a PDF; a tube's page shows its label."""
    page = screen.page
    page.get_by_role("button", name="Print labels").click()
    page.go_back()
    screen.find(tube)
    expect(page.get_by_role("img", name=f"Label of {plain(spaced(tube))}")).to_be_visible()
    expect(page.get_by_role("listitem").filter(has_text="Label cryovial")).to_be_visible()


def add_a_box(screen: Screen) -> str:
    """A box of nine by nine; its code."""
    page = screen.page
    screen.open("Storage")
    page.get_by_label("Kind").select_option("Box")
    page.get_by_label("Title, as it stands on it").fill("Box 1")
    page.get_by_label("Rows").fill("9")
    page.get_by_label("Columns").fill("9")
    page.get_by_role("button", name="Add", exact=True).click()
    expect(page.get_by_role("heading", name="Box 1")).to_be_visible()
    return codes(screen.heading())[0]


def receive_and_release(screen: Screen, tubes: list[str]) -> None:
    """At the scan station, with a scanner that types."""
    page = screen.page
    screen.open("Scan")
    screen.at_the_station()
    page.keyboard.press("F3")
    page.get_by_label("Volume").fill("4")
    page.get_by_label("Unit").select_option("mL")
    for tube in tubes:
        screen.scan(tube)
        screen.verdict("Received", spaced(tube))
    page.keyboard.press("F4")
    for tube in tubes:
        screen.scan(tube)
        screen.verdict("Released", spaced(tube))


def aliquot(screen: Screen, marrow: str) -> list[str]:
    """Four of 250 µL; their codes stand in the verdict."""
    page = screen.page
    page.keyboard.press("F9")
    page.get_by_label("Aliquots").fill("4")
    page.get_by_label("Volume").fill("250")
    page.get_by_label("Unit").select_option("µL")
    screen.scan(marrow)
    block = screen.verdict("Aliquoted", spaced(marrow))
    made = [code for code in codes(block.inner_text()) if code != marrow]
    assert len(made) == 4
    return made


def store(screen: Screen, box: str, children: list[str], other: str) -> None:
    """Scan the box, then its tubes; a position that is taken names the tube that is there."""
    page = screen.page
    page.keyboard.press("F5")
    screen.scan(box)
    screen.verdict("Open", spaced(box), "A1")
    for position, tube in zip(("A1", "A2", "A3", "A4"), children, strict=True):
        screen.scan(tube)
        screen.verdict("Stored", spaced(tube), position)
    screen.scan("A1")
    screen.scan(other)
    screen.verdict("Not here", spaced(other), spaced(children[0]), "A5")
    # Whoever reads that and means it is slower than a trigger that is held too long.
    page.wait_for_timeout(1600)
    screen.scan(other)
    screen.verdict("Stored", spaced(other), "A5")
    page.get_by_role("link", name="Leave station").click()


def earmark(screen: Screen, tube: str) -> None:
    """On the tube's page."""
    page = screen.page
    screen.find(tube)
    page.get_by_label("Earmark for").select_option("PEG-asparaginase activity after each dose")
    page.get_by_role("button", name="Earmark", exact=True).click()
    expect(page.get_by_role("listitem").filter(has_text="earmarked")).to_contain_text("PEG-asparaginase activity after each dose")


def look_at_availability(screen: Screen) -> None:
    """The tubes count for supply; one click chooses them."""
    page = screen.page
    screen.open("Availability")
    page.get_by_role("checkbox", name="ALLTogether1").check()
    page.get_by_role("button", name="Count again").click()
    page.get_by_role("link", name=re.compile(r"^Bone marrow.*, DX: 5 tubes of 1 participants$")).click()
    expect(page.get_by_role("region", name="Chosen for a request")).to_contain_text("5 tubes")


def ask_for_two(screen: Screen) -> str:
    """Add what was chosen to a request, submit it; its code."""
    page = screen.page
    page.get_by_role("link", name="Add to request").click()
    expect(page.get_by_label("Material of item 1")).to_have_value("BM")
    page.get_by_label("Title").fill("Two tubes of marrow")
    page.get_by_label("Tubes of item 1").fill("2")
    page.get_by_label("Least amount of item 1").fill("200")
    page.get_by_label("Unit of item 1").select_option("µL")
    page.get_by_role("button", name="Keep as draft").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("draft")
    page.get_by_role("button", name="Submit").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("submitted")
    return codes(screen.heading())[0]


def approve(screen: Screen, request: str) -> None:
    """Somebody else judges."""
    page = screen.page
    screen.sign_out()
    screen.sign_in("reviewer")
    screen.open("Requests")
    page.get_by_role("link", name=spaced(request)).click()
    page.get_by_role("button", name="Approve").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("approved")
    screen.sign_out()


def reserve(screen: Screen, request: str, children: list[str]) -> list[str]:
    """The plan chooses two of the four aliquots."""
    page = screen.page
    screen.sign_in("manager")
    screen.find(request)
    page.get_by_label("These tubes").fill("\n".join(children[:2]))
    page.get_by_role("button", name="Reserve tubes").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("reserved")
    chosen = [codes(row.inner_text())[-1] for row in rows_of(page.get_by_role("region", name="Pick list").get_by_role("table"))]
    assert sorted(chosen) == sorted(children[:2])
    return chosen


def pick_and_deliver(screen: Screen, request: str, chosen: list[str], wrong: str) -> None:
    """The request's code first; a tube that is not on its list is refused and says which are."""
    page = screen.page
    page.get_by_role("link", name="To the scan station").click()
    screen.at_the_station()
    page.keyboard.press("F10")
    screen.scan(request)
    screen.verdict("Open", spaced(request))
    screen.scan(wrong)
    screen.verdict("Not here", spaced(wrong), spaced(chosen[0]))
    for tube in chosen:
        screen.scan(tube)
        screen.verdict("Picked", spaced(tube))
    page.keyboard.press("F11")
    for tube in chosen:
        screen.scan(tube)
        screen.verdict("Delivered", spaced(tube))
    page.get_by_role("link", name="Leave station").click()
    screen.find(request)
    expect(page.get_by_role("heading", level=1)).to_contain_text("handed over")


def read_the_custody(screen: Screen, marrow: str, tube: str, participant: str) -> None:
    """Every step stands on the tubes' pages, under the name of who did it."""
    page = screen.page
    screen.find(tube)
    found = acts(screen, tube)
    assert found[:2] == ["Deliver", "Pick"]
    assert set(found) >= {"Register", "Store", "Reserve", "Pick", "Deliver"}
    expect(page.get_by_role("heading", level=1)).to_contain_text("with the recipient")
    screen.find(marrow)
    assert set(acts(screen, marrow)) >= {"Expect", "Label", "Receive", "Release", "Aliquot"}
    expect(page.get_by_role("main")).to_contain_text(spaced(participant))


def acts(screen: Screen, tube: str) -> list[str]:
    """The acts of a tube's chain of custody, newest first."""
    expect(screen.page.get_by_role("heading", level=1)).to_contain_text(spaced(tube))
    screen.page.wait_for_load_state("load")
    entries = screen.page.get_by_role("region", name="Chain of custody").get_by_role("listitem").all_inner_texts()
    return [line.split()[1] for line in entries]


def verify(server: Server) -> None:
    """The command an auditor uses."""
    done = subprocess.run(
        [sys.executable, "-m", "biobank", "--instance", str(server.folder), "verify"], env=os.environ | {"BIOBANK_DATABASE_URL": server.url},
        capture_output=True, text=True, check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "no fault" in done.stdout
