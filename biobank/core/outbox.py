"""What has to leave the system: written in the transaction that causes it, sent after it by the keeper.

At least once: a row is leased, sent, and only then marked. Who dies in between leaves a lease that runs out, and the row is sent again; a
receiver knows doubles by what is fixed in the row (a mail's Message-ID).
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Index, String, Text, delete, func, insert, or_, select, text, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from biobank.core.db import Base, BigInt, UTCTime

WAITING = text("state = 'waiting'")
# Longer than the longest sending, so that a lease never ends under the hands of who still sends.
LEASE = timedelta(minutes=10)
FIRST_WAIT = timedelta(minutes=1)
LONGEST_WAIT = timedelta(days=1)


class Outbox(Base):
    """One message. `payload` is JSON; `state` is waiting, sent or failed; `leased_until` keeps two drainers from sending it twice."""

    __tablename__ = "outbox"
    __table_args__ = (Index("ix_outbox_waiting", "next_at", sqlite_where=WAITING, postgresql_where=WAITING),)
    id: Mapped[int] = mapped_column(BigInt, primary_key=True)
    kind: Mapped[str] = mapped_column(String(40))
    payload: Mapped[str] = mapped_column(Text)
    state: Mapped[str] = mapped_column(String(10))
    tries: Mapped[int]
    next_at: Mapped[datetime] = mapped_column(UTCTime)
    leased_until: Mapped[datetime | None] = mapped_column(UTCTime)
    fault: Mapped[str | None] = mapped_column(Text)


@dataclass(frozen=True, slots=True)
class Leased:
    """A message that is ours to send until `until`; `tries` counts this one."""

    id: int
    kind: str
    payload: dict[str, Any]
    tries: int
    until: datetime


def put(session: Session, kind: str, payload: Mapping[str, Any], now: datetime) -> int:
    """Write a message into the transaction that causes it; its id. The payload must hold no personal data."""
    row = {
        "kind": kind, "payload": json.dumps(payload, sort_keys=True, ensure_ascii=False), "state": "waiting", "tries": 0, "next_at": now,
        "leased_until": None, "fault": None,
    }
    return int(session.execute(insert(Outbox).returning(Outbox.id), row).scalar_one())


def is_there(session: Session, kind: str, mark: str) -> bool:
    """Whether a message of this kind with these words in its payload was put already."""
    found = select(Outbox.id).where(Outbox.kind == kind, Outbox.payload.contains(json.dumps(mark, ensure_ascii=False), autoescape=True)).limit(1)
    return session.execute(found).first() is not None


def lease(session: Session, kinds: Collection[str], now: datetime, *, most_tries: int, taking: timedelta = LEASE) -> Leased | None:
    """Take the message that waits longest, or None when nothing is due. The unit must be committed before it is sent.

    The guarded UPDATE lets one of several drainers have it. A time far ahead was written by a clock that was wrong, and does not count.
    """
    due = select(Outbox.id, Outbox.tries).where(
        Outbox.state == "waiting", Outbox.kind.in_(sorted(kinds)),
        or_(Outbox.next_at <= now, Outbox.next_at > now + 2 * LONGEST_WAIT),
        or_(Outbox.leased_until.is_(None), Outbox.leased_until <= now, Outbox.leased_until > now + 2 * taking),
    )
    for row in session.execute(due.order_by(Outbox.next_at, Outbox.id).limit(20)).all():
        mine = update(Outbox).where(
            Outbox.id == row.id, Outbox.state == "waiting", Outbox.tries == row.tries,
            or_(Outbox.leased_until.is_(None), Outbox.leased_until <= now, Outbox.leased_until > now + 2 * taking),
        ).execution_options(synchronize_session=False)
        if row.tries >= most_tries:
            # Whoever had it died at it every time.
            session.execute(mine.values(state="failed", leased_until=None, fault="nobody who tried it came back"))
            continue
        until = now + taking
        taken = session.execute(mine.values(leased_until=until, tries=row.tries + 1).returning(Outbox.kind, Outbox.payload)).one_or_none()
        if taken is not None:
            return Leased(row.id, taken.kind, json.loads(taken.payload), row.tries + 1, until)
    return None


def done(session: Session, leased: Leased, now: datetime) -> bool:
    """Mark it as sent; False when the lease was lost in the meantime."""
    return _end(session, leased, {"state": "sent", "next_at": now, "fault": None})


def failed(session: Session, leased: Leased, now: datetime, fault: str, *, most_tries: int) -> bool:
    """Wait for another try, twice as long each time up to a day; after `most_tries` it needs somebody's attention.

    `fault` names what happened by type and code; it must hold no personal data.
    """
    if leased.tries >= most_tries:
        return _end(session, leased, {"state": "failed", "fault": fault})
    return _end(session, leased, {"next_at": now + wait_after(leased.tries), "fault": fault})


def wait_after(tries: int) -> timedelta:
    """How long to wait after so many tries that failed."""
    return min(FIRST_WAIT * (1 << min(tries, 20)), LONGEST_WAIT)


def _end(session: Session, leased: Leased, values: Mapping[str, Any]) -> bool:
    mine = update(Outbox).where(Outbox.id == leased.id, Outbox.state == "waiting", Outbox.tries == leased.tries)
    ended = session.execute(mine.values(leased_until=None, **values).returning(Outbox.id).execution_options(synchronize_session=False))
    return ended.one_or_none() is not None


def standing(session: Session) -> dict[str, int]:
    """How many messages wait, and how many failed."""
    rows = session.execute(select(Outbox.state, func.count()).where(Outbox.state != "sent").group_by(Outbox.state))
    return {"waiting": 0, "failed": 0} | {state: int(number) for state, number in rows}


def forget_sent(session: Session, before: datetime, most: int = 1000) -> int:
    """Delete messages that were sent before then, at most so many; how many went."""
    old = select(Outbox.id).where(Outbox.state == "sent", Outbox.next_at < before).limit(most)
    gone = session.execute(delete(Outbox).where(Outbox.id.in_(old)).returning(Outbox.id).execution_options(synchronize_session=False))
    return len(gone.all())
