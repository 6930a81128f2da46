"""What an evidence pack holds of a tube: itself and what it was made from, where they stood, every entry of all of these, and the verdicts."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from itertools import pairwise
from typing import Any

from sqlalchemy import func, select

from biobank.consent import queries as consent
from biobank.core.db import AnyRow
from biobank.core.errors import Overtaken
from biobank.core.times import stamp
from biobank.core.work import Work
from biobank.custody import queries as custody
from biobank.custody.models import Lot, Posting, Standing
from biobank.custody.rules import OWNER
from biobank.custody.rules import Standing as Fold
from biobank.identity import service as identity
from biobank.ledger import queries as read
from biobank.ledger import service as ledger
from biobank.ledger.models import Chain, Checkpoint, Entry, Leaf, Note
from biobank.places import queries as places
from biobank.places.models import Container
from biobank.specimens import queries
from biobank.specimens.models import Parent, Specimen

# How often a tube that somebody works on is read anew.
TRIES = 5
TOLD = ("participant", "study", "collection", "event", "kind", "material", "container_type", "purpose")
CONTAINER = ("kind", "title", "rows", "columns", "temperature_class")


def gather(work: Work, specimen_id: int) -> dict[str, Any]:
    """The content of the pack, without keys. Writes nothing.

    What the actor may not see is named as withheld. Raises Overtaken when the tube changes again and again while it is read.
    """
    for _ in range(TRIES):
        rows, withheld = _family(work, specimen_id)
        chains = _chains(work, [row.chain_id for row in rows.values()])
        boxes = _containers(work, chains, withheld)
        chains |= _chains(work, [box.chain_id for box in boxes.values()])
        checkpoints, unsealed = _seal(work, chains)
        pack = {
            "tube": rows[specimen_id].code, "tubes": _tubes(work, rows), "containers": _told_of_containers(work, boxes),
            "verdicts": _verdicts(work, chains, rows[specimen_id]), "chains": {chain["name"]: _shown(chain) for chain in chains.values()},
            "checkpoints": checkpoints, "unsealed": unsealed, "withheld": sorted(withheld),
        }
        if _still(work, rows, chains):
            return pack
    raise Overtaken


def _still(work: Work, rows: dict[int, AnyRow], chains: dict[int, dict[str, Any]]) -> bool:
    """Whether nothing was appended while we read: each statement sees what is committed by then, and every change appends to its chain."""
    heads = work.session.execute(select(Chain.id, Chain.last_seq).where(Chain.id.in_(sorted(chains))))
    folded = work.session.execute(select(Standing.specimen_id, Standing.seq).where(Standing.specimen_id.in_(sorted(rows))))
    return {head.id: head.last_seq for head in heads} == {one: chain["last_seq"] for one, chain in chains.items()} and {
        row.specimen_id: row.seq for row in folded
    } == {one: row.seq for one, row in rows.items()}


def _family(work: Work, specimen_id: int) -> tuple[dict[int, AnyRow], set[str]]:
    """The tube and all that it was made from, by id; and the names of those the actor may not see."""
    found: dict[int, AnyRow] = {}
    withheld: set[str] = set()
    wanted = {specimen_id}
    while wanted:
        seen = set()
        for row in queries.tubes(work, wanted).values():
            if row.id == specimen_id or queries.may_see(work, row, "read-custody"):
                found[row.id] = row
                seen.add(row.id)
            else:
                withheld.add(f"specimen/{row.code}")
        wanted = set(work.session.execute(select(Parent.parent_id).where(Parent.child_id.in_(sorted(seen)))).scalars()) - found.keys()
    return found, withheld


def _tubes(work: Work, rows: dict[int, AnyRow]) -> dict[str, Any]:
    folds = custody.folds(work, list(rows.values()))
    parents, marks, foreign = queries.parents(work, rows), queries.earmarks(work, rows), queries.external_codes(work, rows)
    lots = {lot.id: lot for lot in work.session.execute(select(Lot).where(Lot.id.in_({row.lot_id for row in rows.values()}))).scalars()}
    return {
        row.code: {
            "is": {name: getattr(row, name) for name in TOLD} | {"parents": parents.get(one, [])},
            "standing": _standing(folds[one]) | {"seq": row.seq}, "lot": lots[row.lot_id].code, "lot_unit": lots[row.lot_id].unit,
            "drawn_at": stamp(row.drawn_at) if row.drawn_at else None, "earmarks": sorted(marks.get(one, [])),
            "external_codes": [[code["issuer"], code["code"]] for code in foreign.get(one, [])],
        }
        for one, row in rows.items()
    }


def _standing(fold: Fold) -> dict[str, Any]:
    told = {name: value for name, value in asdict(fold).items() if name not in OWNER}
    promises = [{"for": promise.for_, "amount": promise.amount, "stage": promise.stage} for promise in fold.promises]
    return told | {"holds": list(told["holds"]), "promises": promises}


def _chains(work: Work, ids: Iterable[int]) -> dict[int, dict[str, Any]]:
    """Whole chains by id, each with its name, head and entries."""
    these = sorted(set(ids))
    notes = _by_entry(work, select(Note.__table__).where(Note.chain_id.in_(these)).order_by(Note.name))
    posted = _by_entry(
        work,
        select(Posting.chain_id, Posting.seq, Posting.account, Posting.amount, Lot.code.label("lot"), Specimen.code.label("tube"))
        .join(Lot, Lot.id == Posting.lot_id)
        .outerjoin(Specimen, Specimen.id == Posting.specimen_id)
        .where(Posting.chain_id.in_(these))
        .order_by(Posting.line),
    )
    found: dict[int, dict[str, Any]] = {
        row.id: {"name": f"{row.kind}/{row.ref}", "last_seq": row.last_seq, "last_hash": row.last_hash, "entries": [], "facts": []}
        for row in work.session.execute(select(Chain.__table__).where(Chain.id.in_(these)))
    }
    query = select(Entry.__table__).where(Entry.chain_id.in_(these)).order_by(Entry.chain_id, Entry.seq)
    for row in work.session.execute(query):
        chain, key = found[row.chain_id], (row.chain_id, row.seq)
        chain["entries"].append(
            {
                "chain": chain["name"], "seq": row.seq, "act": row.act, "actor": row.actor_id, "occurred_at": stamp(row.occurred_at),
                "recorded_at": stamp(row.recorded_at), "previous": row.previous, "hash": row.hash, "body": bytes(row.body).decode(errors="replace"),
                "notes": {note.name: {"salt": bytes(note.salt).hex(), "text": note.text} for note in notes.get(key, ())},
                "postings": [{"account": one.account, "amount": one.amount, "lot": one.lot, "tube": one.tube} for one in posted.get(key, ())],
                "leaf": None, "proof": [],
            }
        )
        chain["facts"].append(_facts(bytes(row.body)))
    return found


def _by_entry(work: Work, query: Any) -> dict[tuple[int, int], list[AnyRow]]:
    found: dict[tuple[int, int], list[AnyRow]] = {}
    for row in work.session.execute(query):
        found.setdefault((row.chain_id, row.seq), []).append(row)
    return found


def _shown(chain: dict[str, Any]) -> dict[str, Any]:
    return {name: chain[name] for name in ("last_seq", "last_hash", "entries")}


def _facts(body: bytes) -> Any:
    # A body that was tampered with goes into the pack as it is: the verifier says so.
    try:
        return json.loads(body)["facts"]
    except (ValueError, LookupError, TypeError):
        return {}


def _named(chains: dict[int, dict[str, Any]], kind: type, *path: str) -> set[Any]:
    """What stands at this path in the facts of any entry, when it is of this kind."""
    found = [facts for chain in chains.values() for facts in chain["facts"]]
    for step in path:
        found = [one.get(step) for one in found if isinstance(one, dict)]
    return {one for one in found if isinstance(one, kind)}


def _containers(work: Work, chains: dict[int, dict[str, Any]], withheld: set[str]) -> dict[int, Container]:
    """The containers that the tubes ever stood in and those around them, by id; those of an organisation the actor sees nothing of are withheld."""
    named = _named(chains, str, "effect", "place", "container")
    wanted = list(work.session.execute(select(Container).where(Container.code.in_(sorted(named))).order_by(Container.id)).scalars())
    found: dict[int, Container] = {}
    while wanted:
        above = set()
        for box in wanted:
            if not places.may_see(work, box):
                withheld.add(f"container/{box.code}")
            else:
                found[box.id] = box
                above |= {box.parent_id} - {None, *found}
        wanted = list(places.by_ids(work, [one for one in above if one is not None]).values()) if above else []
    return found


def _told_of_containers(work: Work, boxes: dict[int, Container]) -> dict[str, Any]:
    above = places.by_ids(work, [box.parent_id for box in boxes.values() if box.parent_id is not None])
    return {
        box.code: {name: getattr(box, name) for name in CONTAINER} | {"parent": above[box.parent_id].code if box.parent_id else None}
        for box in boxes.values()
    }


def _verdicts(work: Work, chains: dict[int, dict[str, Any]], tube: AnyRow) -> dict[str, Any]:
    """The verdicts that entries relied on; day and reasons only for those who may read the participant's consent."""
    open_ = any(identity.may(work, "read-participants", tube.study, at) for at in (tube.custodian, tube.responsible) if at)
    given = consent.verdicts_given(work, _named(chains, int, "verdict", "id"))
    return {
        str(one): {
            "purpose": row.purpose, "granted": row.granted, "on": row.on_date.isoformat() if open_ else None,
            "reasons": json.loads(row.reasons) if open_ and row.reasons else None, "rules_version": row.rules_version if open_ else None,
        }
        for one, row in given.items()
    }


