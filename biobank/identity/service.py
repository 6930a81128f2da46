"""Accounts, signing in, tokens, and asking whether somebody may."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable
from datetime import datetime, timedelta

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError
from itsdangerous import BadData, URLSafeTimedSerializer

from biobank.core.errors import Fault, FieldsWrong, Forbidden
from biobank.core.work import Actor, Grant, Work
from biobank.identity import queries
from biobank.identity.models import Organisation, Person, RoleGrant, Token
from biobank.identity.rules import LinkUsed, LoginTaken, PersonUnknown, Role, SignInFailed, SignInWaits, holds

PASSWORD_AT_LEAST = 10
ONCE = "first sign-in"
ONCE_SECONDS = 24 * 3600
TOKEN_PREFIX = "bbk_"  # noqa: S105 - a mark for secret scanners, not a secret
_hasher = PasswordHasher()
# Checked when the login is unknown, so that the answer takes as long as for a known one.
_nobody = _hasher.hash(secrets.token_hex(16))


def may(work: Work, permission: str, study: str | None = None, organisation: str | None = None) -> bool:
    """Whether the actor holds the permission in this study at this organisation (None: in any)."""
    return work.actor is not None and holds(work.actor.grants, permission, study, organisation)


def require(work: Work, permission: str, study: str | None = None, organisation: str | None = None) -> None:
    """Raises Forbidden, naming the permission, unless the actor holds it there."""
    if not may(work, permission, study, organisation):
        raise Forbidden(permission=permission, study=study, organisation=organisation)


def add_organisation(work: Work, code: str, title: str, kind: str, country: str, zone: str) -> Organisation:
    """A new organisation."""
    organisation = Organisation(code=code, title=title, kind=kind, country=country, zone=zone)
    work.session.add(organisation)
    work.session.flush()
    return organisation


def add_person(work: Work, login: str, name: str, password: str, organisation: str, grants: Iterable[Grant]) -> Person:
    """A new account. Raises LoginTaken, or FieldsWrong for a short password or an unknown role."""
    if queries.person_by_login(work, login) is not None:
        raise LoginTaken(login=login)
    _check_password(password)
    person = Person(
        login=login, name=name, password_hash=_hasher.hash(password), active=True, epoch=1, failures=0, waits_until=None,
        organisation_id=queries.organisation(work, organisation).id,
    )
    work.session.add(person)
    work.session.flush()
    for given in grants:
        grant(work, person, given)
    return person


def grant(work: Work, person: Person, given: Grant) -> None:
    """Give a role, in one study and at one organisation or everywhere. Raises FieldsWrong for an unknown role."""
    if given.role not in set(Role):
        raise FieldsWrong([Fault("/role", f"there is no such role; roles are: {', '.join(Role)}", given.role)])
    work.session.add(RoleGrant(person_id=person.id, role=given.role, study=given.study, organisation=given.organisation))
    work.session.flush()


def disable(work: Work, login: str) -> None:
    """Close an account: no sign-in, no token and no session counts any more."""
    person = queries.person_by_login(work, login)
    if person is None:
        raise PersonUnknown(login=login)
    person.active = False
    person.epoch += 1


def password_fits(password_hash: str | None, password: str) -> bool:
    """Whether the password is the right one; takes as long without an account."""
    try:
        return _hasher.verify(password_hash or _nobody, password) and password_hash is not None
    except (Argon2Error, InvalidHashError):
        return False


def sign_in(work: Work, login: str, password: str, *, attempts: int, minutes: int) -> tuple[Actor, int] | None:
    """The actor and the session epoch; None for a wrong password, which is counted (so the unit must be committed).

    Raises SignInWaits while the account waits after too many wrong passwords.
    """
    person = queries.person_by_login(work, login)
    # An end further ahead than a wait is long was set by a clock that was wrong.
    if person is not None and person.waits_until is not None and work.now < person.waits_until <= work.now + timedelta(minutes=minutes):
        raise SignInWaits(minutes=int((person.waits_until - work.now).total_seconds() // 60) + 1)
    right = password_fits(person.password_hash if person else None, password)
    if person is None or not person.active:
        return None
    if not right:
        person.failures += 1
        if person.failures >= attempts:
            person.failures, person.waits_until = 0, work.now + timedelta(minutes=minutes)
        return None
    person.failures, person.waits_until = 0, None
    if _hasher.check_needs_rehash(person.password_hash):
        person.password_hash = _hasher.hash(password)
    return queries.actor_by_id(work, person.id)


def sign_out(work: Work) -> None:
    """End every session of the actor, so that no copy of a cookie opens anything. API tokens stay."""
    if work.actor is not None:
        work.session.get_one(Person, work.actor.id).epoch += 1


def once_token(secret: bytes, person_id: int, epoch: int) -> str:
    """A signed link for one first sign-in: choosing the password raises the epoch, so it works once."""
    return URLSafeTimedSerializer(secret, salt=ONCE).dumps([person_id, epoch])


def choose_password(work: Work, secret: bytes, token: str, password: str | None) -> tuple[Actor, int]:
    """With a password: set it and give the actor with the new epoch. Without: only look whether the link is good.

    Raises LinkUsed for a link that was used, altered or is older than a day, FieldsWrong for a short password.
    """
    try:
        person_id, epoch = URLSafeTimedSerializer(secret, salt=ONCE).loads(token, max_age=ONCE_SECONDS)
    except BadData:
        raise LinkUsed from None
    found = queries.actor_by_id(work, person_id)
    if found is None or found[1] != epoch:
        raise LinkUsed
    if password is None:
        return found
    _check_password(password)
    person = work.session.get_one(Person, person_id)
    person.password_hash, person.failures, person.waits_until = _hasher.hash(password), 0, None
    person.epoch += 1
    work.session.flush()
    return found[0], person.epoch


def _check_password(password: str) -> None:
    if len(password) < PASSWORD_AT_LEAST:
        raise FieldsWrong([Fault("/password", f"at least {PASSWORD_AT_LEAST} characters", f"{len(password)} characters")])


def refuse_sign_in(attempts: int, minutes: int) -> SignInFailed:
    """The refusal of a wrong login or password."""
    return SignInFailed(attempts=attempts, minutes=minutes)


def make_token(work: Work, login: str, *, label: str = "", role: str | None = None, expires_at: datetime | None = None) -> str:
    """A new personal token; it is told once and only its SHA-256 is kept. Raises PersonUnknown, or FieldsWrong for a role the person lacks."""
    person = queries.person_by_login(work, login)
    if person is None:
        raise PersonUnknown(login=login)
    found = queries.actor_by_id(work, person.id)
    held = {given.role for given in found[0].grants} if found else set()
    if role is not None and role not in held:
        raise FieldsWrong([Fault("/role", f"{login} does not hold this role; held are: {', '.join(sorted(held))}", role)])
    secret = TOKEN_PREFIX + secrets.token_urlsafe(32)
    work.session.add(
        Token(
            sha256=token_hash(secret), person_id=person.id, label=label, role=role, made_at=work.now, expires_at=expires_at, revoked_at=None
        )
    )
    work.session.flush()
    return secret


def token_hash(secret: str) -> str:
    """What is kept of a token. The look-up is by this hash, so nothing about the secret shows in timing."""
    return hashlib.sha256(secret.encode()).hexdigest()
