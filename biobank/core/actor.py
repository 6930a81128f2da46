"""Who acts, and with which roles."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Grant:
    """A role held by a person, in one study and at one organisation, or everywhere (None)."""

    role: str
    study: str | None = None
    organisation: str | None = None


@dataclass(frozen=True, slots=True)
class Actor:
    """Who is doing this. `organisation` is the code of the one the person works for."""

    id: int
    login: str
    organisation: str
    grants: tuple[Grant, ...]
