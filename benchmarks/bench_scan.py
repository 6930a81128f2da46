"""A scan through the whole application, beside its own statements sent by the bare driver, and beside an empty endpoint.

Everything is included: token, permission, validation, consent verdict, hash chain, idempotency, answer. No network.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from benchmarks.ground import ROUNDS, Bare, Ground, Recorder, Statement, measure, open_instance
from benchmarks.results import Result

PER_ROUND = 30
GOALS = {"sqlite": (5.0, 10.0), "postgresql": (3.0, 16.0)}


def scans(ground: Ground) -> list[dict[str, Any]]:
    """The scans of all rounds in order: tubes are stored, then checked out (asks consent), returned (asks consent) and moved, again and again."""
    count = (ROUNDS + 1) * PER_ROUND
    made: list[dict[str, Any]] = []
    free = [f"{ground.box}:{chr(65 + row)}{column}" for row in range(16) for column in range(1, 25)]
    for number in range(0, count, 3):
        tube, goal = ground.tubes[number // 3 % len(ground.tubes)], free[number // 3 % len(free)]
        made += [
            {"code": tube, "act": "move", "position": goal, "station": "bench-1"},
            {"code": tube, "act": "check-out", "facts": {"for": "work"}, "station": "bench-1"},
            {"code": tube, "act": "return", "station": "bench-1"},
        ]
    return made[:count]


def run(ground: Ground) -> list[Result]:
    """Scans with an Idempotency-Key each, in rounds."""
    bodies = scans(ground)
    recording = open_instance(ground, "scan_recorded")
    recorder = Recorder(recording)
    lists = [recorder.record(recording.call("POST", "/api/v1/scans", body, f"k-{number}")) for number, body in enumerate(bodies)]
    ours = open_instance(ground, "scan_ours")
    calls = [ours.call("POST", "/api/v1/scans", body, f"k-{number}") for number, body in enumerate(bodies)]
    keyless = open_instance(ground, "scan_keyless")
    plain = [keyless.call("POST", "/api/v1/scans", body) for body in bodies]
    bare, hello = Bare(ground.copy("scan_bare")), ours.call("GET", "/hello")
    measured = measure({
        "ours": lambda n: _each(calls, n),
        "bare driver": lambda n: _replay(bare, lists, n),
        "hello": lambda n: _hello(hello),
        "without a key": lambda n: _each(plain, n),
    })
    bare.close()
    counts = {body["act"]: len(found) for body, found in list(zip(bodies, lists, strict=True))[-3:]}
    note = "statements: " + ", ".join(f"{act} {count}" for act, count in counts.items())
    beside = dict(zip(("bare driver", "hello"), GOALS[ground.engine], strict=True))
    return [
        Result("scan", ground.engine, measured.median("ours"), name, measured.median(name), measured.ratio("ours", name), goal, note=note)
        for name, goal in (beside | {"without a key": 1.25}).items()
    ]


def _share(number: int) -> slice:
    return slice(number * PER_ROUND, (number + 1) * PER_ROUND)


def _each(calls: list[Callable[[], bytes]], number: int) -> int:
    for call in calls[_share(number)]:
        call()
    return PER_ROUND


def _replay(bare: Bare, lists: list[list[Statement]], number: int) -> int:
    for statements in lists[_share(number)]:
        bare.replay(statements, commit=True)
    return PER_ROUND


def _hello(call: Callable[[], bytes]) -> int:
    for _ in range(200):
        call()
    return 200
