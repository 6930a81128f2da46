"""Reading the container tree."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import and_, bindparam, select
from sqlalchemy.orm import aliased

from biobank.core import codes
from biobank.core.db import AnyRow
from biobank.core.work import Work
from biobank.identity import service as identity
from biobank.ledger.models import Chain
from biobank.places.models import Container
from biobank.places.rules import LARGEST, NoPositions, PositionOutside, position_text

_LOCK = select(Container.id).where(Container.id == bindparam("this")).with_for_update(key_share=True)


def container(work: Work, scanned: str) -> Container:
    """The container with this code. Raises CodeMistyped, or CodeUnknown also for one of an organisation the actor sees nothing of."""
    code, _, ref = codes.resolve(work.session, scanned, "container")
    found = by_id(work, ref)
    if not may_see(work, found):
        raise codes.CodeUnknown(code=codes.spaced(code), what="container", key=code)
    return found


def may_see(work: Work, here: Container) -> bool:
    """Whether the actor may see a container: by the organisation that keeps it."""
    return identity.may(work, "read-storage", organisation=here.organisation)


def by_id(work: Work, container_id: int) -> Container:
    """The container with this id."""
    return work.session.get_one(Container, container_id)


def by_ids(work: Work, ids: Iterable[int]) -> dict[int, Container]:
    """Containers by id, in one query."""
    found = work.session.execute(select(Container).where(Container.id.in_(sorted(set(ids))))).scalars()
    return {row.id: row for row in found}


def lock(work: Work, here: Container) -> None:
    """Wait for others who look for a free position here. Taken before every other lock, and by nothing that holds one.

    FOR NO KEY UPDATE: rows that only refer to the container do not wait for it. SQLite: a writing unit is alone.
    """
    if work.session.get_bind().dialect.name == "postgresql":
        work.session.connection().execute(_LOCK, {"this": here.id}).all()


def path_of(work: Work, here: Container) -> list[Container]:
    """From the outermost container to this one."""
    ids = [int(part) for part in here.path.strip("/").split("/")]
    found = by_ids(work, ids)
    return [found[one] for one in ids]


def children(work: Work, parent_id: int | None) -> list[Container]:
    """The containers directly inside one, or the outermost ones."""
    query = select(Container).where(Container.parent_id.is_(None) if parent_id is None else Container.parent_id == parent_id)
    return list(work.session.execute(query.order_by(Container.title, Container.id)).scalars())


def tree(work: Work) -> list[Container]:
    """All containers that the actor may see, in the order of the tree, in one query."""
    return [one for one in work.session.execute(select(Container).order_by(Container.path)).scalars() if may_see(work, one)]


def check_position(here: Container, row: int, column: int) -> None:
    """Raises NoPositions or PositionOutside."""
    if not here.rows:
        raise NoPositions(container=codes.spaced(here.code), kind=here.kind)
    if not (1 <= row <= here.rows and 1 <= column <= here.columns):
        shown = position_text(row, column) if 1 <= row <= 26 and column <= LARGEST * 4 else f"{row}:{column}"
        raise PositionOutside(container=codes.spaced(here.code), last_row=chr(64 + here.rows), columns=here.columns, position=shown)


def with_parents(work: Work, wanted: Iterable[str]) -> dict[str, AnyRow]:
    """Containers with `parent` (its code) and `parent_path`, by code: for verification."""
    above = aliased(Container)
    query = select(Container.__table__, above.code.label("parent"), above.path.label("parent_path")).outerjoin(above, above.id == Container.parent_id)
    return {row.code: row for row in work.session.execute(query.where(Container.code.in_(sorted(wanted))))}


def without_chain(work: Work) -> list[str]:
    """Codes of containers whose chain is another's."""
    theirs = and_(Chain.id == Container.chain_id, Chain.kind == "container", Chain.ref == Container.code)
    query = select(Container.code).outerjoin(Chain, theirs).where(Chain.id.is_(None))
    return list(work.session.execute(query.order_by(Container.code)).scalars())
