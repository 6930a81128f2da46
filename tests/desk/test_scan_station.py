"""The scan station in a real browser, by keyboard alone, as a hand scanner types."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import expect
from werkzeug.serving import make_server

from biobank.web.dispatch import Service
from tests import cast
from tests.client import Client
from tests.desk.test_pages import things  # noqa: F401 - a fixture

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]


@pytest.fixture
def address(app: Service) -> Iterator[str]:
    server = make_server("127.0.0.1", 0, app, threaded=False)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join(5)
    server.server_close()


@pytest.fixture
def station(address: str, browser: Any) -> Iterator[Any]:
    context = browser.new_context(locale="en", viewport={"width": 1280, "height": 800})
    page = context.new_page()
    page.goto(f"{address}/sign-in")
    expect(page.get_by_label("Login")).to_be_focused()
    page.keyboard.type("technician")
    page.keyboard.press("Tab")
    page.keyboard.type(cast.PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url(f"{address}/")
    page.goto(f"{address}/scan")
    expect(page.get_by_text("0 done, 0 refused")).to_be_visible()
    yield page
    context.close()


# `wait_for_function` evaluates a text in the page, which the content policy forbids.
def verdict(page: Any, word: str) -> str:
    expect(page.locator(".verdict-word")).to_have_text(word)
    return str(page.inner_text("#verdict"))


def test_a_box_then_tubes_typed_without_waiting(station: Any, things: dict[str, str], api: Callable[[str], Client]) -> None:  # noqa: F811
    keys = station.keyboard
    keys.press("F5")
    # Enter, Tab and a literal \n all end a scan; nothing waits for an answer.
    keys.type(things["box"])
    keys.press("Enter")
    keys.type(f"]C1{things['other'].lower()}")
    keys.press("Tab")
    keys.type(things["marrow"] + "\\n")
    expect(station.locator("#tape li")).to_have_count(3)
    assert "A3" in verdict(station, "Stored")
    read = api("technician")
    assert read.read(f"/specimens/{things['other']}")["position"] == f"{things['box']}:A2"
    assert read.read(f"/specimens/{things['marrow']}")["position"] == f"{things['box']}:A3"


def test_each_refusal_reads_differently(station: Any, things: dict[str, str]) -> None:  # noqa: F811
    keys = station.keyboard
    keys.press("F5")
    for scanned in (things["box"], "A1", things["other"]):
        keys.type(scanned)
        keys.press("Enter")
    assert "Put this tube in A2" in verdict(station, "Not here")
    keys.type("SB4DR121")
    keys.press("Enter")
    assert "mistyped" in verdict(station, "Scan again")
    # A technician may not release: the station does not offer it, and F4 leaves the mode as it is.
    keys.press("F9")
    keys.press("F4")
    keys.type(things["marrow"])
    keys.press("Enter")
    assert "how much goes into each tube" in verdict(station, "Stop")
    assert station.input_value("#mode") == "aliquot"


def test_the_field_gets_the_focus_back(station: Any) -> None:
    station.mouse.click(300, 500)
    assert station.evaluate("document.activeElement.id") == "scan"
    station.keyboard.press("Tab")
    assert station.evaluate("document.activeElement.id") != "scan"
    station.keyboard.press("Escape")
    assert station.evaluate("document.activeElement.id") == "scan"


def test_a_scan_without_network_is_kept_and_applied_once(station: Any, things: dict[str, str], api: Callable[[str], Client]) -> None:  # noqa: F811
    keys = station.keyboard
    keys.press("F7")
    station.context.set_offline(True)
    keys.type(things["aliquot"])
    keys.press("Enter")
    assert "No network" in verdict(station, "Kept here")
    assert "1 not sent" in station.inner_text("#sent")
    station.context.set_offline(False)
    verdict(station, "Checked out")
    acts = [entry["act"] for entry in api("technician").read(f"/specimens/{things['aliquot']}/custody")["entries"]]
    assert acts.count("check-out") == 1
