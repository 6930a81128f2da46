"""Reading people, organisations and their grants."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import bindparam, select

from biobank.core.errors import Fault, FieldsWrong
from biobank.core.work import Actor, Grant, Work
from biobank.identity.models import Organisation, Person, RoleGrant, Token

# One statement for the hot path: who the token belongs to and every role the person holds.
_ACTOR = (
    select(
        Person.id, Person.login, Person.epoch, Organisation.code.label("organisation"),
        RoleGrant.role, RoleGrant.study, RoleGrant.organisation.label("at"),
    )
    .join(Organisation, Organisation.id == Person.organisation_id)
    .outerjoin(RoleGrant, RoleGrant.person_id == Person.id)
    .where(Person.active.is_(True))
)
_BY_TOKEN = (
    _ACTOR.add_columns(Token.role.label("only"), Token.expires_at)
    .join(Token, Token.person_id == Person.id)
    .where(Token.sha256 == bindparam("sha256"), Token.revoked_at.is_(None))
)
_BY_PERSON = _ACTOR.where(Person.id == bindparam("person"))


def actor_by_token(work: Work, sha256: str, at: datetime | None = None) -> Actor | None:
    """The actor a token stands for at a moment (now), or None when it is unknown, revoked, expired or its person is not active."""
    rows = work.session.connection().execute(_BY_TOKEN, {"sha256": sha256}).all()
    if not rows or (rows[0].expires_at is not None and rows[0].expires_at <= (at or work.now)):
        return None
    grants = tuple(Grant(r.role, r.study, r.at) for r in rows if r.role is not None and rows[0].only in (None, r.role))
    return Actor(rows[0].id, rows[0].login, rows[0].organisation, grants)


def actor_by_id(work: Work, person_id: int) -> tuple[Actor, int] | None:
    """The active person as actor, and the epoch of the sessions that count."""
    rows = work.session.execute(_BY_PERSON, {"person": person_id}).all()
    if not rows:
        return None
    grants = tuple(Grant(r.role, r.study, r.at) for r in rows if r.role is not None)
    return Actor(rows[0].id, rows[0].login, rows[0].organisation, grants), rows[0].epoch


def person_by_login(work: Work, login: str) -> Person | None:
    """The person with this login."""
    return work.session.execute(select(Person).where(Person.login == login)).scalar_one_or_none()


def actor_by_login(work: Work, login: str) -> Actor | None:
    """The active person with this login as actor; for the command line."""
    person = person_by_login(work, login)
    found = actor_by_id(work, person.id) if person else None
    return found[0] if found else None


def organisation(work: Work, code: str, pointer: str = "/organisation") -> Organisation:
    """The organisation with this code. Raises FieldsWrong that lists those there are."""
    found = work.session.execute(select(Organisation).where(Organisation.code == code)).scalar_one_or_none()
    if found is None:
        known = ", ".join(work.session.execute(select(Organisation.code).order_by(Organisation.code)).scalars())
        raise FieldsWrong([Fault(pointer, f"there is no such organisation; known are: {known}", code)])
    return found


def organisations(work: Work) -> list[Organisation]:
    """All organisations by code."""
    return list(work.session.execute(select(Organisation).order_by(Organisation.code)).scalars())


def logins(work: Work, ids: Iterable[int]) -> dict[int, str]:
    """Logins by person id."""
    rows = work.session.execute(select(Person.id, Person.login).where(Person.id.in_(sorted(set(ids)))))
    return {row.id: row.login for row in rows}


def people(work: Work) -> list[tuple[Person, list[RoleGrant]]]:
    """Everybody, with the roles they hold."""
    grants: dict[int, list[RoleGrant]] = {}
    for grant in work.session.execute(select(RoleGrant).order_by(RoleGrant.id)).scalars():
        grants.setdefault(grant.person_id, []).append(grant)
    everybody = work.session.execute(select(Person).order_by(Person.login)).scalars()
    return [(person, grants.get(person.id, [])) for person in everybody]
