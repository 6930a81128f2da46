"""Databases that keep what is written, for processes of their own; and a real mail server that can misbehave."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from email import message_from_bytes
from email.message import Message
from pathlib import Path
from random import Random
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from sqlalchemy import text

from biobank.app import make_units, upgrade_database
from biobank.cli.instance import lay_ground
from biobank.core.clock import SetClock
from biobank.core.work import Units
from biobank.settings import Settings, load_settings
from tests import cast
from tests.conftest import ENGINES

NOW = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)


@dataclass(slots=True)
class Ground:
    """An instance with its database, on which every unit is kept."""

    engine: str
    settings: Settings
    units: Units
    clock: SetClock
    tokens: dict[str, str]

    def clear(self, *tables: str) -> None:
        """Empty tables that may be emptied."""
        with self.units.write() as work:
            for table in tables:
                work.session.execute(text(f"DELETE FROM {table}"))

    def with_settings(self, **changed: Any) -> Settings:
        """The same with other settings."""
        return replace(self.settings, **changed)


@pytest.fixture(scope="session", params=ENGINES)
def laid(
    request: pytest.FixtureRequest, new_database: Callable[[str, str], str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, str, dict[str, str]]]:
    """Engine, address and tokens of a migrated database with vocabularies, studies and the cast, made once."""
    url = new_database(request.param, "operations")
    upgrade_database(url)
    units = make_units(load_settings(tmp_path_factory.mktemp("laid"), url), clock=SetClock(NOW), random=Random(3))
    with units.write() as work:
        lay_ground(work)
        tokens = cast.seat(work)
    units.sessions.engine.dispose()  # type: ignore[attr-defined]
    yield request.param, url, tokens


@pytest.fixture
def ground(laid: tuple[str, str, dict[str, str]], tmp_path: Path) -> Iterator[Ground]:
    """An instance folder of the test's own on the kept database."""
    engine, url, tokens = laid
    settings = load_settings(tmp_path, url)
    clock = SetClock(NOW)
    units = make_units(settings, clock=clock, random=Random(5))
    made = Ground(engine, settings, units, clock, tokens)
    made.clear("outbox", "idempotency")
    yield made
    units.sessions.engine.dispose()  # type: ignore[attr-defined]


@dataclass(slots=True)
class PostOffice:
    """A mail server: `answers` are used up one by one, then it takes everything. `drop` cuts the line instead of answering."""

    port: int = 0
    taken: list[Message] = field(default_factory=list)
    answers: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    secrets: list[tuple[bytes, bytes]] = field(default_factory=list)

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: list[str]) -> str:
        if address in self.refused:
            return "550 no such box"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        answer = self.answers.pop(0) if self.answers else "250 taken"
        if answer.startswith(("250", "drop")):
            self.taken.append(message_from_bytes(envelope.content))
        if answer == "drop":
            server.transport.abort()
            # Never answered: the line is cut.
            await asyncio.sleep(30)
        return answer


@pytest.fixture
def post_office() -> Iterator[PostOffice]:
    """A mail server on a free loopback port."""
    office = PostOffice()
    with serving_mail(office):
        yield office


def serving_mail(office: PostOffice, tls: ssl.SSLContext | None = None, **options: Any) -> Any:
    """The server of an office, while the block lasts."""
    @contextlib.contextmanager
    def running() -> Iterator[PostOffice]:
        with socket.socket() as one:
            one.bind(("127.0.0.1", 0))
            office.port = one.getsockname()[1]
        controller = Controller(office, hostname="127.0.0.1", port=office.port, tls_context=tls, require_starttls=tls is not None, **options)
        controller.start()
        try:
            yield office
        finally:
            controller.stop()

    return running()
