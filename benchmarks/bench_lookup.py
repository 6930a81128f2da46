"""Looking a tube up by its code, beside its own statements by the bare driver, and beside an empty endpoint."""

from __future__ import annotations

from collections.abc import Callable

from benchmarks.ground import Bare, Ground, Recorder, measure, open_instance
from benchmarks.results import Result

PER_ROUND = 60
GOALS = {"sqlite": 5.0, "postgresql": 10.0}


def run(ground: Ground) -> list[Result]:
    """Tubes one after another, in rounds."""
    recording = open_instance(ground, "look_recorded")
    recorder = Recorder(recording)
    tubes = ground.tubes[:PER_ROUND]
    lists = [recorder.record(recording.call("GET", f"/api/v1/specimens/{tube}")) for tube in tubes]
    ours = open_instance(ground, "look_ours")
    calls = [ours.call("GET", f"/api/v1/specimens/{tube}") for tube in tubes]
    bare, hello = Bare(ground.copy("look_bare")), [ours.call("GET", "/hello")] * 200

    def replay(number: int) -> int:
        for statements in lists:
            bare.replay(statements, commit=False)
        return len(lists)

    measured = measure({"ours": lambda n: _each(calls), "bare driver": replay, "hello": lambda n: _each(hello)})
    bare.close()
    goals: dict[str, float | None] = {"bare driver": None, "hello": GOALS[ground.engine]}
    return [
        Result("look-up", ground.engine, measured.median("ours"), name, measured.median(name), measured.ratio("ours", name), goal,
               note=f"statements: {len(lists[-1])}")
        for name, goal in goals.items()
    ]


def _each(calls: list[Callable[[], bytes]]) -> int:
    for call in calls:
        call()
    return len(calls)
