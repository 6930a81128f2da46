"""Replies kept by their Idempotency-Key, so that a scan sent twice is applied once and answered alike.

The key is unique by itself and the actor is part of the fingerprint: a journal replayed after another sign-in must not apply twice.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import LargeBinary, String, bindparam, delete, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Mapped, Session, mapped_column

from biobank.core.db import Base, UTCTime
from biobank.core.errors import N_, RuleBroken

KEY_LENGTH = 200


class IdempotencyKeyReused(RuleBroken):
    """The same key came with another request."""

    title = N_("Key used before")
    message = N_("The Idempotency-Key %(key)s was used before with another request or by another person. Use a new key for a new request.")


class Idempotency(Base):
    """One row per key; `status` is 0 while the first request is still under way."""

    __tablename__ = "idempotency"
    key: Mapped[str] = mapped_column(String(KEY_LENGTH), primary_key=True)
    fingerprint: Mapped[str] = mapped_column(String(64))
    status: Mapped[int]
    content_type: Mapped[str] = mapped_column(String(100))
    reply: Mapped[bytes] = mapped_column(LargeBinary)
    at: Mapped[datetime] = mapped_column(UTCTime, index=True)


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer that was given."""

    status: int
    content_type: str
    body: bytes


_CLAIMS = {
    name: dialect.insert(Idempotency).on_conflict_do_nothing(index_elements=["key"]).execution_options(preserve_rowcount=True)
    for name, dialect in (("sqlite", sqlite), ("postgresql", postgresql))
}
_FIND = select(Idempotency.fingerprint, Idempotency.status, Idempotency.content_type, Idempotency.reply).where(Idempotency.key == bindparam("k"))
_KEEP = (
    update(Idempotency)
    .where(Idempotency.key == bindparam("k"))
    .values(status=bindparam("new_status"), content_type=bindparam("new_type"), reply=bindparam("new_reply"))
    .execution_options(synchronize_session=False)
)


def fingerprint(actor_id: int, method: str, path: str, body: bytes) -> str:
    """SHA-256 over who asks what."""
    return hashlib.sha256(b"\x00".join([str(actor_id).encode(), method.encode(), path.encode(), body])).hexdigest()


def claim(session: Session, key: str, print_: str, now: datetime) -> Reply | None:
    """Take the key for this request, or give the reply of the request that had it.

    Waits for a request with the same key that is still under way. Raises IdempotencyKeyReused for another request.
    """
    row = {"key": key, "fingerprint": print_, "status": 0, "content_type": "", "reply": b"", "at": now}
    taken = session.connection().execute(_CLAIMS[session.get_bind().dialect.name], row)
    if taken.rowcount == 1:
        return None
    found = session.execute(_FIND, {"k": key}).one()
    if found.fingerprint != print_:
        raise IdempotencyKeyReused(key=key)
    return Reply(found.status, found.content_type, found.reply)


def keep(session: Session, key: str, reply: Reply) -> None:
    """Keep the answer under the claimed key, in the same transaction as what it answers."""
    session.connection().execute(_KEEP, {"k": key, "new_status": reply.status, "new_type": reply.content_type, "new_reply": reply.body})


def forget(session: Session, before: datetime, most: int = 1000) -> int:
    """Delete answers to requests from before then, at most so many; how many went."""
    old = select(Idempotency.key).where(Idempotency.at < before).order_by(Idempotency.at).limit(most)
    going = delete(Idempotency).where(Idempotency.key.in_(old)).returning(Idempotency.key)
    gone = session.execute(going.execution_options(synchronize_session=False))
    return len(gone.all())
