"""`biobank` under libfaketime 0.9.10, which refuses every sleep of Python 3.11 as an invalid argument: sleeping is done otherwise."""

from __future__ import annotations

import select
import sys
import time


def sleep(seconds: float) -> None:
    """As time.sleep."""
    select.select([], [], [], seconds)


if __name__ == "__main__":
    time.sleep = sleep
    from biobank.cli import run

    sys.exit(run(sys.argv[1:]))
