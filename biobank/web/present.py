"""How values read on a page: codes, quantities, days and moments in the site's zone, faults at their fields, and the frame of every page.

Everything here answers in the reader's language; nothing here knows a tube.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import quote
from zoneinfo import ZoneInfo

from babel.dates import format_date, format_datetime, format_time
from flask import Response, current_app, g, redirect, request
from flask_babel import Babel, get_locale, gettext
from flask_bootstrap import Bootstrap5
from markupsafe import Markup

from biobank.core.clock import Clock
from biobank.core.codes import LENGTH, spaced
from biobank.core.errors import N_, Refusal
from biobank.core.units import Quantity, quantity_json
from biobank.core.work import Actor, Work
from biobank.settings import Settings
from biobank.web.blueprint import public
from biobank.web.dispatch import Service
from biobank.web.headers import set_headers

NBSP = "\u00a0"
NARROW = "\u202f"
LANGUAGE_COOKIE = "language"
# Beside the package's code, wherever it is installed.
TRANSLATIONS = str(Path(__file__).parent.parent / "translations")
# Units as people read them.
UNIT_WORDS = {"uL": "µL", "Mcells": N_("M cells"), "kcells": N_("k cells"), "cells": N_("cells"), "pieces": N_("pieces")}


@dataclass(frozen=True, slots=True)
class NavEntry:
    """One entry of the menu: shown when the page exists and the person holds the permission somewhere."""

    href: str
    title: str
    permission: str | None


NAV = (
    NavEntry("/", N_("Home"), None),
    NavEntry("/scan", N_("Scan"), "scan"),
    NavEntry("/participants", N_("Participants"), "read-participants"),
    NavEntry("/collections", N_("Collection"), "read-specimens"),
    NavEntry("/storage", N_("Storage"), "read-storage"),
    NavEntry("/availability", N_("Availability"), "read-availability"),
    NavEntry("/requests", N_("Requests"), "read-requests"),
    NavEntry("/studies", N_("Studies"), "read-studies"),
    NavEntry("/audit", N_("Audit"), "verify"),
)


def current_actor() -> Actor | None:
    """Who reads this page: the actor of the request's unit of work, None when nobody signed in."""
    work = g.get("work")
    return work.actor if isinstance(work, Work) else None


def put_back(work: Work, refusal: Refusal) -> dict[str, Any]:
    """For a form that was refused and is shown again: undo what the unit has written so far, and give the refusal as the form shows it."""
    work.session.rollback()
    work.events.clear()
    work.memo.clear()
    return refusal_view(refusal)


def language() -> str:
    """The reader's language as a two-letter code."""
    locale = get_locale()
    return str(locale.language) if locale else "en"


def code(value: str | None) -> Markup:
    """`SB4DR120` as `SB4D R120`, monospaced and never broken."""
    if not value:
        return Markup("")
    shown = spaced(value).replace(" ", NBSP) if len(value) == LENGTH else value
    return Markup('<code class="code">{}</code>').format(shown)


def number(value: Decimal | float | int) -> str:
    """A number with narrow spaces between thousands, the decimal sign of the language and a true minus sign."""
    exact = Decimal(str(value)).normalize()
    text = f"{exact:,f}".replace(",", NARROW).replace("-", "−")
    return text.replace(".", ",") if language() == "nl" else text


def unit_word(unit: str) -> str:
    """A unit as people read it: µL, M cells."""
    word = UNIT_WORDS.get(unit, unit)
    return gettext(word) if word in {"M cells", "k cells", "cells", "pieces"} else word


def quantity_parts(amount: Any, unit: str = "") -> tuple[str, str]:
    """(number, unit) of a Quantity, a JSON quantity, or an amount in base units with its base unit; ("", word) when unknown."""
    if isinstance(amount, Quantity):
        amount = amount.as_json()
    elif isinstance(amount, int) and unit:
        amount = quantity_json(amount, unit)
    if not isinstance(amount, Mapping) or amount.get("value") is None:
        return "", gettext("unknown amount")
    return number(amount["value"]), unit_word(str(amount["unit"]))


def quantity(amount: Any, unit: str = "") -> Markup:
    """A quantity with its unit in softer ink."""
    value, word = quantity_parts(amount, unit)
    if not value:
        return Markup('<span class="soft">{}</span>').format(word)
    return Markup('{}\u00a0<span class="unit">{}</span>').format(value, word)


def quantity_text(amount: Any, unit: str = "") -> str:
    """A quantity as plain text, for labels and pictures."""
    value, word = quantity_parts(amount, unit)
    return f"{value}{NBSP}{word}" if value else word


def _local(at: datetime) -> datetime:
    zone: ZoneInfo = current_app.extensions["biobank-zone"]
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(zone)


def _as_date(value: date | datetime | str) -> date:
    if isinstance(value, datetime):
        return _local(value).date()
    return date.fromisoformat(value) if isinstance(value, str) else value


def day(value: date | datetime | str | None, style: str = "d MMM y") -> str:
    """`20 Nov 2026`; a moment is first moved to the site's zone. `style` is a CLDR pattern."""
    return format_date(_as_date(value), style, locale=language()) if value else ""


def moment(value: datetime | None, seconds: bool = False) -> str:
    """`20 Nov 2026, 14:05` in the site's zone."""
    if value is None:
        return ""
    return format_datetime(_local(value), f"d MMM y, HH:mm{':ss' if seconds else ''}", locale=language())


def clock_time(value: datetime | None, seconds: bool = False) -> str:
    """`14:05` in the site's zone."""
    return format_time(_local(value), f"HH:mm{':ss' if seconds else ''}", locale=language()) if value else ""


