"""The scan station as gloves use it: the focus never leaves, no scan is lost, and three refusals read and sound different."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import pytest
from playwright.sync_api import Browser, Locator, expect
from sqlalchemy import text

from tests.browser.screen import DESK, SIZES, Screen, plain, shoot, sitting, spaced
from tests.drills.server import Server
from tests.drills.stock import Stock, lay_in, primaries

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

# Writes down the notes that the loudspeaker is given.
EAR = """
window.heard = [];
const start = OscillatorNode.prototype.start;
OscillatorNode.prototype.start = function (at) { window.heard.push(Math.round(this.frequency.value)); start.call(this, at); };
"""
MODES = {
    "F1": "Look up", "F2": "Collect", "F3": "Receive", "F5": "Store", "F6": "Move", "F7": "Check out", "F8": "Return", "F9": "Aliquot", "F10": "Pick",
    "F11": "Deliver", "F12": "Undo",
}


@pytest.fixture(scope="module")
def stock(server: Server) -> Stock:
    """Tubes in custody without a place, tubes that are expected, and empty boxes."""
    return lay_in(server, first=1, children=4, each=24, draws=2, boxes=10)


@contextmanager
def at_station(browser: Browser, server: Server, size: tuple[int, int] = DESK, login: str = "technician") -> Iterator[Screen]:
    """Signed in, at the station, ready."""
    with sitting(browser, f"http://127.0.0.1:{server.port}", size) as screen:
        screen.page.add_init_script(EAR)
        screen.sign_in(login)
        screen.page.goto(f"{screen.address}/scan")
        screen.at_the_station()
        yield screen


@pytest.fixture(params=SIZES.values(), ids=SIZES)
def station(request: pytest.FixtureRequest, browser: Browser, server: Server) -> Iterator[Screen]:
    """A technician's station in both sizes."""
    with at_station(browser, server, request.param) as screen:
        yield screen


@pytest.fixture
def bench(browser: Browser, server: Server) -> Iterator[Screen]:
    """A technician's station at the bench."""
    with at_station(browser, server) as screen:
        yield screen


def field(screen: Screen) -> Locator:
    """The one field that scans go into."""
    return screen.page.get_by_label("Scan", exact=True)


def tape(screen: Screen) -> list[str]:
    """The last ten scans, newest first."""
    return [plain(line) for line in screen.page.get_by_role("region", name="Last ten scans").get_by_role("listitem").all_inner_texts()]


def mode(screen: Screen) -> Locator:
    """The list of modes."""
    return screen.page.get_by_label("What is done with each scan")


def chosen(screen: Screen) -> str:
    """The mode that is on, in words."""
    options = {option.get_attribute("value"): option.inner_text() for option in mode(screen).get_by_role("option").all()}
    return options[mode(screen).input_value()].split(" · ")[0]


def places(server: Server, tubes: list[str]) -> list[str]:
    """Where the ledger has the tubes."""
    caller = server.caller("technician")
    return [caller.get(f"/specimens/{tube}").body["position"] for tube in tubes]


# ---- the focus -------------------------------------------------------------------------------------------------------


def test_the_focus_is_never_lost(station: Screen, stock: Stock) -> None:
    """Wherever a hand lands, the next scan counts."""
    page = station.page
    expect(field(station)).to_be_focused()
    for place in (page.get_by_role("heading", name="Scan station"), page.get_by_text("Ready", exact=True), page.get_by_text("Expected next"),
                  page.get_by_role("heading", name="Last ten scans")):
        place.click()
        expect(field(station)).to_be_focused()
        station.scan(stock.tubes[0])
        station.verdict("Available", spaced(stock.tubes[0]))
        page.keyboard.press("F1")
    page.mouse.click(5, page.viewport_size["height"] - 5)  # type: ignore[index]
    expect(field(station)).to_be_focused()


def test_a_scan_into_another_field_is_taken(bench: Screen, stock: Stock) -> None:
    """The hand was in the volume field when the tube was scanned: the scan counts, and the field keeps what it held."""
    page = bench.page
    page.keyboard.press("F3")
    volume = page.get_by_label("Volume")
    volume.fill("3,5")
    bench.scan(stock.expected[0])
    bench.verdict("Received", spaced(stock.expected[0]))
    expect(volume).to_have_value("3,5")
    expect(field(bench)).to_be_focused()
    mode(bench).focus()
    page.keyboard.press("Escape")
    expect(field(bench)).to_be_focused()


