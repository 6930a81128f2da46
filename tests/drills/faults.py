"""Faults from outside: a disk that fills, writing that fails, files that may not grow, a clock that steps. All by Debian's own tools."""

from __future__ import annotations

import glob
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest

LIBFAKETIME = "/usr/lib/*/faketime/libfaketimeMT.so.1"


def needs(what: str, there: bool) -> None:
    """Skip on a developer's machine and say what is missing; in CI that is a failure."""
    if there:
        return
    message = f"{what} is missing"
    if os.environ.get("CI") == "true":
        pytest.fail(message)
    pytest.skip(message)


def until(condition: Callable[[], object], what: str, within: float = 60.0) -> None:
    """Wait for something that has to come."""
    end = time.monotonic() + within
    while not condition():
        assert time.monotonic() < end, f"{what}: not within {within} s"
        time.sleep(0.05)


def family(process: subprocess.Popen[bytes] | None) -> list[int]:
    """The processes below a process."""
    assert process is not None
    return [one.pid for one in psutil.Process(process.pid).children(recursive=True)]


@contextmanager
def small_disk(folder: Path, megabytes: int) -> Iterator[Path]:
    """A file system of its own that holds little."""
    needs("the right to mount a small file system (run as root)", os.geteuid() == 0)
    folder.mkdir(parents=True, exist_ok=True)
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={megabytes}m,mode=755", "tmpfs", str(folder)], capture_output=True, text=True)
    needs(f"the right to mount a small file system ({mounted.stderr.strip()})", mounted.returncode == 0)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=False)


@contextmanager
def filled(folder: Path) -> Iterator[int]:
    """All that is free on a file system is taken; gives how many bytes that was."""
    filler, size = folder / "filler", 0
    with filler.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            size += file.write(bytes(4096))
    try:
        yield size
    finally:
        filler.unlink()


class Failing:
    """Processes started under fiu-run, in which calls of the C library can be made to fail while they run."""

    def __init__(self, pipes: Path) -> None:
        needs("fiu-run (apt-get install fiu-utils)", shutil.which("fiu-run") is not None)
        self.pipes = pipes / "fiu"
        self.prefix = ("fiu-run", "-x", "-f", str(self.pipes))

    def order(self, pids: Iterable[int], *commands: str) -> int:
        """Send commands to processes; how many heard them."""
        told = [pid for pid in pids if Path(f"{self.pipes}-{pid}.in").exists() and psutil.pid_exists(pid)]
        words = [word for command in commands for word in ("-c", command)]
        for pid in told:
            with suppress(subprocess.TimeoutExpired):
                subprocess.run(["fiu-ctrl", "-f", str(self.pipes), *words, str(pid)], check=True, timeout=5, capture_output=True)
        return len(told)


def limit_files(pids: Iterable[int], size: int | None) -> None:
    """No file of these processes may grow beyond `size` bytes (prlimit --fsize); None lifts the limit."""
    needs("prlimit (apt-get install util-linux)", shutil.which("prlimit") is not None)
    for pid in pids:
        with suppress(FileNotFoundError, ProcessLookupError):
            # The soft limit alone, which its owner can lift again; root may not, where it has no CAP_SYS_RESOURCE.
            owner = Path(f"/proc/{pid}").stat()
            limits = Path(f"/proc/{pid}/limits").read_text()
            hard = next(line.split()[4] for line in limits.splitlines() if line.startswith("Max file size"))
            who = {"user": owner.st_uid, "group": owner.st_gid, "extra_groups": []} if os.geteuid() == 0 else {}
            soft = hard if size is None else str(size)
            done = subprocess.run(["prlimit", "--pid", str(pid), f"--fsize={soft}:{hard}"], capture_output=True, text=True, **who)  # type: ignore[call-overload]
            assert done.returncode == 0 or not Path(f"/proc/{pid}").exists(), done.stderr


class SteppingClock:
    """The environment under which a process takes the machine's clock plus an offset that can be changed while it runs."""

    def __init__(self, folder: Path) -> None:
        found = glob.glob(LIBFAKETIME)
        needs("libfaketime (apt-get install faketime)", bool(found))
        self._file = folder / "clock"
        self.env = {
            "LD_PRELOAD": found[0] if found else "", "FAKETIME_TIMESTAMP_FILE": str(self._file), "FAKETIME_NO_CACHE": "1",
            # Else it moves the clock by which a server waits and minds its workers, and the times of files.
            "FAKETIME_DONT_FAKE_MONOTONIC": "1", "NO_FAKE_STAT": "1",
        }
        self.step(0)

    def step(self, seconds: int) -> None:
        """The clock jumps to this offset from the right time."""
        draft = self._file.with_suffix(".new")
        draft.write_text(f"{seconds:+d}\n")
        draft.rename(self._file)
