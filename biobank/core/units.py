"""Quantities: a value with its unit at the edge, an integer in the base unit inside. No floats are ever kept.

Base units: nanolitre (`nL`) for volumes, `cells` for cell counts, `pieces` for slides and the like.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from biobank.core.errors import Fault, FieldsWrong

# unit as written -> (base unit, how many base units)
UNITS: dict[str, tuple[str, int]] = {
    "nL": ("nL", 1),
    "uL": ("nL", 1_000),
    "µL": ("nL", 1_000),
    "mL": ("nL", 1_000_000),
    "L": ("nL", 1_000_000_000),
    "cells": ("cells", 1),
    "kcells": ("cells", 1_000),
    "Mcells": ("cells", 1_000_000),
    "pieces": ("pieces", 1),
}
BASE_UNITS = ("nL", "cells", "pieces")
# More than one litre or 10^15 cells in one tube is a slip of the finger; it also keeps every sum inside 2^53.
BEYOND = 10**16
LARGEST = {"nL": 1_000_000_000, "cells": 10**15, "pieces": 10**6}
SHOWN_IN: dict[str, tuple[tuple[int, str], ...]] = {
    "nL": ((1_000_000, "mL"), (1_000, "uL"), (1, "nL")),
    "cells": ((1_000_000, "Mcells"), (1, "cells")),
    "pieces": ((1, "pieces"),),
}


@dataclass(frozen=True, slots=True)
class Quantity:
    """An amount in its base unit: `Quantity(250_000, "nL")` is 250 µL."""

    amount: int
    unit: str

    def as_json(self) -> dict[str, Any]:
        """`{"value", "unit", "base"}`: readable unit, and the exact integer in base units."""
        return quantity_json(self.amount, self.unit)

    def __str__(self) -> str:
        shown = self.as_json()
        return f"{shown['value']:g} {shown['unit'].replace('uL', 'µL')}"


def readable(amount: int, unit: str) -> tuple[Decimal, str]:
    """The value in the unit people read. Volumes of a millilitre and more are told in mL, smaller ones in µL."""
    for factor, name in SHOWN_IN[unit]:
        if abs(amount) >= factor:
            return Decimal(amount) / factor, name
    return Decimal(0), {"nL": "uL"}.get(unit, unit)


def quantity_json(amount: int | None, unit: str) -> dict[str, Any]:
    """A quantity as it leaves the API; `base` is the exact integer, `value` the same in a readable unit. Unknown: value null."""
    if amount is None:
        return {"value": None, "unit": unit, "base": None, "base_unit": unit}
    value, name = readable(amount, unit)
    number: int | float = int(value) if value == value.to_integral_value() else float(value)
    return {"value": number, "unit": name, "base": amount, "base_unit": unit}


def parse_quantity(given: Any, pointer: str = "/volume", kind: str | None = None, *, zero: bool = False) -> Quantity:
    """Read `{"value": 250, "unit": "uL"}` exactly.

    `kind` is the base unit expected (`nL`, `cells`, `pieces`); None accepts any. `zero` allows nothing at all.
    Raises FieldsWrong for a missing or unknown unit, another kind, a negative or zero value, a fraction of the base unit, or more than
    any tube holds.
    """
    if not isinstance(given, dict) or set(given) - {"base", "base_unit"} != {"value", "unit"}:
        raise FieldsWrong([Fault(pointer, 'give a value and a unit, as {"value": 250, "unit": "uL"}', given)])
    unit = given["unit"]
    if not isinstance(unit, str) or unit not in UNITS:
        raise FieldsWrong([Fault(f"{pointer}/unit", f"use one of {', '.join(UNITS)}", unit)])
    base, factor = UNITS[unit]
    if kind is not None and base != kind:
        fitting = ", ".join(name for name, (of, _) in UNITS.items() if of == kind)
        raise FieldsWrong([Fault(f"{pointer}/unit", f"this is measured in {kind}, so use one of {fitting}", unit)])
    amount = _whole(given["value"], factor, pointer, base)
    if amount < 0 or (amount == 0 and not zero):
        raise FieldsWrong([Fault(f"{pointer}/value", "give a value above zero" if not zero else "give zero or more", str(given["value"]))])
    if amount > LARGEST[base]:
        raise FieldsWrong([Fault(f"{pointer}/value", f"no tube holds more than {Quantity(LARGEST[base], base)}", str(given["value"]))])
    return Quantity(amount, base)


def _whole(value: Any, factor: int, pointer: str, base: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int | float | str | Decimal):
        raise FieldsWrong([Fault(f"{pointer}/value", "give a number", value)])
    try:
        exact = Decimal(str(value)) * factor
    except ArithmeticError:
        raise FieldsWrong([Fault(f"{pointer}/value", "give a number", str(value)[:40])]) from None
    if not exact.is_finite() or abs(exact) > BEYOND:
        raise FieldsWrong([Fault(f"{pointer}/value", "give a number that fits in a tube", str(value)[:40])])
    whole = exact.to_integral_value()
    if exact != whole:
        raise FieldsWrong([Fault(f"{pointer}/value", f"give a whole number of {base}; smaller parts are not kept", str(value))])
    return int(whole)
