"""The demo's organisations and accounts: one for every part that somebody plays."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from biobank.core.work import Grant, Work
from biobank.identity import queries as people
from biobank.identity import service as identity
from biobank.identity.rules import Role

HOME, SWEDEN, BELGIUM, LABORATORY, ELSEWHERE = "maxima", "karolinska", "leuven", "boston", "elsewhere"
STUDY = "alltogether1"

# code, title, kind, country, zone
ORGANISATIONS = (
    (HOME, "Prinses Máxima Centrum", "biobank", "NL", "Europe/Amsterdam"),
    (SWEDEN, "Children's hospital in Stockholm", "hospital", "SE", "Europe/Stockholm"),
    (BELGIUM, "Children's hospital in Leuven", "hospital", "BE", "Europe/Brussels"),
    (LABORATORY, "Leukaemia laboratory in Boston", "laboratory", "US", "America/New_York"),
    (ELSEWHERE, "Another biobank", "biobank", "NL", "Europe/Amsterdam"),
)


@dataclass(frozen=True, slots=True)
class Account:
    """Somebody who signs in, and what they are there to show."""

    login: str
    organisation: str
    grants: tuple[Grant, ...]
    shows: str


ACCOUNTS = (
    Account("admin", HOME, (Grant(Role.ADMINISTRATOR),), "administrator"),
    Account("technician", HOME, (Grant(Role.TECHNICIAN),), "technician at the bench"),
    Account("manager", HOME, (Grant(Role.MANAGER),), "manager of the biobank: may do the whole path"),
    Account("deputy", HOME, (Grant(Role.MANAGER),), "second manager: one proposes a correction, the other confirms it"),
    Account("consent", HOME, (Grant(Role.CONSENT_OFFICER),), "consent officer"),
    Account("diagnostics", HOME, (Grant(Role.DIAGNOSTICS),), "diagnostic laboratory: releases residual material"),
    Account("researcher", LABORATORY, (Grant(Role.RESEARCHER),), "researcher from outside: asks for tubes"),
    Account("laboratory", LABORATORY, (Grant(Role.LABORATORY, None, LABORATORY),), "laboratory outside the EEA: sees what it was handed"),
    Account("reviewer", HOME, (Grant(Role.REVIEWER),), "judges requests"),
    Account("asparaginase", HOME, (Grant(Role.SUB_STUDY, STUDY),), "member of the asparaginase sub-study"),
    Account("cns", HOME, (Grant(Role.SUB_STUDY, STUDY),), "member of the sub-study on the central nervous system"),
    Account("data", HOME, (Grant(Role.DATA_MANAGER),), "data manager"),
    Account("auditor", HOME, (Grant(Role.AUDITOR),), "auditor: sees all, changes nothing"),
    Account("elsewhere", ELSEWHERE, (Grant(Role.TECHNICIAN, None, ELSEWHERE),), "technician of another organisation: sees nothing of ours"),
)


def seat(work: Work, password: str) -> None:
    """Organisations and accounts, all with one password; an account that is there already keeps its own."""
    there = {organisation.code for organisation in people.organisations(work)}
    for code, title, kind, country, zone in ORGANISATIONS:
        if code not in there:
            identity.add_organisation(work, code, title, kind, country, zone)
    for account in ACCOUNTS:
        if people.person_by_login(work, account.login) is None:
            identity.add_person(work, account.login, account.login.title(), password, account.organisation, account.grants)


def sheet(password: str, keeping: Iterable[str]) -> str:
    """The accounts as people read them; those in `keeping` have a password of their own."""
    own = set(keeping)
    width = max(len(account.login) for account in ACCOUNTS)
    lines = [f"Demo accounts, all with the password   {password}", ""]
    for account in ACCOUNTS:
        note = "  (with the password it had before)" if account.login in own else ""
        lines.append(f"  {account.login:{width}}  {account.shows}{note}")
    return "\n".join([*lines, ""])
