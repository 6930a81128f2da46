"""The erasable notes as verification looks at them: what is still there is what was written."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import and_, select

from biobank.core.work import Work
from biobank.ledger.models import Chain, Entry, Note
from biobank.ledger.rules import Finding, note_hash


def verify_notes(work: Work, first_id: int, last_id: int, bodies: Mapping[str, Sequence[dict[str, Any]]]) -> Iterator[Finding]:
    """Yields a Finding for every note of these chains that is not the text whose salted hash the entry holds. An erased note is none."""
    query = (
        select(Chain.kind, Chain.ref, Note.seq, Note.name, Note.salt, Note.text)
        .join(Chain, Chain.id == Note.chain_id)
        .where(Note.chain_id >= first_id, Note.chain_id <= last_id)
        .order_by(Note.chain_id, Note.seq, Note.name)
    )
    told: dict[str, dict[int, Any]] = {}
    for row in work.session.execute(query):
        name = f"{row.kind}/{row.ref}"
        if name not in told:
            told[name] = {body["seq"]: body.get("notes") or {} for body in bodies.get(name, ())}
        if told[name].get(row.seq, {}).get(row.name) != note_hash(bytes(row.salt), row.text):
            yield Finding(name, row.seq, "note", f"the text of “{row.name}” is not the one whose salted hash the entry holds")


def stray_notes(work: Work) -> Iterator[Finding]:
    """Yields a Finding for every note of an entry that is not there."""
    query = (
        select(Note.chain_id, Note.seq, Note.name, Chain.kind, Chain.ref)
        .outerjoin(Entry, and_(Entry.chain_id == Note.chain_id, Entry.seq == Note.seq))
        .outerjoin(Chain, Chain.id == Note.chain_id)
        .where(Entry.seq.is_(None))
        .order_by(Note.chain_id, Note.seq, Note.name)
    )
    for row in work.session.execute(query):
        yield Finding(f"{row.kind}/{row.ref}" if row.kind else f"chain {row.chain_id}", row.seq, "note", f"“{row.name}” is a note of no entry")
