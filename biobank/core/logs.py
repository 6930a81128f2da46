"""Structured logs: one JSON line each on standard error, without personal data.

The text of an exception is never written: the database, and Python itself, repeat in it what was typed (a name, a birth date). Its type,
its code and the places in our code that it passed are written, and tell where to look.
"""

from __future__ import annotations

import logging
import sys
import traceback
from collections.abc import Iterator
from typing import Any

import structlog
from structlog.typing import EventDict, WrappedLogger

from biobank.core.trouble import code_of

# As deep as a traceback is written; the innermost calls tell the most.
FRAMES = 25


class Lines:
    """Where lines go. A log that cannot be written never stops what it tells of."""

    chatty = False

    def msg(self, line: str) -> None:
        """Write one line in one piece, so that processes do not write into each other's."""
        try:
            sys.stderr.write(line + "\n")
            sys.stderr.flush()
        except (OSError, ValueError):
            return

    debug = info = warning = error = critical = exception = msg


_lines = Lines()


def start() -> None:
    """For processes that serve: from now on everything is written, also what the libraries have to say. Before, only faults are."""
    _lines.chatty = True
    handler = logging.StreamHandler()
    handler.setFormatter(Formatter())
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)


class Formatter(logging.Formatter):
    """A library's line as one of ours. Its arguments stay out when it tells of an exception."""

    def format(self, record: logging.LogRecord) -> str:
        """One JSON line."""
        event: EventDict = {"event": str(record.msg) if record.exc_info else record.getMessage(), "logger": record.name}
        if record.exc_info:
            event["exc_info"] = record.exc_info
        level = record.levelname.lower()
        for step in PROCESSORS[1:]:
            event = step(None, level, event)  # type: ignore[assignment]
        return str(event)


def _only_faults_before_start(_: WrappedLogger, level: str, event: EventDict) -> EventDict:
    if not _lines.chatty and level != "error":
        raise structlog.DropEvent
    return event


def _without_texts(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    given = event.pop("exc_info", None)
    error = given[1] if isinstance(given, tuple) else given
    if isinstance(error, BaseException):
        event["traceback"] = told(error)
    return event


def told(error: BaseException) -> str:
    """The traceback of an exception and of those that led to it: types, codes and places, never texts."""
    parts = []
    for link in _links(error):
        frames = traceback.format_list(traceback.extract_tb(link.__traceback__)[-FRAMES:])
        code = code_of(link)
        name = f"{type(link).__module__}.{type(link).__qualname__}".removeprefix("builtins.")
        parts.append("Traceback (most recent call last):\n" + "".join(frames) + name + (f" ({code})" if code else ""))
    return "\n\n".join(parts)


def _links(error: BaseException) -> Iterator[BaseException]:
    """The first cause first."""
    chain: list[BaseException] = []
    link: BaseException | None = error
    while link is not None and link not in chain:
        chain.append(link)
        link = link.__cause__ or (None if link.__suppress_context__ else link.__context__)
    yield from reversed(chain)


PROCESSORS: tuple[structlog.typing.Processor, ...] = (
    _only_faults_before_start,
    structlog.processors.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
    _without_texts,
    structlog.processors.JSONRenderer(sort_keys=False, ensure_ascii=False),
)

log: Any = structlog.wrap_logger(_lines, processors=list(PROCESSORS), wrapper_class=structlog.BoundLogger, cache_logger_on_first_use=True)
