"""What the keeper last did, in a small file of the instance: it tells the service that the keeper lives, and a new keeper where the old one was."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from biobank.core.times import parse_stamp

# A keeper that was not seen for longer is not there.
SEEN_WITHIN = timedelta(minutes=2)


@dataclass(slots=True)
class Heartbeat:
    """Times are stamps. `faults` counts by task since the instance began; `ailing` names the tasks that failed last time, with type and code."""

    at: str | None = None
    exported_on: str | None = None
    size: int = 0
    sealed_at: str | None = None
    faults: dict[str, int] = field(default_factory=dict)
    ailing: dict[str, str] = field(default_factory=dict)

    def seen(self, now: datetime) -> bool:
        """Whether the keeper was seen a moment ago, by the same clock."""
        return self.at is not None and abs(now - parse_stamp(self.at)) <= SEEN_WITHIN


def read(path: Path) -> Heartbeat:
    """The last heartbeat; an empty one when there is none, or when it cannot be read."""
    try:
        found: Any = json.loads(path.read_text(encoding="utf-8"))
        return Heartbeat(**found)
    except (OSError, ValueError, TypeError):
        return Heartbeat()


def write(path: Path, heartbeat: Heartbeat) -> None:
    """Replace the file in one step. Raises OSError when the disk takes nothing."""
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        draft.write_text(json.dumps(asdict(heartbeat), sort_keys=True) + "\n", encoding="utf-8")
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
