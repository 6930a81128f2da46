"""Which consent components a purpose needs in a study. Purposes are written as in the interface: `store`, `use:asparaginase`, `supply` …"""

from __future__ import annotations

from collections.abc import Collection

from biobank.studies.rules.definition import StudyDefinition

# The purposes a study file may give rules for; `use` stands for `use:X` of every sub-study X.
PURPOSES = ("collect", "store", "use", "supply", "export", "return-results")
# What a request may declare besides; `outside_eea` follows from the recipient's country.
USES = ("genetic", "commercial", "outside_eea")


def components_for(definition: StudyDefinition, purpose: str, uses: Collection[str] = frozenset()) -> tuple[str, ...] | None:
    """The components that must all be granted, in the order of the file. None: this study has no such purpose, so it is refused.

    `use:X` needs what the study asks for any use and X's own component; `uses` (of USES) adds its component to `supply`.
    A use or sub-study the study has no component for is None as well.
    """
    head, _, sub_code = purpose.partition(":")
    rule = next((rule for rule in definition.purposes if rule.purpose == head), None)
    if rule is None or (head == "use") != bool(sub_code):
        return None
    needed = list(rule.components)
    if head == "use":
        sub = definition.sub_study(sub_code)
        if sub is None:
            return None
        needed.append(sub.component)
    for use in sorted(uses):
        if use not in definition.supply_uses:
            return None
        needed.append(definition.supply_uses[use])
    return tuple(dict.fromkeys(needed))


def known_purposes(definition: StudyDefinition) -> tuple[str, ...]:
    """All purposes this study allows at all, `use:X` for each of its sub-studies among them."""
    heads = [rule.purpose for rule in definition.purposes]
    uses = [f"use:{sub.code}" for sub in definition.sub_studies] if "use" in heads else []
    return (*[head for head in heads if head != "use"], *uses)