def test_focus_that_went_elsewhere_comes_back(browser: Browser, server: Server) -> None:
    """Eight quiet seconds lead back."""
    with at_station(browser, server) as screen:
        screen.page.clock.install()
        screen.page.reload()
        screen.at_the_station()
        screen.page.keyboard.press("F3")
        screen.page.get_by_label("Volume").click()
        expect(field(screen)).not_to_be_focused()
        screen.page.clock.fast_forward(9_000)
        expect(field(screen)).to_be_focused()


# ---- what scanners send ----------------------------------------------------------------------------------------------


def test_every_way_a_scanner_ends_and_begins(bench: Screen, stock: Stock) -> None:
    """Enter, Tab, the literal text, symbology prefixes, GS, lower case, the printed space and a hyphen."""
    ways = (
        ("{}", "Enter"), ("{}", "Tab"), ("{}\\n", ""), ("{}\\r\\n", ""), ("]C1{}", "Enter"), ("]d1{}", "Tab"), ("\x1d{}", "Enter"),
    )
    for tube, (way, end) in zip(stock.tubes, ways, strict=False):
        bench.scan(way.format(tube), end)
        bench.verdict("Available", spaced(tube))
        expect(field(bench)).to_have_value("")
        expect(field(bench)).to_be_focused()
    tube = stock.tubes[10]
    for way in (tube.lower(), f"{tube[:4]} {tube[4:]}", f"{tube[:4]}-{tube[4:]}", f" {tube} "):
        bench.scan(stock.tubes[0])
        bench.verdict("Available", spaced(stock.tubes[0]))
        bench.scan(way)
        bench.verdict("Available", spaced(tube))


def test_an_empty_field_lets_tab_through(bench: Screen) -> None:
    """Nobody who works by keyboard is trapped."""
    bench.page.keyboard.press("Tab")
    expect(field(bench)).not_to_be_focused()
    bench.page.keyboard.press("Shift+Tab")
    expect(field(bench)).to_be_focused()
    bench.page.keyboard.press("Shift+Tab")
    expect(mode(bench)).to_be_focused()


