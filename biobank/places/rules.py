"""Containers and positions in words: `C612FF2G:A1` is row A, column 1."""

from __future__ import annotations

import re

from biobank.core.errors import N_, Conflict, RuleBroken

KINDS = ("freezer", "tank", "refrigerator", "shelf", "rack", "box", "quarantine")
# Nothing but tubes stands in these; the others may hold containers, also where they count rows and columns.
FOR_TUBES = frozenset({"box"})
# Storage temperatures as the biobanking standards class them (MIABIS).
TEMPERATURES = ("room", "2to10", "-18to-35", "-60to-85", "LN")
LARGEST = 24
POSITION = re.compile(r"^\s*(?:(?P<container>[0-9A-Za-z \-]{8,12})\s*:)?\s*(?P<row>[A-Za-z])\s*0*(?P<column>[1-9]\d?)\s*$")


class PositionMistyped(RuleBroken):
    """A position that cannot be read."""

    title = N_("Position not readable")
    message = N_("“%(met)s” is not a position. Write it as C612FF2G:A1: container, colon, row letter, column number.")


class PositionOutside(RuleBroken):
    """A position the container does not have."""

    title = N_("No such position")
    message = N_("%(container)s has rows A–%(last_row)s and columns 1–%(columns)s; %(position)s lies outside.")


class NoPositions(RuleBroken):
    """Tubes stand in boxes, not in freezers or on shelves."""

    title = N_("Holds no tubes")
    message = N_("%(container)s is a %(kind)s and holds containers, not tubes. Scan the box the tube goes into.")


class ContainerFull(Conflict):
    """No free position left."""

    title = N_("Box is full")
    message = N_("%(container)s has no free position left. Scan another box.")


def position_text(row: int, column: int) -> str:
    """Row 1, column 1 as `A1`."""
    return f"{chr(64 + row)}{column}"


def parse_position(text: str) -> tuple[str | None, int, int]:
    """(container code or None, row, column) of `C612FF2G:A1`, `A1` or `A01`. Raises PositionMistyped."""
    match = POSITION.match(text)
    if match is None:
        raise PositionMistyped(met=text[:60])
    return match["container"], ord(match["row"].upper()) - 64, int(match["column"])
