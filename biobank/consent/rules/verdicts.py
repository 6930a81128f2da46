"""From the periods of the components to a verdict for a purpose."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from biobank.consent.rules.fold import Period, reasons_on, stopped_on
from biobank.studies.rules import StudyDefinition, components_for

# Kept with every verdict; raise it when the meaning of the rules changes.
RULES_VERSION = "1"
# Reasons that may still turn into a yes by themselves: for these a preserve act passes while the deadline is open.
WAITING = frozenset({"no-decision", "signatory-missing"})


@dataclass(frozen=True, slots=True)
class Reason:
    """Why something is refused: a code, the component it concerns, and facts."""

    code: str
    component: str | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """As it is sent and kept."""
        return {"code": self.code, "component": self.component, **self.facts}

    def __str__(self) -> str:
        roles = self.facts.get("roles")
        return f"{self.code}({', '.join(roles)})" if roles else self.code


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a purpose is granted on a day, and if not, every reason. `stopped_on`: granted for what is kept; since then nothing is collected."""

    granted: bool
    reasons: tuple[Reason, ...]
    purpose: str
    on: date
    rules_version: str = RULES_VERSION
    stopped_on: date | None = None

    @property
    def only_waiting(self) -> bool:
        """Refused, but only because somebody has not decided or signed yet."""
        return not self.granted and all(reason.code in WAITING for reason in self.reasons)

    @property
    def codes(self) -> tuple[str, ...]:
        """The reasons' codes, in order, each once."""
        return tuple(dict.fromkeys(reason.code for reason in self.reasons))


def judge(
    definition: StudyDefinition, periods_by_component: Mapping[str, Sequence[Period]], purpose: str, uses: frozenset[str], on: date,
    new: bool = False,
) -> Verdict:
    """The verdict for a purpose (`collect`, `store`, `use:X`, `supply`, `export`, `return-results`) with its declared uses on a day.

    `new`: about material that is not here yet. A purpose for which the study has no component is refused as `not-offered`.
    """
    components = components_for(definition, purpose, uses)
    if components is None:
        return Verdict(False, (Reason("not-offered", None, {"study": definition.code}),), purpose, on)
    reasons = [
        Reason(code, component, {"roles": list(roles)} if roles else {})
        for component in components
        for code, roles in reasons_on(periods_by_component.get(component, ()), on, new=new)
    ]
    stops = [day for component in components if (day := stopped_on(periods_by_component.get(component, ()), on)) is not None]
    return Verdict(not reasons, tuple(reasons), purpose, on, stopped_on=max(stops, default=None))
