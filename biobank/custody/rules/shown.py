"""The one word for a tube's standing on a page or a map, although several things may be true of it at once."""

from __future__ import annotations

from typing import Protocol


class Shown(Protocol):
    """What a standing row tells."""

    @property
    def status(self) -> str: ...
    @property
    def open_holds(self) -> int: ...
    @property
    def is_out(self) -> bool: ...
    @property
    def open_reservations(self) -> int: ...
    @property
    def residual(self) -> bool: ...
    @property
    def released_on(self) -> object: ...
    @property
    def remaining(self) -> int: ...
    @property
    def certainty(self) -> str: ...


def shown_standing(row: Shown) -> str:
    """The standing that matters most to the hand: what is over, then what stops, then what is promised, then what waits.

    One of: expected, cancelled, gone, recipient, held, out, reserved, empty, unreleased, available.
    """
    over = {"expected": "expected", "cancelled": "cancelled", "gone": "gone", "with_recipient": "recipient"}.get(row.status)
    if over is not None:
        return over
    if row.open_holds:
        return "held"
    if row.is_out:
        return "out"
    if row.open_reservations:
        return "reserved"
    if row.remaining == 0 and row.certainty == "known":
        return "empty"
    return "unreleased" if row.residual and row.released_on is None else "available"
