"""Times at the edge: RFC 3339 with an offset in, UTC out."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

from biobank.core.errors import Fault, FieldsWrong

AHEAD_AT_MOST = timedelta(minutes=2)


def stamp(at: datetime) -> str:
    """A time as it is hashed and sent: UTC, microseconds, `Z`. The same in any zone and locale."""
    return at.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def parse_stamp(text: str) -> datetime:
    """The time that `stamp` wrote."""
    return datetime.fromisoformat(text)


def aware(at: datetime, pointer: str) -> datetime:
    """`at` in UTC. Raises FieldsWrong for a time without an offset."""
    if at.tzinfo is None:
        raise FieldsWrong([Fault(pointer, "give the time with its offset, as 2026-11-20T09:30:00+01:00", at.isoformat())])
    try:
        return at.astimezone(UTC)
    except OverflowError:
        raise FieldsWrong([Fault(pointer, "give a time between the years 1 and 9999, also in UTC", at.isoformat())]) from None


def not_ahead(at: datetime | None, now: datetime, pointer: str = "/occurred_at") -> datetime:
    """When it happened: `now` when not told. Raises FieldsWrong for a naive time or one more than two minutes ahead."""
    if at is None:
        return now
    at = aware(at, pointer)
    if at > now + AHEAD_AT_MOST:
        right = f"this lies ahead of the server's clock ({stamp(now)}) by more than 2 minutes; check the station's clock"
        raise FieldsWrong([Fault(pointer, right, stamp(at))])
    return at


def day_not_ahead(day: date, today: date, pointer: str) -> date:
    """A day that must not lie in the future."""
    if day > today:
        raise FieldsWrong([Fault(pointer, f"give a day up to today, {today.isoformat()}", day.isoformat())])
    return day
