"""Reading from a streaming replica, and from the primary whenever the replica should not be believed.

A replica is believed while it is a standby, is connected to its primary, and has replayed what it received up to a number of seconds ago.
What it cannot know yet (a token made a moment ago) is asked of the primary once more by the dispatch; see `docs/replica.md`.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from threading import Lock

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from biobank.core.db import AnyRow, Sessions, reading_engine

LOG = logging.getLogger("biobank.replica")
# Seconds for which a judgement of the replica stands, and after which a database that did not answer is tried again.
JUDGED_FOR = 1.0
TRIED_AGAIN_AFTER = 5.0
# Without pg_read_all_stats the row of the receiver shows its process alone; that there is a row says that it is connected.
_STANDING = text(
    "SELECT pg_is_in_recovery() AS standby, EXISTS (SELECT 1 FROM pg_stat_wal_receiver WHERE pid IS NOT NULL) AS connected, "
    "pg_last_wal_receive_lsn()::text AS received, extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp()) AS since"
)
_REPLAYED = text("SELECT coalesce(pg_last_wal_replay_lsn() >= CAST(:received AS pg_lsn), true)")
# It answers, with what was true before: better than nothing, where the primary gives nothing.
STALE = frozenset({"behind", "cut off"})
# Seconds to wait, one after another, for what has just been received: after a quiet hour the time of the last replayed commit says nothing.
PATIENCE = (0.0, 0.02, 0.05, 0.15)


@dataclass(frozen=True, slots=True)
class Standing:
    """How the replica stands: `ok`, `behind`, `cut off` (from its primary), `promoted` (no replica any more) or `down`; lag in seconds."""

    state: str
    lag: float | None = None

    @property
    def says(self) -> str:
        """What that means for reads."""
        if self.state == "ok":
            return "the replica answers and is up to date: reads are served from it"
        why = {
            "behind": f"the replica is {self.lag or 0:.0f} s behind", "cut off": "the replica has lost its primary",
            "promoted": "the replica is no standby any more", "down": "the replica does not answer",
        }
        return f"{why[self.state]}: reads are served from the primary{' as long as it answers' if self.state in STALE else ''}"


class ReplicaSessions:
    """Sessions that read from the replica and write to the primary. `lag_at_most` is in seconds."""

    def __init__(self, replica: Engine, primary: Sessions, lag_at_most: float) -> None:
        self.primary = primary
        self.replica = reading_engine(replica)
        self._lag_at_most = lag_at_most
        self._lock = Lock()
        self._last = Standing("ok", 0.0)
        self._judged_until = 0.0
        self._primary_out = False
        self._primary_out_until = 0.0

    def writing(self) -> AbstractContextManager[Session]:
        """Always the primary."""
        return self.primary.writing()

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """A session on the replica or, when that should not be believed, on the primary; `session.info["replica"]` says which."""
        session = self._open()
        try:
            yield session
        finally:
            session.close()

    def standing(self) -> Standing:
        """How the replica stands, at most a second ago. Only one caller judges; the others take what was known."""
        if time.monotonic() >= self._judged_until and self._lock.acquire(blocking=False):
            try:
                self._found(self._judge())
            finally:
                self._lock.release()
        return self._last

    def _open(self) -> Session:
        standing = self.standing()
        fault: DBAPIError | None = None
        for engine in self._order(standing):
            session = Session(engine, autoflush=False)
            try:
                session.connection()
            except DBAPIError as error:
                session.close()
                fault = error
                self._failed(engine)
                continue
            session.info["replica"] = engine is self.replica
            self._primary_out = self._primary_out and engine is self.replica
            return session
        assert fault is not None
        raise fault

    def _order(self, standing: Standing) -> tuple[Engine, ...]:
        if standing.state == "ok":
            return self.replica, self.primary.reader
        if standing.state not in STALE:
            return (self.primary.reader,)
        out = time.monotonic() < self._primary_out_until
        return (self.replica, self.primary.reader) if out else (self.primary.reader, self.replica)

    def _failed(self, engine: Engine) -> None:
        if engine is self.replica:
            with self._lock:
                self._found(Standing("down"))
        else:
            if not self._primary_out:
                LOG.warning("the primary does not answer: nothing can be written; what the replica still gives is read from it")
            self._primary_out, self._primary_out_until = True, time.monotonic() + TRIED_AGAIN_AFTER

    def _found(self, standing: Standing) -> None:
        if standing.state != self._last.state:
            LOG.warning(standing.says)
        # A replica that is connected has a primary.
        self._primary_out = self._primary_out and standing.state != "ok"
        self._last = standing
        self._judged_until = time.monotonic() + (TRIED_AGAIN_AFTER if standing.state == "down" else JUDGED_FOR)

    def _judge(self) -> Standing:
        try:
            with self.replica.connect() as connection:
                row = connection.execute(_STANDING).one()
                lag = self._lag(connection, row) if row.standby else 0.0
        except DBAPIError:
            return Standing("down")
        if not row.standby:
            return Standing("promoted")
        if not row.connected:
            return Standing("cut off", lag)
        return Standing("ok" if lag <= self._lag_at_most else "behind", lag)

    def _lag(self, connection: Connection, row: AnyRow) -> float:
        for wait in PATIENCE:
            time.sleep(wait)
            if connection.execute(_REPLAYED, {"received": row.received}).scalar_one():
                return 0.0
        return round(float(row.since or 0), 3)
