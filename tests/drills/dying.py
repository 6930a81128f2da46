"""`biobank` whose processes die at random in the middle of a unit of work: `python dying.py COUNTS BEFORE AFTER …the usual arguments`.

BEFORE and AFTER are the chances of dying just before a commit (nothing may be left of the act) and between the commit and the answer (the act
must be applied once however often it is sent again). Each death adds a letter to the file COUNTS: b or a.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from random import SystemRandom

from biobank.core.actor import Actor
from biobank.core.work import Units, Work

counts, before, after = sys.argv[1], float(sys.argv[2]), float(sys.argv[3])
main = os.getpid()
write = Units.write
random = SystemRandom()


def die(letter: bytes) -> None:
    """As kill -9 does: no handler, no flush, no farewell."""
    handle = os.open(counts, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.write(handle, letter)
    os.kill(os.getpid(), signal.SIGKILL)


@contextmanager
def dying(self: Units, actor: Actor | None = None) -> Iterator[Work]:
    """A unit of work that may be the last one of its process."""
    # The first process only minds the others.
    mortal = os.getpid() != main
    with write(self, actor) as work:
        yield work
        if mortal and random.random() < before:
            work.session.flush()
            die(b"b")
    if mortal and random.random() < after:
        die(b"a")


if __name__ == "__main__":
    Units.write = dying  # type: ignore[method-assign]
    from biobank.cli import run

    sys.exit(run(sys.argv[4:]))
