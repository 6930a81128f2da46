"""What a person does at a screen: signs in, types, scans, reads. Nothing here looks behind the page."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any, Literal

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, ConsoleMessage, Locator, Page, Response, expect

from tests import cast

SHOTS = Path("build/screenshots")
DESK, PHONE = (1280, 800), (390, 844)
SIZES = {"desk": DESK, "phone": PHONE}
CODE = re.compile(r"\b[BCDFGHJKNPRSTVX][0-9BCDFGHJKNPRSTVX]{3}[ \u00a0][0-9BCDFGHJKNPRSTVX]{4}\b")


@dataclass(slots=True)
class Screen:
    """One browser window of one person, and what it complained of."""

    page: Page
    address: str
    faults: list[str] = field(default_factory=list)

    def sign_in(self, login: str, password: str = cast.PASSWORD) -> None:
        """Sign in by the form."""
        self.page.goto(f"{self.address}/sign-in")
        self.page.get_by_label("Login").fill(login)
        self.page.get_by_label("Password").fill(password)
        self.page.get_by_role("button", name="Sign in").click()
        expect(self.page.get_by_role("button", name="Sign out")).to_be_visible()

    def sign_out(self) -> None:
        """Leave."""
        self.page.get_by_role("button", name="Sign out").click()
        expect(self.page.get_by_role("button", name="Sign in")).to_be_visible()

    def open(self, entry: str) -> None:
        """Choose an entry of the menu."""
        self.page.get_by_role("navigation", name="Main").get_by_role("link", name=entry, exact=True).click()

    def find(self, code: str) -> None:
        """Type a code into the field of the bar."""
        self.page.get_by_label("Find a code").fill(code)
        self.page.get_by_label("Find a code").press("Enter")

    def heading(self) -> str:
        """The title of the page, as it reads."""
        return plain(self.page.get_by_role("heading", level=1).inner_text())

    def scan(self, text: str, end: str = "Enter") -> None:
        """What a scanner does: types as fast as it can, then its suffix. It never asks where the focus is."""
        self.page.keyboard.type(text)
        if end:
            self.page.keyboard.press(end)

    def at_the_station(self) -> None:
        """Wait until the scan station is ready."""
        expect(self.page.get_by_text(re.compile(r"^\d+ done, \d+ refused$"))).to_be_visible()

    def verdict(self, word: str, *more: str) -> Locator:
        """Wait until the verdict says this."""
        block = self.page.get_by_role("status").filter(has=self.page.get_by_text(word, exact=True))
        expect(block).to_be_visible()
        for text in more:
            expect(block).to_contain_text(text)
        return block


def plain(text: str) -> str:
    """The text with ordinary spaces."""
    return " ".join(text.split())


def spaced(code: str) -> str:
    """`SB4D R120`, as it is printed."""
    return f"{code[:4]}\u00a0{code[4:]}"


def codes(text: str) -> list[str]:
    """The codes that can be read in a text, without their space."""
    return [found.replace(" ", "").replace("\u00a0", "") for found in CODE.findall(text)]


def choose(box: Locator, beginning: str) -> None:
    """Choose the option of a list whose words begin so."""
    words = [plain(option) for option in box.get_by_role("option").all_inner_texts()]
    box.select_option(index=next(place for place, text in enumerate(words) if text.startswith(beginning)))


def shoot(page: Page, name: str, schemes: tuple[Literal["light", "dark"], ...] = ("light", "dark")) -> list[str]:
    """Pictures of the page as it is, for eyes, in build/screenshots; and what axe finds."""
    SHOTS.mkdir(parents=True, exist_ok=True)
    size = page.viewport_size
    assert size is not None
    found = []
    for scheme in schemes:
        page.emulate_media(color_scheme=scheme)
        page.screenshot(path=SHOTS / f"{name}-{size['width']}-{scheme}.png", full_page=True)
        found += [f"{size['width']} {scheme}: {line}" for line in axe(page)]
    page.emulate_media(color_scheme=schemes[0])
    wide = page.evaluate("document.documentElement.scrollWidth")
    return found if wide <= size["width"] else [*found, f"the page is {wide} wide on a screen of {size['width']}"]


def axe(page: Page) -> list[str]:
    """What axe finds, with the elements."""
    if not page.evaluate("'axe' in window"):
        page.evaluate(Axe().axe_script)
    answer: dict[str, Any] = page.evaluate("axe.run({resultTypes: ['violations']})")
    return [f"{one['id']}: {', '.join(str(node['target'][0]) for node in one['nodes'][:3])}" for one in answer["violations"]]


def type_day(box: Locator, day: date) -> None:
    """Type a day into a date field, digit by digit, as it stands in an English browser: month, day, year."""
    box.press_sequentially(day.strftime("%m%d%Y"))
    expect(box).to_have_value(day.isoformat())


@contextmanager
def sitting(
    browser: Browser, address: str, size: tuple[int, int] = DESK, scheme: Literal["light", "dark"] = "light", language: str = "en-US"
) -> Iterator[Screen]:
    """A window; at the end whatever it complained of is a fault: script errors, what the content policy stopped, answers of 500."""
    context = browser.new_context(
        viewport={"width": size[0], "height": size[1]}, color_scheme=scheme, locale=language, timezone_id="Europe/Amsterdam",
        has_touch=size == PHONE,
    )
    context.set_default_timeout(8_000)
    screen = Screen(context.new_page(), address)

    def heard(message: ConsoleMessage) -> None:
        # The browser itself writes a line for each answer of 400 and more; a refusal is no fault of the page.
        if message.type in {"error", "warning"} and not message.text.startswith("Failed to load resource"):
            screen.faults.append(f"{message.type}: {message.text}")

    def answered(response: Response) -> None:
        if response.status >= 500 or (response.status == 404 and "/static/" in response.url):
            screen.faults.append(f"{response.status}: {response.url}")

    screen.page.on("console", heard)
    screen.page.on("pageerror", lambda error: screen.faults.append(f"script: {error}"))
    screen.page.on("response", answered)
    try:
        yield screen
    finally:
        context.close()
    assert screen.faults == []
