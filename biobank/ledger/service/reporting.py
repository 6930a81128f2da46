"""A verification that somebody asked for and the keeper runs: asked and answered through small files of the instance.

Verifying a large ledger takes minutes, which no web worker has. The page leaves a file that asks; the keeper takes it away, runs the
verification in a thread of its own, and writes how far it is and at the end what was found.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from time import monotonic
from typing import Any

from biobank.core.times import parse_stamp, stamp
from biobank.core.work import Units, Work
from biobank.ledger import queries
from biobank.ledger.rules import Finding, Verifier
from biobank.ledger.service.verifying import Check, verify

FINDINGS_KEPT = 1000
# Seconds between two notes of how far it is; and how long one may be silent before it counts as cut off.
NOTED_EVERY = 0.5
SILENT = timedelta(minutes=5)


@dataclass(slots=True)
class Report:
    """Times are stamps; `read` of `total` entries and leaves were read; `more`: there were more findings than are kept."""

    started_at: str | None = None
    noted_at: str | None = None
    ended_at: str | None = None
    total: int = 0
    read: int = 0
    entries: int = 0
    findings: list[dict[str, Any]] = field(default_factory=list)
    more: bool = False
    fault: str | None = None

    def running(self, now: datetime) -> bool:
        """Whether it was begun, has not ended, and was heard of a moment ago."""
        return self.started_at is not None and self.ended_at is None and now - parse_stamp(self.noted_at or self.started_at) < SILENT


@dataclass(slots=True)
class Reports:
    """The files: who asks writes `asked`, who runs writes `running` and `last`; each is replaced in one step."""

    folder: Path

    @property
    def _asked(self) -> Path:
        return self.folder / "verification-asked"

    def ask(self, now: datetime) -> None:
        """Ask for a verification; asked twice before it begins, it is run once. Raises OSError when the disk takes nothing."""
        _replace(self._asked, stamp(now))

    def asked_at(self) -> str | None:
        """Since when one is asked for that has not begun."""
        try:
            return self._asked.read_text("utf-8").strip() or None
        except OSError:
            return None

    def take(self) -> bool:
        """Whether one was asked for; it is not asked for any more."""
        try:
            self._asked.unlink()
        except OSError:
            return False
        return True

    def running(self) -> Report:
        """The one that runs, or ran last: how far it is."""
        return self._read("verification-running.json")

    def last(self) -> Report:
        """The last one that came to its end."""
        return self._read("verification.json")

    def note(self, report: Report) -> None:
        """How far it is; one that ended is also the last one."""
        text = json.dumps(asdict(report), sort_keys=True) + "\n"
        _replace(self.folder / "verification-running.json", text)
        if report.ended_at is not None and report.fault is None:
            _replace(self.folder / "verification.json", text)

    def _read(self, name: str) -> Report:
        try:
            found: Any = json.loads((self.folder / name).read_text("utf-8"))
            return Report(**found)
        except (OSError, ValueError, TypeError):
            return Report()


def _replace(path: Path, text: str) -> None:
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        draft.write_text(text, "utf-8")
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def run_verification(units: Units, checks: Sequence[Check], verifiers: Sequence[Verifier] | None, reports: Reports) -> Report:
    """Verify all of it in one reading unit, and note how far it is. Keeps the first thousand findings.

    What stops it is noted as its fault and raised again.
    """
    now = units.clock.now
    report = Report(started_at=stamp(now()))
    try:
        with units.read() as work:
            _count(work, report)
            reports.note(report)
            for finding in verify(work, checks, _progress(report, reports, now), verifiers=verifiers):
                _keep(report, finding)
                if report.more:
                    break
        report.ended_at = stamp(now())
    except Exception as error:
        report.ended_at, report.fault = stamp(now()), type(error).__name__
        raise
    finally:
        reports.note(report)
    return report


def _count(work: Work, report: Report) -> None:
    report.entries = queries.entry_count(work)
    report.total = report.entries + (queries.tree(work) or (0, b""))[0]


def _keep(report: Report, finding: Finding) -> None:
    if len(report.findings) < FINDINGS_KEPT:
        report.findings.append(asdict(finding))
    else:
        report.more = True


def _progress(report: Report, reports: Reports, now: Callable[[], datetime]) -> Callable[[int], None]:
    noted = monotonic()

    def progress(read: int) -> None:
        nonlocal noted
        report.read += read
        if monotonic() - noted >= NOTED_EVERY:
            noted = monotonic()
            report.noted_at = stamp(now())
            reports.note(report)

    return progress
