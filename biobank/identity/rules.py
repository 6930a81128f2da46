"""Who may do what: one table from permission to roles. A role is granted per study and per organisation, or everywhere."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from biobank.core.actor import Grant
from biobank.core.errors import N_, Conflict, NotFound, Refusal


class Role(StrEnum):
    """The roles of a person (design: security)."""

    TECHNICIAN = "technician"
    MANAGER = "manager"
    CONSENT_OFFICER = "consent-officer"
    DIAGNOSTICS = "diagnostics"
    RESEARCHER = "researcher"
    LABORATORY = "laboratory"
    REVIEWER = "reviewer"
    SUB_STUDY = "sub-study"
    DATA_MANAGER = "data-manager"
    AUDITOR = "auditor"
    ADMINISTRATOR = "administrator"


T, M, C, D, X, L, V, S, DM, A, ADM = Role
_INSIDE = {T, M, C, D, S, DM, A}

PERMISSIONS: dict[str, frozenset[Role]] = {
    # reading
    "read-studies": frozenset(Role),
    "read-participants": frozenset(_INSIDE),
    "read-person": frozenset({M, C, DM, A}),
    "read-specimens": frozenset(_INSIDE | {L}),
    "read-storage": frozenset({T, M, D, DM, A}),
    "read-labels": frozenset({T, M, D, DM, A}),
    "read-availability": frozenset({M, S, DM, A}),
    "read-requests": frozenset({T, M, V, X, S, DM, A}),
    "read-custody": frozenset(_INSIDE | {L}),
    # participants and consent
    "enrol": frozenset({M, DM}),
    "record-consent": frozenset({M, C}),
    "withdraw": frozenset({M, C}),
    # tubes
    "plan-collection": frozenset({T, M}),
    "scan": frozenset({T, M, D}),
    "handle": frozenset({T, M}),
    "release": frozenset({M, D}),
    "correct": frozenset({M}),
    "hold": frozenset({T, M, C, D}),
    "unhold": frozenset({M}),
    "earmark": frozenset({M, S}),
    "print-labels": frozenset({T, M}),
    "keep-places": frozenset({T, M}),
    # requests
    "request": frozenset({M, X, S}),
    "review": frozenset({M, V}),
    "allocate": frozenset({M}),
    "pick": frozenset({T, M}),
    # service
    "verify": frozenset({M, A, DM, ADM}),
    "administer": frozenset({ADM}),
}


class SignInFailed(Refusal):
    """Login or password is wrong; the answer never says which."""

    status = 401
    title = N_("Not signed in")
    message = N_("This login and password do not go together. Check both; after %(attempts)s wrong tries the account waits %(minutes)s minutes.")


class SignInWaits(Refusal):
    """Too many wrong passwords in a row."""

    status = 429
    title = N_("Account waits")
    message = N_("Too many wrong passwords: this account can sign in again in %(minutes)s minutes. An administrator can help.")


class LinkUsed(Refusal):
    """A first sign-in link that works no more."""

    status = 401
    title = N_("Link does not work")
    message = N_("This sign-in link was used, altered, or is older than a day. Sign in with your password, or ask an administrator.")


class NotSignedIn(Refusal):
    """No or no valid token or session."""

    status = 401
    title = N_("Not signed in")
    message = N_("Sign in, or send a valid token as “Authorization: Bearer …”. The one that came is missing, wrong, expired or revoked.")


class LoginTaken(Conflict):
    """The login exists already."""

    title = N_("Login taken")
    message = N_("There is already a person with the login %(login)s. Choose another.")


class PersonUnknown(NotFound):
    """No such login."""

    message = N_("There is no person with the login %(login)s.")


def holds(grants: Iterable[Grant], permission: str, study: str | None = None, organisation: str | None = None) -> bool:
    """Whether the grants give the permission in this study at this organisation. None asks: in any one."""
    roles = PERMISSIONS[permission]
    return any(
        grant.role in roles
        and (study is None or grant.study is None or grant.study == study)
        and (organisation is None or grant.organisation is None or grant.organisation == organisation)
        for grant in grants
    )


def studies_with(grants: Iterable[Grant], permission: str) -> frozenset[str] | None:
    """The studies in which the permission is held; None means all of them."""
    roles = PERMISSIONS[permission]
    found = [grant.study for grant in grants if grant.role in roles]
    return None if None in found else frozenset(study for study in found if study)
