"""Evidence packs that were changed at random: whatever it is, the verifier says so and never crashes."""

from __future__ import annotations

import copy
import json
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from biobank.ledger.rules import canonical
from tests.specimens.packs import FORGER, Packs, packs, signed

__all__ = ["packs"]

Content = dict[str, Any]
# Stands in no entry, so that only the signature over the whole file covers it; notes and verdicts
# may be erased, and a key may be told that signed nothing.
UNPROVED = {"drawn_at", "on", "reasons", "rules_version", "withheld", "notes", "verdicts", "keys"}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 10**6) | st.floats(allow_nan=False) | st.text(max_size=8) | st.just("0" * 64),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3), max_leaves=6,
)


def mutate(content: Content, data: st.DataObject) -> tuple[str, ...]:
    """Change one part of a pack, anywhere; where it was."""
    here: Any = content
    path: list[str] = []
    while True:
        keys = list(here) if isinstance(here, dict) else list(range(len(here)))
        key = data.draw(st.sampled_from(keys))
        path.append(str(key))
        below = here[key]
        if not isinstance(below, dict | list) or not below or data.draw(st.integers(0, 9)) == 0:
            break
        here = below
    how = data.draw(st.sampled_from(["replace", "delete", "double", "swap", "add"]))
    if how == "delete":
        del here[key]
    elif how == "double" and isinstance(here, list):
        here.insert(int(key), copy.deepcopy(below))
    elif how == "swap":
        other = data.draw(st.sampled_from(keys))
        here[key], here[other] = here[other], here[key]
    elif how == "add" and isinstance(here, dict):
        here[data.draw(st.text(max_size=5))] = data.draw(JSON)
    else:
        here[key] = data.draw(JSON)
    return tuple(path)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(data=st.data())
def test_whatever_is_changed_is_found_and_never_a_crash(packs: Packs, data: st.DataObject) -> None:
    content = packs.rich.content
    path = mutate(content, data)
    if canonical_or_none(content) == packs.rich.evidence:
        return
    by_him = packs.rich.faults(*signed(content, FORGER))
    assert by_him or UNPROVED & set(path), path
    assert packs.rich.faults(*signed(content, FORGER), trusted=[packs.rich.key])
    assert packs.rich.faults(signed(content)[0])


def canonical_or_none(content: Content) -> bytes | None:
    """The content as it would stand in a pack; None when it cannot stand in one."""
    try:
        return canonical(content)
    except TypeError:
        return None


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(evidence=st.binary(max_size=60) | JSON.map(lambda value: json.dumps(value).encode()), signature=st.binary(max_size=60))
def test_whatever_else_stands_in_the_files_is_a_fault(packs: Packs, evidence: bytes, signature: bytes) -> None:
    assert packs.small.faults(evidence, signature or b" ")
    assert packs.small.faults(None, signature or b" ")


def test_nesting_that_exhausts_the_stack_is_a_fault(packs: Packs) -> None:
    for depth in (500, 100_000):
        assert packs.small.faults(b"[" * depth + b"]" * depth)
    assert packs.small.faults(b"1" * 10_000)
