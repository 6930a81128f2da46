"""What is asked of one tube."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from biobank.core.units import Quantity
from biobank.custody.rules import Place


@dataclass(frozen=True, slots=True)
class Belonging:
    """Whose a tube is, as ids."""

    participant_id: int
    enrolment_id: int
    study: str


@dataclass(frozen=True, slots=True)
class Doing:
    """One act on one tube. `facts` go into the entry as they are; free text goes into `notes`.

    `purpose` and `uses` say what is put to consent where the act table says "use" or "supply", `asked_on` for which day (None: today);
    `place` and `container_id` belong together. `anew`: consent to keep the tube is asked anew, refuses nothing, and its holds follow;
    it is that of the child in `belongs` when the tube turned out to be another's.
    """

    specimen_id: int
    act: str
    facts: Mapping[str, Any] = field(default_factory=dict)
    amount: Quantity | None = None
    measured: Quantity | None = None
    place: Place | None = None
    container_id: int | None = None
    promise: str | None = None
    purpose: str | None = None
    uses: frozenset[str] = frozenset()
    asked_on: date | None = None
    occurred_at: datetime | None = None
    notes: Mapping[str, str] | None = None
    anew: bool = False
    belongs: Belonging | None = None
