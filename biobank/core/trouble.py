"""When what we stand on fails: the database, the disk, the clock. Each says what the person at the bench should do, and what somebody must mend."""

from __future__ import annotations

import errno
from typing import ClassVar

from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as NoConnectionFree

from biobank.core.errors import N_, Refusal


class TryAgain(Refusal):
    """Base of what passes: nothing was changed, and the same request is right a moment later."""

    status = 503
    title = N_("Try again")
    message = N_("The database did not answer in time; nothing was changed. Try again in a moment.")
    # Seconds.
    retry_after: ClassVar[int] = 5


class DatabaseAway(TryAgain):
    """No connection to the database, or it was cut."""

    title = N_("Database away")
    message = N_(
        "The database does not answer; nothing was changed. Keep the tube and scan it again in a minute. "
        "If this stays, tell an administrator that the database is away."
    )
    retry_after = 10


class DatabaseReadOnly(TryAgain):
    """The database takes no writing: a replica, or a file without the right to write."""

    title = N_("Database takes no writing")
    message = N_(
        "The database can be read but not written; nothing was changed. Keep the tube and scan it again later. "
        "Tell an administrator: it is a replica, or its files may not be written."
    )
    retry_after = 60


class DiskFull(TryAgain):
    """No room, or the disk itself fails."""

    title = N_("Disk full or faulty")
    message = N_(
        "The disk of the server is full or faulty; nothing was changed. Keep the tube and scan it again later. "
        "Tell an administrator: recording goes on by itself as soon as there is room."
    )
    retry_after = 60


class ClockBehind(TryAgain):
    """The machine's clock lies behind what was recorded already."""

    title = N_("Clock is wrong")
    message = N_(
        "The clock of the server says %(now)s, but the newest entry was recorded at %(newest)s; nothing was changed. "
        "Keep the tube and scan it again when the clock is right. Tell an administrator: the clock stepped back."
    )
    retry_after = 60


class OutcomeUnknown(TryAgain):
    """The database went away while it was keeping the work: whether it did is not known."""

    title = N_("Not known whether it was recorded")
    message = N_(
        "The database went away while this was being recorded: it may be recorded or not. Scan the tube again: "
        "what was recorded under the same Idempotency-Key is answered alike and never applied twice."
    )
    retry_after = 10


# What SQLite calls it (the low byte of its codes): busy, locked, no memory, read-only, interrupted, input/output error, full, cannot open.
SQLITE: dict[int, type[TryAgain]] = {
    5: TryAgain, 6: TryAgain, 7: TryAgain, 8: DatabaseReadOnly, 9: TryAgain, 10: DiskFull, 13: DiskFull, 14: DatabaseAway,
}
# The write reached the file, and only the sync failed: after a power cut it may be there.
SQLITE_IOERR_FSYNC = 1034
# What PostgreSQL calls it: too many connections, read-only transaction, no room on the disk, input/output error.
POSTGRESQL: dict[str, type[TryAgain]] = {"53300": DatabaseAway, "25006": DatabaseReadOnly, "53100": DiskFull, "58030": DiskFull}
# Connection exceptions, and an administrator's shutdown, crash and start; then lost races, few resources, locks, and what was cancelled.
GONE = ("08", "57P0")
PASSES = ("40", "53", "55", "57")
NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS})


def trouble_of(error: BaseException) -> TryAgain | None:
    """What failed beneath us, or None when the error is a fault of our own."""
    if isinstance(error, TryAgain):
        return error
    if isinstance(error, OSError):
        return DiskFull() if error.errno in NO_ROOM else None
    if isinstance(error, DBAPIError):
        kind = _kind_of(error)
        return kind() if kind else None
    return TryAgain() if isinstance(error, NoConnectionFree) else None


def _kind_of(error: DBAPIError) -> type[TryAgain] | None:
    code = getattr(error.orig, "sqlite_errorcode", None)
    if code is not None:
        return SQLITE.get(code & 0xFF)
    state = getattr(error.orig, "sqlstate", None)
    if state is not None:
        known = POSTGRESQL.get(state) or (DatabaseAway if state.startswith(GONE) or _dying(error) else None)
        return known or (TryAgain if state.startswith(PASSES) else None)
    # The driver itself met a closed or refused connection: no server was there to give a code.
    return DatabaseAway if error.connection_invalidated or isinstance(error, OperationalError | InterfaceError) else None


def in_doubt(error: DBAPIError) -> bool:
    """Whether an error at the commit leaves open if the work was kept."""
    code = getattr(error.orig, "sqlite_errorcode", None)
    return code == SQLITE_IOERR_FSYNC if code is not None else _dying(error) or _kind_of(error) is DatabaseAway


def _dying(error: DBAPIError) -> bool:
    # Whatever the code: PostgreSQL ends the connection, or throws all its processes away because it could not write its log.
    return getattr(getattr(error.orig, "diag", None), "severity_nonlocalized", None) in {"FATAL", "PANIC"}


def code_of(error: BaseException) -> str | None:
    """The code under which the database or the system knows the error; never its text, which repeats what was written."""
    if isinstance(error, DBAPIError):
        orig = error.orig
        return getattr(orig, "sqlite_errorname", None) or getattr(orig, "sqlstate", None) or type(orig).__name__
    if isinstance(error, OSError) and error.errno is not None:
        return errno.errorcode.get(error.errno, str(error.errno))
    return None
