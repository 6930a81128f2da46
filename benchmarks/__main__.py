"""Run the jobs, print the ratios, write build/benchmarks.json and compare with the run before.

Run: python -m benchmarks [--only scan,look-up,verify,seal,labels] [--engine sqlite|postgresql]
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from benchmarks import bench_labels, bench_lookup, bench_scan, bench_seal, bench_verify
from benchmarks.ground import ROUNDS, Ground, grounds
from benchmarks.results import Result

OUTPUT = Path("build/benchmarks.json")
ENGINES = ("sqlite", "postgresql")
JOBS: dict[str, Callable[[Ground], list[Result]]] = {
    "scan": bench_scan.run, "look-up": bench_lookup.run, "verify": bench_verify.run, "seal": bench_seal.run,
}


def labels() -> list[Result]:
    """Labels against the bare library; the job's own script tells more."""
    count, rates = 96, dict[str, list[float]]()
    jobs = {name: job for name, job in bench_labels.jobs(count).items() if name in {"bare reportlab", "pdf", "svg", "png"}}
    for job in jobs.values():
        job()
    for _ in range(7):
        for name, job in jobs.items():
            begun = time.process_time()
            job()
            rates.setdefault(name, []).append(count / (time.process_time() - begun))
    bare = rates.pop("bare reportlab")
    return [
        Result(f"labels, {name}", "-", statistics.median(found), "bare reportlab", statistics.median(bare),
               statistics.median(a / b for a, b in zip(found, bare, strict=True)), 0.5, least=True, unit="labels/s")
        for name, found in rates.items()
    ]


def main() -> None:
    """Measure and tell."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--only", default=",".join([*JOBS, "labels"]))
    parser.add_argument("--engine", choices=ENGINES, action="append")
    given = parser.parse_args()
    wanted = given.only.split(",")
    results = labels() if "labels" in wanted else []
    with grounds(given.engine or ENGINES) as laid:
        for ground in laid:
            for name, job in JOBS.items():
                if name in wanted:
                    results += job(ground)
    before = _before()
    _print(results, before)
    OUTPUT.parent.mkdir(exist_ok=True)
    kept = before | {result.name: asdict(result) | {"reached": result.reached} for result in results}
    OUTPUT.write_text(json.dumps(kept, indent=1, ensure_ascii=False), "utf-8")


def _before() -> dict[str, dict[str, float]]:
    return json.loads(OUTPUT.read_text("utf-8")) if OUTPUT.is_file() else {}


def _print(results: list[Result], before: dict[str, dict[str, float]]) -> None:
    print(f"CPU time in this process, median of {ROUNDS} interleaved rounds")
    print(f"{'job':<20}{'database':<12}{'ours':>10}  {'beside':<18}{'':>10}{'ratio':>8}{'goal':>8}{'':>5}{'last':>8}  note")
    for one in results:
        last = before.get(one.name)
        goal = f"{'≥' if one.least else '≤'} {one.goal:g}" if one.goal is not None else "-"
        told = {True: "yes", False: "no", None: ""}[one.reached]
        print(
            f"{one.job:<20}{one.engine:<12}{one.ours:>10.0f}  {one.beside:<18}{one.other:>10.0f}{one.ratio:>8.2f}{goal:>8}{told:>5}"
            f"{format(last['ratio'], '.2f') if last else '-':>8}  {one.unit}{'; ' + one.note if one.note else ''}"
        )


if __name__ == "__main__":
    main()