def span(seconds: float | int | None) -> str:
    """A length of time in two units at most: `2 h 52 min`, `3 d 4 h`, `40 s`."""
    if seconds is None:
        return ""
    minutes, rest = divmod(int(abs(seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{days} d {hours} h" if hours else f"{days} d"
    if hours:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    return f"{minutes} min" if minutes else f"{rest} s"


def field_id(pointer: str) -> str:
    """The HTML id of the field that a JSON pointer means."""
    return "f-" + pointer.strip("/").replace("/", "-")


def field_name(pointer: str) -> str:
    """A JSON pointer in words: `/birth_date` reads “birth date”."""
    return pointer.strip("/").replace("_", " ").replace("/", " › ") or gettext("request")


def refusal_view(refusal: Refusal) -> dict[str, Any]:
    """A refusal in the reader's language, for `refusal_note`, `field` and the problem page."""
    template = gettext(refusal.template)
    # For the request's line in the log.
    g.problem = refusal.slug()
    return {
        "status": refusal.status,
        "slug": refusal.slug(),
        "title": gettext(refusal.title),
        "detail": template % refusal.facts if refusal.facts else template,
        "faults": [{"pointer": f.pointer, "message": gettext(f.message), "met": f.met} for f in refusal.faults],
    }


def fault_at(refusal: Mapping[str, Any] | None, name: str) -> str:
    """The fault of one field of a form; a form field `volume` also takes the faults of `/volume/unit`."""
    if not refusal:
        return ""
    wanted = name.replace(".", "/").strip("/")
    found = [f["message"] for f in refusal["faults"] if f["pointer"].strip("/") == wanted or f["pointer"].strip("/").startswith(wanted + "/")]
    return "; ".join(found)


def site_nav() -> list[dict[str, str]]:
    """The entries of the menu that exist here and that this person may open."""
    paths: set[str] | None = current_app.extensions.get("biobank-paths")
    if paths is None:
        paths = current_app.extensions["biobank-paths"] = {rule.rule for rule in current_app.url_map.iter_rules()}
    return [{"href": entry.href, "title": gettext(entry.title)} for entry in NAV if entry.href in paths and may_open(entry.permission)]


def may_open(permission: str | None) -> bool:
    """Whether the reader of this page holds the permission somewhere; None asks for none. In templates: `may("scan")`."""
    if permission is None:
        return True
    app = current_app._get_current_object()  # type: ignore[attr-defined]
    return current_actor() is not None and bool(app.allows(g.work, permission))


def language_url(code_: str) -> str:
    """Where the language switch leads: back to this page when it was a reading one."""
    back = request.full_path.rstrip("?") if request.method == "GET" else "/"
    return f"/language/{code_}?next={quote(back, safe='/')}"


def local_path(given: str | None) -> str:
    """`given` when it is a path of this installation, else the home page: a link must not lead a person elsewhere."""
    if not given or not given.startswith("/") or given.startswith("//") or "\\" in given or any(ord(c) < 32 for c in given):
        return "/"
    return given


def _choose_language() -> str | None:
    languages: tuple[str, ...] = current_app.extensions["biobank-languages"]
    chosen = request.cookies.get(LANGUAGE_COOKIE)
    if chosen in languages:
        return chosen
    return request.accept_languages.best_match(languages) or languages[0]


def switch_language(code_: str) -> Response:
    """Keep the chosen language in a cookie and go back."""
    answer = redirect(local_path(request.args.get("next")))
    if code_ in current_app.extensions["biobank-languages"]:
        secure = bool(current_app.config["SESSION_COOKIE_SECURE"])
        answer.set_cookie(LANGUAGE_COOKIE, code_, max_age=365 * 86400, httponly=True, samesite="Lax", secure=secure)
    return answer  # type: ignore[return-value]


def in_language(english: str, dutch: str | None) -> str:
    """One of two titles that data files carry side by side."""
    return dutch if dutch and language() == "nl" else english


def mark_first(text: Any) -> str:
    """The text with a capital first letter: for words that open a sentence in any language."""
    plain = str(text)
    return plain[:1].upper() + plain[1:]


FILTERS: dict[str, Callable[..., Any]] = {
    "code": code,
    "quantity": quantity,
    "quantity_text": quantity_text,
    "thousands": number,
    "day": day,
    "moment": moment,
    "clock": clock_time,
    "span": span,
    "field_id": field_id,
    "field_name": field_name,
    "fault_at": fault_at,
    "mark_first": mark_first,
    "unit_word": unit_word,
    "refusal_view": refusal_view,
}


def set_up(app: Service, settings: Settings, clock: Clock) -> None:
    """Give the app its languages, filters and frame, before its blueprints are registered."""
    app.config.setdefault("BOOTSTRAP_SERVE_LOCAL", True)
    Bootstrap5(app)
    Babel(app, locale_selector=_choose_language, default_translation_directories=TRANSLATIONS, default_timezone=settings.zone.key)
    app.extensions["biobank-zone"] = settings.zone
    app.extensions["biobank-languages"] = settings.languages
    app.add_url_rule("/language/<code_>", "language", public(switch_language))
    app.jinja_env.filters.update(FILTERS)
    app.jinja_env.trim_blocks = True
    app.jinja_env.lstrip_blocks = True
    set_headers(app)

    @app.context_processor
    def frame() -> dict[str, Any]:
        site = {
            "title": settings.title, "zone": settings.zone.key, "language": language(), "languages": settings.languages, "now": clock.now(),
        }
        return {"site": site, "me": current_actor(), "site_nav": site_nav, "language_url": language_url, "may": may_open}