def _seal(work: Work, chains: dict[int, dict[str, Any]]) -> tuple[list[dict[str, Any]], list[list[Any]]]:
    """Give each entry its place in the tree of the newest checkpoint, with the proof.

    Returns the checkpoints that first covered one of them and the newest, each with the proof that it grew from the one before; and the
    entries (chain, seq) that are not sealed yet.
    """
    newest = (read.newest_checkpoint(work) or (0, ""))[0]
    covering = select(func.min(Checkpoint.size)).where(Checkpoint.size > Leaf.leaf_index).correlate(Leaf).scalar_subquery()
    query = select(Leaf.leaf_index, Leaf.chain_id, Leaf.seq, covering.label("size"))
    entries = {(one, entry["seq"]): entry for one, chain in chains.items() for entry in chain["entries"]}
    sizes = set()
    for row in work.session.execute(query.where(Leaf.chain_id.in_(sorted(chains)), Leaf.leaf_index < newest)).all():
        sizes |= {row.size, newest}
        entry = entries.get((row.chain_id, row.seq), {})
        entry |= {"leaf": row.leaf_index, "proof": _proof(work, row, newest)}
    unsealed = [[entry["chain"], entry["seq"]] for entry in entries.values() if entry["leaf"] is None]
    return _checkpoints(work, sorted(sizes)), sorted(unsealed)


def _proof(work: Work, row: AnyRow, size: int) -> list[str]:
    try:
        return [one.hex() for one in ledger.inclusion(work, row.chain_id, row.seq, size)[1]]
    except (LookupError, TypeError):
        # Leaves or entries beside it are gone: without a proof the verifier says so.
        return []


def _checkpoints(work: Work, sizes: Sequence[int]) -> list[dict[str, Any]]:
    notes = {row.size: row.note for row in work.session.execute(select(Checkpoint.size, Checkpoint.note).where(Checkpoint.size.in_(sizes)))}
    grown = {new: ledger.consistency(work, old, new) for old, new in pairwise(sizes)}
    return [{"note": notes[size], "proof": [one.hex() for one in grown.get(size, ())]} for size in sizes]
