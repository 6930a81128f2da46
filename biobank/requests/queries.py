"""Reading requests: who sees which, their tubes as custody has them, and the way through the freezers."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, func, or_, select, true

from biobank.core.codes import parse_code, spaced
from biobank.core.work import Grant, Work
from biobank.custody.models import HoldRow, Reservation, Standing
from biobank.custody.rules import HoldKind
from biobank.identity.models import Person
from biobank.identity.rules import holds
from biobank.identity.service import may
from biobank.ledger.models import Entry
from biobank.places.models import Container
from biobank.requests.models import Request, RequestItem, RequestPlan
from biobank.requests.rules import RequestUnknown
from biobank.specimens.models import Specimen

# Whoever holds one of these in a study sees all its requests; others (researchers) see their own and their organisation's.
INSIDE = ("read-specimens", "review")


@dataclass(frozen=True, slots=True)
class Tube:
    """A tube of an item: how far it has come (reserved, picked, delivered, freed) and, when freed, by which act.

    `identity`: None; `corrected` when it turned out to be another child's after it was handed over; `in-doubt` while that is not settled.
    """

    specimen_id: int
    enrolment_id: int
    code: str
    material: str
    family: str
    line: int
    stage: str
    freed_by: str | None
    thaws: int
    unit: str
    amount: int
    open_holds: int
    is_out: bool
    container: str | None
    way: str | None
    row: int | None
    column: int | None
    identity: str | None

    @property
    def open(self) -> bool:
        """Whether it is still to be handed over."""
        return self.stage in {"reserved", "picked"}


@dataclass(frozen=True, slots=True)
class Stop:
    """A tube on the pick list, and the way to it: titles from the freezer to the box."""

    tube: Tube
    way: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Listed:
    """A request in a list: how many tubes it asks for, has reserved or picked, and was given."""

    code: str
    study: str
    purpose: str
    title: str | None
    organisation: str
    requester: str
    state: str
    created_at: datetime
    asked: int
    open: int


def promise(request: Request, line: int) -> str:
    """What a tube is reserved for: the request's chain and the item's line."""
    return f"request/{request.code}/{line}"


def inside(work: Work, study: str) -> bool:
    """Whether the actor belongs to the people of this study, and not only to those who ask."""
    return any(_insider(grant) and grant.study in {None, study} for grant in work.who.grants)


def _insider(grant: Grant) -> bool:
    # A role at one organisation only is that of a neighbour: they see what their own organisation asks for.
    return grant.organisation is None and holds([grant], "read-requests") and any(holds([grant], permission) for permission in INSIDE)


def request(work: Work, scanned: str) -> Request:
    """The request with this code. Raises CodeMistyped, or RequestUnknown when it is not there or not for the actor."""
    code = parse_code(scanned)
    found = work.session.execute(select(Request).where(Request.code == code)).scalar_one_or_none()
    if found is None or not _sees(work, found):
        raise RequestUnknown(key=spaced(code), what="request")
    return found


def _sees(work: Work, found: Request) -> bool:
    actor = work.who
    if inside(work, found.study):
        return True
    return may(work, "read-requests", study=found.study) and (found.requester_id == actor.id or found.organisation == actor.organisation)


def requests(work: Work, *, state: str | None = None, study: str | None = None, after: str | None = None, limit: int = 100) -> list[Listed]:
    """The requests that the actor may see, newest first; `limit + 1` of them, `after` is the code of the last one seen."""
    asked = select(func.coalesce(func.sum(RequestItem.n), 0)).where(RequestItem.request_id == Request.id).scalar_subquery()
    waiting = (
        select(func.count()).where(Reservation.for_.like("request/" + Request.code + "/%"), Reservation.closed_seq.is_(None)).scalar_subquery()
    )
    query = (
        select(
            Request.code, Request.study, Request.purpose, Request.title, Request.organisation, Person.login.label("requester"), Request.state,
            Request.created_at, asked.label("asked"), waiting.label("open"),
        )
        .join(Person, Person.id == Request.requester_id)
        .where(_visible(work))
        .order_by(Request.id.desc())
        .limit(limit + 1)
    )
    if state is not None:
        query = query.where(Request.state == state)
    if study is not None:
        query = query.where(Request.study == study)
    if after is not None:
        query = query.where(Request.id < select(Request.id).where(Request.code == parse_code(after)).scalar_subquery())
    return [Listed(*row) for row in work.session.execute(query)]


def _visible(work: Work) -> ColumnElement[bool]:
    seen: list[ColumnElement[bool]] = []
    for grant in work.who.grants:
        study = Request.study == grant.study if grant.study else true()
        if _insider(grant):
            seen.append(study)
        elif holds([grant], "read-requests"):
            own = or_(Request.requester_id == work.who.id, Request.organisation == work.who.organisation)
            seen.append(and_(study, own))
    return or_(*seen) if seen else ~true()


def items(work: Work, found: Request) -> list[RequestItem]:
    """The items in the order of their lines."""
    return list(work.session.execute(select(RequestItem).where(RequestItem.request_id == found.id).order_by(RequestItem.line)).scalars())


# A later `reassign` than the entry that closed the reservation, and whether the hold that this opens is still there.
_REASSIGNED = (
    select(func.max(Entry.seq)).where(Entry.chain_id == Standing.chain_id, Entry.act == "reassign").correlate(Standing).scalar_subquery()
).label("reassigned")
_DOUBTED = (
    select(func.count())
    .where(HoldRow.specimen_id == Standing.specimen_id, HoldRow.kind == HoldKind.IDENTITY.value, HoldRow.closed_seq.is_(None))
    .correlate(Standing)
    .scalar_subquery()
).label("doubted")


def tubes(work: Work, found: Request, lines: Sequence[int]) -> list[Tube]:
    """Every tube that was ever reserved for the request, along the way through the freezers; the newest reservation of each."""
    wanted = {promise(found, line): line for line in lines}
    query = (
        select(
            Reservation.id, Reservation.for_, Reservation.stage, Reservation.amount, Reservation.closed_seq, Entry.act, Entry.body, Standing,
            Specimen.material, Specimen.family, Container.code.label("container"), Container.path, _REASSIGNED, _DOUBTED,
        )
        .join(Standing, Standing.specimen_id == Reservation.specimen_id)
        .join(Specimen, Specimen.id == Standing.specimen_id)
        .outerjoin(Container, Container.id == Standing.container_id)
        .outerjoin(Entry, and_(Entry.chain_id == Standing.chain_id, Entry.seq == Reservation.closed_seq))
        .where(Reservation.for_.in_(wanted))
        .order_by(Container.path.is_(None), Container.path, Standing.row, Standing.column, Standing.code, Reservation.id)
    )
    newest: dict[int, Tube] = {}
    for row in work.session.execute(query):
        newest[row.Standing.specimen_id] = _tube(row, wanted[row.for_])
    return list(newest.values())


def _tube(row: Any, line: int) -> Tube:
    here: Standing = row.Standing
    stage = row.stage if row.closed_seq is None else "delivered" if row.act == "deliver" else "freed"
    return Tube(
        specimen_id=here.specimen_id, enrolment_id=here.enrolment_id, code=here.code, material=row.material, family=row.family, line=line,
        stage=stage, freed_by=_freed_by(row) if stage == "freed" else None, thaws=here.thaws, unit=here.unit, amount=row.amount,
        open_holds=here.open_holds, is_out=here.is_out, container=row.container, way=row.path, row=here.row, column=here.column,
        identity=_identity(row) if stage == "delivered" else None,
    )


def _identity(row: Any) -> str | None:
    if row.reassigned is None or row.reassigned < row.closed_seq:
        return None
    return "in-doubt" if row.doubted else "corrected"


def _freed_by(row: Any) -> str:
    because: str | None = json.loads(row.body)["facts"].get("because")
    return because or str(row.act)


def promised_to(work: Work, specimen_id: int) -> str | None:
    """The code of the request that a tube is reserved or picked for, or None."""
    query = select(Reservation.for_).where(
        Reservation.specimen_id == specimen_id, Reservation.closed_seq.is_(None), Reservation.for_.like("request/%")
    )
    found = work.session.execute(query).scalars().first()
    return found.split("/")[1] if found else None


def pick_list(work: Work, found: Request) -> list[Stop]:
    """The tubes still to be handed over, ordered by the way through the freezers: container path, row, column."""
    open_ = [tube for tube in tubes(work, found, [item.line for item in items(work, found)]) if tube.open]
    ids = {int(part) for tube in open_ if tube.way for part in tube.way.strip("/").split("/")}
    titles = dict(work.session.execute(select(Container.id, Container.title).where(Container.id.in_(sorted(ids)))).all()) if ids else {}
    return [Stop(tube, tuple(titles[int(part)] for part in tube.way.strip("/").split("/")) if tube.way else ()) for tube in open_]


def plans(work: Work, found: Request) -> dict[int, list[RequestPlan]]:
    """The plans that were applied, by line, oldest first."""
    query = (
        select(RequestItem.line, RequestPlan)
        .join(RequestPlan, RequestPlan.item_id == RequestItem.id)
        .where(RequestItem.request_id == found.id)
        .order_by(RequestPlan.id)
    )
    by_line: dict[int, list[RequestPlan]] = {}
    for line, plan in work.session.execute(query):
        by_line.setdefault(line, []).append(plan)
    return by_line


def reasons(plan: RequestPlan) -> list[dict[str, Any]]:
    """The printed reason per tube of a plan."""
    told: list[dict[str, Any]] = json.loads(plan.reasons)
    return told


def lock(work: Work, found: Request) -> Request:
    """The request, locked and as it stands now; taken after the tubes' chains, never before."""
    query = select(Request).where(Request.id == found.id).with_for_update().execution_options(populate_existing=True)
    return work.session.execute(query).scalar_one()
