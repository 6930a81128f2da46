"""Whatever is sent, by whomever: no fault, and nothing that the description does not say."""

from __future__ import annotations

import os
import warnings
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import Failure, FailureGroup
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from biobank.app import CHECKS
from biobank.ledger import service as ledger
from tests import cast
from tests.openapi.conftest import Instance

pytestmark = [pytest.mark.drill, pytest.mark.xdist_group("fuzz")]

FULL = os.environ.get("BIOBANK_DRILL") == "full"
EXAMPLES = 100 if FULL else 5
CHECKED = [
    not_a_server_error, status_code_conformance, content_type_conformance, response_headers_conformance, response_schema_conformance,
    negative_data_rejection,
]
# One person for each role of the permission table; the last answers to nobody.
PEOPLE = ["technician", "manager", "consent", "diagnostics", "researcher", "laboratory", "reviewer", "asparaginase", "data", "auditor", "admin"]


def test_a_person_of_every_role_is_asked() -> None:
    """The fuzzing leaves no role out."""
    from biobank.identity.rules import Role

    assert {grant.role for login in PEOPLE for grant in cast.PEOPLE[login][1]} == {str(role) for role in Role}


def operations(instance: Instance) -> Iterator[Any]:
    """Every operation of the description."""
    schema = schemathesis.openapi.from_wsgi("/api/v1/openapi.json", instance.app)
    for found in schema.get_all_operations():
        yield found.ok()


def with_known(draw: Any, value: Any, known: dict[str, list[str]], name: str = "") -> Any:
    """The same value with texts replaced, now and then, by ones that exist here: else nearly everything ends at an unknown code."""
    if isinstance(value, dict):
        return {key: with_known(draw, item, known, key) for key, item in value.items()}
    if isinstance(value, list):
        return [with_known(draw, item, known, name) for item in value]
    if isinstance(value, str) and name in known and draw(st.integers(0, 3)):
        return draw(st.sampled_from(known[name]))
    return value


def hammer(instance: Instance, operation: Any, mode: GenerationMode, seen: Counter[str]) -> None:
    """Send generated requests, each in the name of every person."""

    @given(data=st.data())
    @settings(
        max_examples=EXAMPLES, derandomize=True, database=None, deadline=None, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    def attempt(data: Any) -> None:
        case = data.draw(operation.as_strategy(mode))
        if mode is GenerationMode.POSITIVE:
            case.path_parameters = with_known(data.draw, dict(case.path_parameters or {}), instance.known)
            case.query = with_known(data.draw, dict(case.query or {}), instance.known)
            if isinstance(case.body, dict):
                case.body = with_known(data.draw, case.body, instance.known)
        plain = {name: value for name, value in (case.headers or {}).items() if name.lower() != "authorization"}
        if mode is GenerationMode.POSITIVE:
            # One key for all would be answered once; the negative half keeps it.
            plain.pop("Idempotency-Key", None)
        for login in PEOPLE:
            headers = {"Authorization": f"Bearer {instance.tokens[login]}"}
            case.headers = plain | headers
            response = case.call()
            seen[str(response.status_code)] += 1
            case.validate_response(response, checks=CHECKED, headers=headers)

    attempt()


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=["right-in-shape", "wrong-in-shape"])
def test_no_fault_and_nothing_outside_the_schema(instance: Instance, mode: GenerationMode) -> None:
    seen: Counter[str] = Counter()
    failed: dict[str, str] = {}
    for operation in operations(instance):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                hammer(instance, operation, mode, seen)
        except (FailureGroup, Failure) as failure:
            failed[operation.label] = "\n".join(str(one) for one in getattr(failure, "exceptions", [failure]))
    print(f"\n{mode.value}: {sum(seen.values())} requests, {dict(sorted(seen.items()))}")
    assert failed == {}, "\n\n".join(f"{label}\n{text}" for label, text in failed.items())
    with instance.units.read() as work:
        assert list(ledger.verify(work, CHECKS)) == []
