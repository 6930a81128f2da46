"""Serving the pages and the API: worker processes, and the keeper beside them."""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from time import monotonic
from typing import Any

from gunicorn.app.base import BaseApplication
from gunicorn.arbiter import Arbiter
from gunicorn.glogging import Logger

from biobank.app import create_app
from biobank.cli.support import insist_on_tables, opened
from biobank.core import logs
from biobank.core.logs import log
from biobank.core.trouble import code_of
from biobank.settings import DATABASE, Settings
from biobank.web.metrics import FOLDER

# Seconds: a keeper that lived shorter waits before it is started again, longer each time.
SHORT_LIFE, LONGEST_WAIT = 10.0, 60.0
# Seconds a keeper has to finish what it does.
TO_FINISH = 10.0
FILE_BYTES = 1 << 20
MEMORY, FIGURES = "/dev/shm", "biobank-metrics-"  # noqa: S108


def add(commands: Any) -> None:
    """`serve`."""
    serve = commands.add_parser("serve", help="serve the pages and the API")
    serve.add_argument("--host", default="127.0.0.1")
    serve.add_argument("--port", type=port, default=8000)
    serve.add_argument("--workers", type=int, default=2)
    serve.add_argument("--threads", type=int, default=4)
    serve.add_argument("--no-keeper", dest="keeper", action="store_false", help="where “biobank keep” runs as a service of its own")
    serve.set_defaults(run=run_serve)


def port(text: str) -> int:
    """A port as an option."""
    if not text.isdecimal() or not 0 < int(text) < 65536:
        raise argparse.ArgumentTypeError(f"{text} is no port; give one from 1 to 65535")
    return int(text)


class Lines(Logger):  # type: ignore[misc]
    """What gunicorn has to say, as lines like ours."""

    def setup(self, cfg: Any) -> None:
        """Give its handlers our form."""
        super().setup(cfg)
        for handler in self.error_log.handlers:
            handler.setFormatter(logs.Formatter())


class Keepers:
    """Keeps one keeper alive as a process of its own: nothing of the server is inherited, no socket and no connection."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.process: subprocess.Popen[bytes] | None = None
        self._started = 0.0
        self._wait = 0.0

    def tend(self) -> None:
        """Start one when none is there."""
        now = monotonic()
        if self.process is not None and self.process.poll() is None:
            return
        if self.process is not None:
            short = now - self._started < SHORT_LIFE
            self._wait = min(max(1.0, self._wait * 2), LONGEST_WAIT) if short else 0.0
            log.warning("keeper ended", pid=self.process.pid, again_in=self._wait)
            self.process = None
        if now >= self._started + self._wait:
            self._started = now
            command = [sys.executable, "-m", "biobank", "--instance", str(self.settings.instance), "keep", "--parent", str(os.getpid())]
            self.process = subprocess.Popen(command, env=os.environ | {DATABASE: self.settings.database_url}, stdin=subprocess.DEVNULL)

    def end(self) -> None:
        """Ask it to end."""
        if self.process is not None:
            with suppress(ProcessLookupError):
                self.process.send_signal(signal.SIGTERM)

    def see_off(self) -> None:
        """Wait until it has ended, and end it when it takes too long."""
        if self.process is None:
            return
        try:
            self.process.wait(TO_FINISH)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process = None


class Master(Arbiter):  # type: ignore[misc]
    """gunicorn's master, which also keeps the keeper alive."""

    def __init__(self, app: Any, keepers: Keepers | None) -> None:
        self.keepers = keepers
        super().__init__(app)

    def manage_workers(self) -> None:
        """Keep up the number of workers, and the keeper."""
        super().manage_workers()
        if self.keepers is not None:
            self.keepers.tend()

    def stop(self, graceful: bool = True) -> None:
        """End all processes."""
        keepers, self.keepers = self.keepers, None
        if keepers is not None:
            keepers.end()
        super().stop(graceful)
        if keepers is not None:
            keepers.see_off()


class Server(BaseApplication):  # type: ignore[misc]
    """gunicorn without its command line: threads in several processes, no control socket."""

    def __init__(self, given: argparse.Namespace, settings: Settings) -> None:
        self.given = given
        self.settings = settings
        super().__init__()

    def load_config(self) -> None:
        """Our choice of gunicorn's settings."""
        options = {
            "bind": f"{self.given.host}:{self.given.port}", "workers": self.given.workers, "threads": self.given.threads, "worker_class": "gthread",
            "control_socket_disable": True, "accesslog": None, "loglevel": "warning", "timeout": 60, "graceful_timeout": 20,
            "max_requests": 0, "keepalive": 5, "logger_class": Lines, "child_exit": _forget_worker,
        }
        for name, value in options.items():
            if name in self.cfg.settings:
                self.cfg.set(name, value)

    def load(self) -> Any:
        """The application, in each worker."""
        return create_app(self.settings)

    def run(self) -> None:
        """Serve until told to stop."""
        Master(self, Keepers(self.settings) if self.given.keeper else None).run()


def run_serve(given: argparse.Namespace, settings: Settings) -> int:
    """Serve until stopped."""
    # The workers are forked after this: none of them may inherit an open connection.
    with opened(settings) as units:
        insist_on_tables(units)
    logs.start()
    address = f"http://{given.host}:{given.port}/"
    log.info("serving", address=address, workers=given.workers, keeper=given.keeper)
    if sys.stderr.isatty():
        print(f"biobank serves {address}", file=sys.stderr)
    master = os.getpid()
    folder = _figures_folder(master)
    if folder is not None:
        os.environ[FOLDER] = folder
    try:
        Server(given, settings).run()
    finally:
        # The workers come by here as well.
        if folder is not None and os.getpid() == master:
            shutil.rmtree(folder, ignore_errors=True)
    return 0


def _figures_folder(master: int) -> str | None:
    """A new folder for the figures of the workers; what a server that was killed has left is swept away.

    None where there is no room for one: each worker then counts for itself, and serves all the same.
    """
    # Memory rather than disk: a full disk must not end a worker at the next count.
    parent = Path(MEMORY if os.access(MEMORY, os.W_OK) else tempfile.gettempdir())
    for left in parent.glob(f"{FIGURES}*"):
        owner = left.name.removeprefix(FIGURES).partition("-")[0]
        with suppress(OSError):
            if left.stat().st_uid == os.geteuid() and owner.isdecimal() and not Path("/proc", owner).exists():
                shutil.rmtree(left, ignore_errors=True)
    try:
        folder = tempfile.mkdtemp(prefix=f"{FIGURES}{master}-", dir=parent)
        # As large as the library makes its files.
        with open(os.path.join(folder, "try"), "wb") as file:
            file.truncate(FILE_BYTES)
        os.unlink(file.name)
    except OSError as error:
        log.warning("no room for the figures of all workers together", code=code_of(error))
        return None
    return folder


def _forget_worker(_server: Any, worker: Any) -> None:
    from prometheus_client.multiprocess import mark_process_dead

    if FOLDER in os.environ:
        mark_process_dead(worker.pid)  # type: ignore[no-untyped-call]
