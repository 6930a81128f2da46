"""Lists: `{"items": […], "next": URL or null}`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar
from urllib.parse import urlencode

import flask

T = TypeVar("T")


def page(items: Sequence[T], limit: int, key: Callable[[T], str]) -> dict[str, Any]:
    """One page from a query that asked for `limit + 1` items: the surplus one tells that there is a next page."""
    shown = list(items[:limit])
    following = None
    if len(items) > limit:
        asked = {**flask.request.args.to_dict(), "after": key(shown[-1])}
        following = f"{flask.request.path}?{urlencode(asked)}"
    return {"items": shown, "next": following}
