"""Making containers, and checking them against their entries."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from biobank.core import codes
from biobank.core.db import AnyRow
from biobank.core.errors import Fault, FieldsWrong
from biobank.core.work import Work
from biobank.identity import service as identity
from biobank.ledger import service as ledger
from biobank.ledger.rules import Finding, Line
from biobank.places import queries
from biobank.places.models import Container
from biobank.places.rules import FOR_TUBES, KINDS, LARGEST, TEMPERATURES

PREFIX = "container/"


@dataclass(frozen=True, slots=True)
class NewContainer:
    """What a container is; rows and columns 0 for one that holds containers, else up to 24 each."""

    kind: str
    title: str
    rows: int
    columns: int
    parent: str | None = None
    temperature_class: str | None = None


def add_container(work: Work, new: NewContainer) -> Container:
    """A new container with a code and a chain. Raises FieldsWrong, CodeUnknown for the parent, or Forbidden."""
    identity.require(work, "keep-places", organisation=work.who.organisation)
    _check(new)
    parent = queries.container(work, new.parent) if new.parent else None
    if parent is not None and parent.kind in FOR_TUBES:
        right = f"{codes.spaced(parent.code)} is a {parent.kind} and holds tubes; give a container that holds containers"
        raise FieldsWrong([Fault("/parent", right, new.parent)])
    code = codes.new_codes(work.session, work.random, 1)[0]
    chain = ledger.open_chain(work, "container", code)
    made = Container(
        code=code, kind=new.kind, title=new.title.strip(), parent_id=parent.id if parent else None, path="", rows=new.rows, columns=new.columns,
        temperature_class=new.temperature_class or (parent.temperature_class if parent else None),
        organisation=work.who.organisation, chain_id=chain,
    )
    work.session.add(made)
    work.session.flush()
    made.path = f"{parent.path if parent else '/'}{made.id:010d}/"
    work.session.flush()
    codes.bind_codes(work.session, "container", [(code, made.id)])
    facts = {"kind": made.kind, "title": made.title, "rows": made.rows, "columns": made.columns, "parent": parent.code if parent else None,
             "temperature_class": made.temperature_class}
    ledger.append(work, [Line(chain, "register", facts)])
    return made


def _check(new: NewContainer) -> None:
    faults = []
    if new.kind not in KINDS:
        faults.append(Fault("/kind", f"use one of {', '.join(KINDS)}", new.kind))
    if not new.title.strip() or not new.title.isprintable():
        faults.append(Fault("/title", "give a title, as it stands on the container, printable characters only", new.title))
    for name, value in (("rows", new.rows), ("columns", new.columns)):
        if not 0 <= value <= LARGEST:
            faults.append(Fault(f"/{name}", f"0 (holds containers) to {LARGEST}", value))
    if (new.rows == 0) != (new.columns == 0):
        faults.append(Fault("/columns", "rows and columns are both 0 (holds containers) or both above 0 (holds tubes)", new.columns))
    if new.temperature_class is not None and new.temperature_class not in TEMPERATURES:
        faults.append(Fault("/temperature_class", f"use one of {', '.join(TEMPERATURES)}", new.temperature_class))
    if faults:
        raise FieldsWrong(faults)


def check_containers(work: Work, chains: Mapping[str, Sequence[dict[str, Any]]]) -> Iterator[Finding]:
    """Yields a Finding for every container whose row is not what its entry says, or whose code leads elsewhere.

    With no chains: containers without a chain of their own, and codes bound to containers that do not bear them.
    """
    if not chains:
        for code in queries.without_chain(work):
            yield Finding(f"{PREFIX}{code}", None, "chain_id", "the container has no chain of its own")
        for code in codes.strays(work.session, "container", Container.__table__):
            yield Finding(f"{PREFIX}{code}", None, "code", "this code is bound to something that does not bear it")
    mine = {name.removeprefix(PREFIX): bodies for name, bodies in chains.items() if name.startswith(PREFIX)}
    if not mine:
        return
    rows = queries.with_parents(work, mine)
    bound = codes.bound(work.session, mine)
    for code, bodies in mine.items():
        yield from _check_one(PREFIX + code, rows.get(code), bound.get(code), bodies)


def _check_one(name: str, row: AnyRow | None, bound: tuple[str, int] | None, bodies: Sequence[dict[str, Any]]) -> Iterator[Finding]:
    if row is None:
        yield Finding(name, None, "container", "the container has entries but no row")
        return
    if bound != ("container", row.id):
        yield Finding(name, None, "code", "the code is not bound to this container: a scan would find something else")
    if row.parent_id is not None and row.parent is None:
        yield Finding(name, 1, "parent", "the container it is in does not exist")
    if bodies:
        told = dict(bodies[0]["facts"]) | {"organisation": bodies[0]["organisation"], "path": f"{row.parent_path or '/'}{row.id:010d}/"}
        for field, value in told.items():
            if getattr(row, field) != value:
                yield Finding(name, 1, field, f"the container says {getattr(row, field)!r}, its entry {value!r}")