def test_twenty_scans_at_full_speed(station: Screen, server: Server, stock: Stock, request: pytest.FixtureRequest) -> None:
    """Nothing waits for an answer: each scan is applied, in the order in which it was typed."""
    first = 0 if "desk" in request.node.name else 20
    box, tubes = stock.boxes[first // 20], stock.tubes[first : first + 20]
    station.page.keyboard.press("F5")
    for code in (box, *tubes):
        station.scan(code)
    expect(station.page.get_by_text("21 done, 0 refused")).to_be_visible(timeout=30_000)
    expect(station.page.get_by_text("All sent")).to_be_visible()
    assert places(server, tubes) == [f"{box}:{'ABC'[place // 9]}{place % 9 + 1}" for place in range(20)]
    assert [line.split(" Stored ")[1].split()[0] for line in tape(station)] == ["C2", "C1", *(f"B{n}" for n in range(9, 1, -1))]


# ---- verdicts --------------------------------------------------------------------------------------------------------


def test_three_refusals_read_look_and_sound_different(station: Screen, server: Server, stock: Stock, request: pytest.FixtureRequest) -> None:
    """Mistyped, in the wrong place, not allowed: each says what to do now. The verdict stays until the next scan."""
    number = 0 if "desk" in request.node.name else 1
    page, box, tubes = station.page, stock.boxes[2 + number], stock.tubes[44 + 2 * number :][:2]
    missing = stock.expected[-1 - number]
    seen: dict[str, tuple[str, str, tuple[int, ...]]] = {}

    def met(word: str, *more: str) -> None:
        block = station.verdict(word, *more)
        expect(block).to_be_in_viewport()
        colour = block.evaluate("block => getComputedStyle(block).backgroundColor")
        seen[word] = (plain(block.inner_text()), colour, tuple(page.evaluate("heard.splice(0)")))
        assert shoot(page, f"scan-{word.lower().replace(' ', '-')}") == []

    page.keyboard.press("F5")
    station.scan(box)
    met("Open", "A1")
    station.scan(tubes[0])
    met("Stored", spaced(tubes[0]), "A1")
    mistyped = tubes[1][:-1] + ("0" if tubes[1][-1] != "0" else "1")
    station.scan(mistyped)
    met("Scan again", spaced(mistyped))
    station.scan("A1")
    station.scan(tubes[1])
    met("Not here", spaced(tubes[0]), "A2")
    page.keyboard.press("F7")
    station.scan(missing)
    met("Stop", spaced(missing))
    page.keyboard.press("F3")
    page.get_by_label("Arrived").select_option("leaked")
    station.scan(stock.expected[4 + number])
    met("Set aside", spaced(stock.expected[4 + number]))
    expect(page.get_by_label("Arrived")).to_have_value("good")
    del seen["Open"]
    for place in range(3):
        looks = [one[place] for one in seen.values()]
        assert len(set(looks)) == len(seen) == 5, looks
    page.wait_for_timeout(1_500)
    station.verdict("Set aside")
    assert server.caller("technician").get(f"/specimens/{tubes[1]}").body["position"] is None


def test_a_code_nobody_knows_and_one_of_another_kind(bench: Screen) -> None:
    """A right check character alone makes no tube; a word is no code."""
    bench.page.keyboard.press("F5")
    for scanned in ("SB4DR120", "7391234567891", "HELLO"):
        bench.scan(scanned)
        bench.verdict("Scan again")
        bench.page.keyboard.press("F1")


# ---- modes -----------------------------------------------------------------------------------------------------------


def test_modes_are_chosen_by_keys_alone(bench: Screen) -> None:
    """Function keys, the mode's name as a command card types it, and the list by arrows."""
    for key, title in MODES.items():
        bench.page.keyboard.press(key)
        assert chosen(bench) == title
        expect(field(bench)).to_be_focused()
    for name, title in (("RECEIVE", "Receive"), ("check-out", "Check out"), ("UNDO", "Undo")):
        bench.scan(name)
        expect(mode(bench)).to_have_value(re.compile(title.lower().replace(" ", "-")))
    bench.page.keyboard.press("F3")
    bench.page.keyboard.press("Shift+Tab")
    bench.page.keyboard.press("ArrowDown")
    bench.page.keyboard.press("Enter")
    assert chosen(bench) == "Store"


def test_undo_is_a_scan(bench: Screen, server: Server, stock: Stock) -> None:
    """The last step of a tube is taken back, and the station goes on as before."""
    box, tube = stock.boxes[4], stock.tubes[50]
    bench.page.keyboard.press("F5")
    bench.scan(box)
    bench.scan(tube)
    bench.verdict("Stored", spaced(tube), "A1")
    bench.page.keyboard.press("F12")
    bench.scan(tube)
    bench.verdict("Undone", spaced(tube))
    assert chosen(bench) == "Store"
    assert places(server, [tube]) == [None]


def test_a_double_trigger_counts_once(station: Screen, server: Server, stock: Stock, request: pytest.FixtureRequest) -> None:
    """The scanner reads the same label twice within a moment: done once, and said so. A hand that means it again is slower, or changes the mode."""
    number = 0 if "desk" in request.node.name else 1
    page, box, tube, missing = station.page, stock.boxes[8 + number], stock.tubes[72 + number], stock.expected[-3 - number]
    # The page's clock stands still but where it is told to go on: a slow machine makes no slow hand.
    page.clock.install()
    page.reload()
    station.at_the_station()
    page.clock.pause_at(datetime.fromtimestamp(page.evaluate("Date.now()") / 1000 + 1, UTC))
    page.keyboard.press("F5")
    station.scan(box)
    station.scan(tube)
    station.scan(tube)
    station.verdict("Stored", spaced(tube), "A1", "Already done")
    expect(page.get_by_text("2 done, 0 refused")).to_be_visible()
    page.clock.run_for(1_400)
    station.scan(tube, "Tab")
    station.verdict("Stored", "A1", "Already done")
    assert stored(server, [tube]) == {tube: 1}
    # The mode goes back by itself after an undo: the second reading must not store the tube again.
    page.keyboard.press("F12")
    station.scan(tube)
    station.verdict("Undone", spaced(tube))
    assert chosen(station) == "Store"
    station.scan(tube)
    station.verdict("Undone", spaced(tube), "Already done")
    assert (places(server, [tube]), stored(server, [tube])) == ([None], {tube: 1})
    page.clock.run_for(1_600)
    station.scan(tube)
    station.verdict("Stored", spaced(tube))
    expect(page.get_by_text("Already done")).to_have_count(0)
    page.keyboard.press("F7")
    station.scan(tube)
    station.verdict("Checked out", spaced(tube))
    page.keyboard.press("F8")
    station.scan(tube)
    station.verdict("Returned", spaced(tube))
    page.keyboard.press("F7")
    station.scan(missing)
    station.scan(missing)
    station.verdict("Stop", spaced(missing), "left out")
    expect(page.get_by_text("6 done, 1 refused")).to_be_visible()
    assert [line.split()[2] for line in tape(station)][:3] == ["Stop", "Returned", "Checked"]
    page.clock.resume()
    assert shoot(page, "scan-twice") == []


def test_only_what_one_may_do_is_offered(browser: Browser, server: Server) -> None:
    """The diagnostic laboratory releases; it does not move tubes."""
    ((_, tube),) = primaries(server, 60, 1)
    with at_station(browser, server, login="diagnostics") as screen:
        offered = [plain(option) for option in mode(screen).get_by_role("option").all_inner_texts()]
        assert offered == ["Look up · F1", "Release · F4"]
        screen.page.keyboard.press("F4")
        screen.scan(tube)
        expect(screen.page.get_by_role("region", name="Last ten scans").get_by_role("listitem")).to_have_count(1)


# ---- the network -----------------------------------------------------------------------------------------------------


def test_a_server_that_dies_applies_each_scan_once(browser: Browser, server: Server, stock: Stock) -> None:
    """Scans go on being typed while nobody answers; they are kept, said to be kept, and sent in order when the server is back."""
    box, tubes = stock.boxes[5], stock.tubes[52:67]
    with at_station(browser, server) as screen:
        screen.page.keyboard.press("F5")
        for code in (box, *tubes[:8]):
            screen.scan(code)
        server.kill()
        for tube in tubes[8:]:
            screen.scan(tube)
        expect(screen.page.get_by_text(re.compile(r"^\d+ not sent$"))).to_be_visible()
        screen.verdict("Kept here", "No network")
        assert shoot(screen.page, "scan-kept-here") == []
        server.start()
        expect(screen.page.get_by_text("All sent")).to_be_visible(timeout=40_000)
        expect(screen.page.get_by_text("16 done, 0 refused")).to_be_visible()
        screen.verdict("Stored", spaced(tubes[-1]))
    assert places(server, tubes) == [f"{box}:{'AB'[place // 9]}{place % 9 + 1}" for place in range(15)]
    assert stored(server, tubes) == dict.fromkeys(tubes, 1)


def test_a_session_that_ended_keeps_the_scan(browser: Browser, server: Server, stock: Stock) -> None:
    """Signed out in another window: the scan waits until somebody signs in again, and is then applied."""
    box, tube = stock.boxes[6], stock.tubes[70]
    with at_station(browser, server) as screen:
        screen.page.keyboard.press("F5")
        screen.scan(box)
        screen.verdict("Open")
        other = Screen(screen.page.context.new_page(), screen.address)
        other.page.goto(screen.address)
        other.sign_out()
        screen.page.bring_to_front()
        screen.scan(tube)
        screen.verdict("Kept here", "signed out")
        other.sign_in("second")
        screen.page.bring_to_front()
        screen.verdict("Kept here", "Somebody else signed in")
        assert stored(server, [tube]) == {tube: 0}
        other.page.bring_to_front()
        other.sign_out()
        other.sign_in("technician")
        screen.page.bring_to_front()
        screen.verdict("Stored", spaced(tube), "A1")
    assert stored(server, [tube]) == {tube: 1}


def stored(server: Server, tubes: list[str]) -> dict[str, int]:
    """How often each tube was stored, as the ledger has it."""
    query = text("SELECT c.ref FROM entry e JOIN chain c ON c.id = e.chain_id WHERE c.kind = 'specimen' AND e.act = 'store'")
    with server.units.read() as work:
        found = Counter(work.session.execute(query).scalars())
    return {tube: found[tube] for tube in tubes}
