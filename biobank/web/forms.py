"""Reading the fields of a sent form; a wrong one is a FieldsWrong at the field's own pointer."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

import flask

from biobank.core.errors import Fault, FieldsWrong, fault
from biobank.core.units import BASE_UNITS, Quantity, parse_quantity
from biobank.core.work import Work


def text(name: str) -> str:
    """A field as text without outer spaces; empty when it was not sent."""
    return flask.request.form.get(name, "").strip()


def needed(name: str, message: str) -> str:
    """A field that must be filled."""
    value = text(name)
    if not value:
        raise fault(f"/{name}", message)
    return value


def one_of(name: str, known: Sequence[str]) -> str:
    """A field with one of these values."""
    value = text(name)
    if value not in known:
        raise fault(f"/{name}", f"use one of {', '.join(known)}", value)
    return value


def whole_or_none(name: str) -> int | None:
    """A whole number, or None when the field is empty."""
    value = text(name)
    if not value:
        return None
    try:
        return int(value)
    except ValueError:
        raise fault(f"/{name}", "give a whole number", value[:40]) from None


def whole(name: str) -> int:
    """A whole number."""
    value = whole_or_none(name)
    if value is None:
        raise fault(f"/{name}", "give a whole number")
    return value


def tenths(name: str) -> int | None:
    """A number with at most one decimal, in tenths."""
    value = text(name).replace(",", ".")
    if not value:
        return None
    try:
        exact = Decimal(value) * 10
    except InvalidOperation:
        raise fault(f"/{name}", "give a number", value[:40]) from None
    if not exact.is_finite() or exact != exact.to_integral_value() or abs(exact) > 10_000:
        raise fault(f"/{name}", "give a number with at most one decimal", value[:40])
    return int(exact)


def amount(name: str, *, required: bool = False) -> Quantity | None:
    """A quantity from the fields `name` and `name.unit`; None when empty and not required."""
    value = text(name).replace(",", ".")
    if not value:
        if required:
            raise fault(f"/{name}", "give an amount and its unit")
        return None
    return parse_quantity({"value": value, "unit": text(f"{name}.unit") or "uL"}, f"/{name}")


def amount_fact(name: str, unit: str) -> dict[str, Any]:
    """A quantity as the fact of an act: `volume`, `cells` or `pieces`, by the tube's base unit."""
    value = text(name).replace(",", ".")
    fact = dict(zip(BASE_UNITS, ("volume", "cells", "pieces"), strict=True))[unit]
    return {fact: {"value": value, "unit": text(f"{name}.unit") or "uL"}}


def day_or_none(name: str) -> date | None:
    """A day, or None when the field is empty."""
    value = text(name)
    if not value:
        return None
    try:
        return date.fromisoformat(value)
    except ValueError:
        raise fault(f"/{name}", "give a day as 2026-11-20", value[:40]) from None


def day(name: str) -> date:
    """A day."""
    value = day_or_none(name)
    if value is None:
        raise FieldsWrong([Fault(f"/{name}", "give a day as 2026-11-20")])
    return value


def moment_or_none(work: Work, name: str) -> datetime | None:
    """A local time of the site as the browser sends it, made aware; None when the field is empty."""
    value = text(name)
    if not value:
        return None
    try:
        return datetime.fromisoformat(value).replace(tzinfo=work.zone)
    except ValueError:
        raise fault(f"/{name}", "give a day and time as 2026-11-20T09:30", value[:40]) from None
