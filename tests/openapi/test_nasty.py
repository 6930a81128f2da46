"""Values that break databases and parsers, in every place where a value goes: never a fault, always a problem or a plain answer."""

from __future__ import annotations

import copy
import json
import urllib.parse
from collections import Counter
from collections.abc import Iterator
from itertools import count
from typing import Any

import pytest

from tests.drills.server import FULL
from tests.openapi.conftest import Instance

pytestmark = [pytest.mark.drill, pytest.mark.xdist_group("fuzz")]

NASTY: list[Any] = [
    "\x00", "a\x00b", "\ud800", "’\u202e𝟘", "x" * 5_000, "", " ", "%s%(x)s", "'; DROP TABLE entry; --", "0001-01-01", "9999-12-31",
    "9999-12-31T23:59:59-14:00",
    "0001-01-01T00:00:00+14:00", "2026-11-20T09:00:00", 2**63, -(2**63) - 1, 10**400, 0, -1, 1.5, 1e308, True, None, [], {}, [[]], {"a": {"b": []}},
]
METHODS = {"get", "post"}
# Every value in every place takes minutes; usually every third pair is tried, the same ones each time.
EVERY = 1 if FULL else 3


def operations(instance: Instance) -> tuple[dict[str, Any], list[tuple[str, str, dict[str, Any]]]]:
    """The document, and method, path and operation of each endpoint."""
    document = instance.app.test_client().get("/api/v1/openapi.json").get_json()
    found = [
        (method, path, operation | {"shared": item.get("parameters", [])})
        for path, item in document["paths"].items()
        for method, operation in item.items()
        if method in METHODS
    ]
    return document, found


def example(instance: Instance, document: dict[str, Any], schema: dict[str, Any], name: str) -> Any:
    """A value of the right shape, one that exists here where there is one."""
    if "$ref" in schema:
        return example(instance, document, document["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]], name)
    for branch in schema.get("anyOf", schema.get("allOf", [])):
        if branch.get("type") != "null":
            return example(instance, document, branch, name)
    kinds = schema.get("type", "string")
    kind = kinds[0] if isinstance(kinds, list) else kinds
    if kind == "object":
        return {key: example(instance, document, inner, key) for key, inner in schema.get("properties", {}).items()}
    if kind == "array":
        return [example(instance, document, schema["items"], name)]
    if kind in {"integer", "number"}:
        return 1
    if kind == "boolean":
        return True
    if name in instance.known:
        return instance.known[name][0]
    if "enum" in schema:
        return schema["enum"][0]
    return {"date": "2026-11-18", "date-time": "2026-11-20T08:00:00Z"}.get(schema.get("format", ""), "text")


def places(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place in a value, the whole one included."""
    yield at
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in inner:
        yield from places(item, (*at, key))


def put(value: Any, at: tuple[Any, ...], what: Any) -> Any:
    """A copy with something else in one place."""
    if not at:
        return what
    made = copy.deepcopy(value)
    here = made
    for key in at[:-1]:
        here = here[key]
    here[at[-1]] = what
    return made


def send(instance: Instance, seen: Counter[str], method: str, address: str, body: bytes | None, **headers: str) -> str | None:
    """Send it as the manager; what is wrong with the answer."""
    sent = {"Authorization": f"Bearer {instance.tokens['manager']}", "Content-Type": "application/json", **headers}
    answer = instance.app.test_client().open(address, method=method.upper(), data=body, headers=sent)
    seen[str(answer.status_code)] += 1
    if answer.status_code >= 500:
        return f"{answer.status_code}: {method} {address[:200]!r} {body[:300] if body else b''!r}"
    if answer.status_code >= 400:
        problem = answer.get_json(force=True)
        if answer.mimetype != "application/problem+json" or problem["status"] != answer.status_code or not problem["detail"]:
            return f"no problem: {method} {address[:200]!r} {answer.get_data()[:200]!r}"
    return None


def test_no_value_in_any_place_is_a_fault(instance: Instance) -> None:
    document, found = operations(instance)
    seen: Counter[str] = Counter()
    wrong: list[str | None] = []
    turn = count()

    def now() -> bool:
        return next(turn) % EVERY == 0

    for method, path, operation in found:
        parameters = [p for p in (*operation["shared"], *operation.get("parameters", [])) if "name" in p]
        parts = {p["name"]: instance.known.get(p["name"], ["x"])[0] for p in parameters if p["in"] == "path"}
        query = {p["name"]: p for p in parameters if p["in"] == "query"}
        shape = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema")
        body = example(instance, document, shape, "") if shape else None
        raw = json.dumps(body).encode() if shape else None
        for nasty in NASTY:
            text = urllib.parse.quote(nasty if isinstance(nasty, str) else json.dumps(nasty), safe="", errors="surrogatepass")
            for name in filter(lambda _: now(), parts):
                filled = path.format(**(parts | {name: text or "%20"}))
                wrong.append(send(instance, seen, method, filled, raw))
            filled = path.format(**parts)
            for name in filter(lambda _: now(), query):
                wrong.append(send(instance, seen, method, f"{filled}?{name}={text}", raw))
            for at in filter(lambda _: now(), places(body) if shape else ()):
                wrong.append(send(instance, seen, method, filled, json.dumps(put(body, at, nasty)).encode()))
    print(f"\n{sum(seen.values())} requests, {dict(sorted(seen.items()))}")
    assert not any(wrong), "\n".join(sorted(one for one in wrong if one))


@pytest.mark.parametrize(
    "body",
    [
        b"", b"\xff\xfe", b"nul", b"[" * 100_000, b'{"a":' * 50_000, b"NaN", b'{"code": NaN}', b'{"code": 1e999}', b"9" * 10_000, b'"\\ud800"',
        b"\x00", b"{} {}",
    ],
    ids=range(12),
)
def test_no_body_is_a_fault(instance: Instance, body: bytes) -> None:
    for address in ("/api/v1/scans", "/api/v1/participants", "/api/v1/custody/verification"):
        assert send(instance, Counter(), "post", address, body) is None


@pytest.mark.parametrize(
    "headers",
    [
        {"Idempotency-Key": ""}, {"Idempotency-Key": "x" * 201}, {"Idempotency-Key": "\xe9"}, {"Authorization": "Bearer \xe9"},
        {"Authorization": "Basic ::"}, {"Authorization": "Bearer"}, {"If-Match": "\xff"}, {"Accept-Language": "x" * 1000}, {"Accept": "nonsense"},
        {"Content-Type": "text/plain; charset=\xff"}, {"Content-Type": "application/json; charset=utf-16"},
        {"Cookie": "biobank=\xff; language=\x7f"}, {"Range": "bytes=-1"}, {"Transfer-Encoding": "nonsense"},
    ],
    ids=lambda headers: next(iter(headers)),
)
def test_no_header_is_a_fault(instance: Instance, headers: dict[str, str]) -> None:
    scan = json.dumps({"code": instance.known["specimen"][0], "act": "thaw"}).encode()
    step = ("post", "/api/v1/requests/x/transitions", b'{"to": "submitted"}')
    for method, address, body in (("post", "/api/v1/scans", scan), ("get", "/api/v1/me", None), step):
        assert send(instance, Counter(), method, address, body, **headers) is None
