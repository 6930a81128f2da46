"""The reader's language, typed: `_("Storage")` in page modules is extracted into the message catalogue and answers a plain string."""

from __future__ import annotations

from typing import Any

from flask_babel import gettext


def _(text: str, **facts: Any) -> str:
    """The text in the reader's language, with its named places filled."""
    return str(gettext(text, **facts))
