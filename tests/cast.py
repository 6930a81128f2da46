"""The fixed cast of the tests: who they are and what they may do."""

from __future__ import annotations

from biobank.core.work import Grant, Work
from biobank.identity import service as identity

ORGANISATIONS = (
    ("maxima", "Prinses Máxima Centrum", "biobank", "NL", "Europe/Amsterdam"),
    ("umc", "A university hospital", "hospital", "NL", "Europe/Amsterdam"),
    ("karolinska", "Karolinska", "hospital", "SE", "Europe/Stockholm"),
    ("boston", "A laboratory outside the EEA", "laboratory", "US", "America/New_York"),
    ("elsewhere", "Another biobank", "biobank", "NL", "Europe/Amsterdam"),
)
# login -> (organisation, roles)
PEOPLE: dict[str, tuple[str, tuple[Grant, ...]]] = {
    "admin": ("maxima", (Grant("administrator"),)),
    "technician": ("maxima", (Grant("technician"),)),
    "second": ("maxima", (Grant("technician"),)),
    "manager": ("maxima", (Grant("manager"),)),
    "consent": ("maxima", (Grant("consent-officer"),)),
    "diagnostics": ("maxima", (Grant("diagnostics"),)),
    "researcher": ("karolinska", (Grant("researcher"),)),
    "laboratory": ("boston", (Grant("laboratory", None, "boston"),)),
    "reviewer": ("maxima", (Grant("reviewer"),)),
    "asparaginase": ("maxima", (Grant("sub-study", "alltogether1"),)),
    "cns": ("maxima", (Grant("sub-study", "alltogether1"),)),
    "infants-only": ("maxima", (Grant("manager", "interfant21"),)),
    "data": ("maxima", (Grant("data-manager"),)),
    "auditor": ("maxima", (Grant("auditor"),)),
    "elsewhere": ("elsewhere", (Grant("technician", None, "elsewhere"),)),
}
PASSWORD = "a long enough password"


def seat(work: Work) -> dict[str, str]:
    """Organisations, people and a token for each; tokens by login."""
    for code, title, kind, country, zone in ORGANISATIONS:
        identity.add_organisation(work, code, title, kind, country, zone)
    tokens = {}
    for login, (organisation, grants) in PEOPLE.items():
        identity.add_person(work, login, login.title(), PASSWORD, organisation, grants)
        tokens[login] = identity.make_token(work, login)
    return tokens
