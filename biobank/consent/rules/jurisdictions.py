"""Who must sign at which age: one table per jurisdiction, read from `config/jurisdictions/*.toml`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from biobank.core.errors import N_, Fault, RuleBroken

ROLES = ("parent", "second-parent", "guardian", "participant")
AUTHORITIES = ("joint", "sole", "guardian")
OWN = "participant"
ELSEWHERE = "*"

_FILE_KEYS = {"country", "title", "version", "source", "assumed", "note", "band"}
_BAND_KEYS = {"from_age", *AUTHORITIES, "own_signature_from_age", "earlier_consent_stands"}


class JurisdictionFileWrong(RuleBroken):
    """A jurisdiction file has faults; each names its key."""

    title = N_("The jurisdiction file is not right")
    message = N_("%(file)s has faults: %(listed)s")


@dataclass(frozen=True, slots=True)
class Band:
    """Who must sign from the birthday `from_age` until the next band's.

    `own_from`: the child's own signature counts when set at this age or later. `stands`: nothing further is needed when the consent was
    complete before this birthday with the child's own signature.
    """

    from_age: int
    needs: Mapping[str, frozenset[str]]
    own_from: int = 0
    stands: bool = False


@dataclass(frozen=True, slots=True)
class Jurisdiction:
    """The bands of one country, youngest first. `assumed` when no source says so."""

    country: str
    title: str
    version: int
    assumed: bool
    source: tuple[str, ...]
    bands: tuple[Band, ...]


def birthday(birth_date: date, age: int) -> date:
    """The day on which somebody turns `age`. Who was born on 29 February turns on 1 March in common years (civil reckoning; assumed)."""
    try:
        return birth_date.replace(year=birth_date.year + age)
    except ValueError:
        return date(birth_date.year + age, 3, 1)


def age_on(birth_date: date, day: date) -> int:
    """Completed years on `day`; -1 before the birth."""
    years = day.year - birth_date.year
    return years if birthday(birth_date, years) <= day else years - 1


def parse_jurisdiction(data: Mapping[str, Any], file: str) -> Jurisdiction:
    """Read one file. Raises JurisdictionFileWrong naming every faulty key."""
    faults = [Fault(key, f"unknown key; known are {', '.join(sorted(_FILE_KEYS))}", key) for key in sorted(set(data) - _FILE_KEYS)]
    for key, kind in (("country", str), ("title", str), ("version", int), ("band", list)):
        if not isinstance(data.get(key), kind):
            faults.append(Fault(key, f"missing, or not a {kind.__name__}", data.get(key)))
    listed = data.get("band")
    bands = listed if isinstance(listed, list) else []
    for number, band in enumerate(bands):
        faults += _band_faults(band, f"band[{number}]")
    if not faults and [b["from_age"] for b in bands] != sorted({b["from_age"] for b in bands} | {0}):
        faults.append(Fault("band", "bands begin at from_age 0 and rise", [b["from_age"] for b in bands]))
    if not data.get("source") and data.get("assumed") is not True:
        faults.append(Fault("source", "give a source, or assumed = true", data.get("source")))
    if faults:
        listed_faults = "; ".join(f"{f.pointer}: {f.message} (met: {f.met!r})" for f in faults)
        raise JurisdictionFileWrong(file=file, listed=listed_faults, faults=faults)
    assumed, source = data.get("assumed") is True, tuple(data.get("source", ()))
    return Jurisdiction(data["country"], data["title"], data["version"], assumed, source, tuple(_band(b) for b in bands))


def _band(band: Mapping[str, Any]) -> Band:
    needs = {authority: frozenset(band[authority]) for authority in AUTHORITIES}
    return Band(band["from_age"], needs, band.get("own_signature_from_age", 0), band.get("earlier_consent_stands", False))


def _band_faults(band: Any, at: str) -> list[Fault]:
    if not isinstance(band, dict):
        return [Fault(at, "each [[band]] is a table", band)]
    known = ", ".join(sorted(_BAND_KEYS))
    faults = [Fault(f"{at}.{key}", f"unknown key; known are {known}", key) for key in sorted(set(band) - _BAND_KEYS)]
    for key, kind in (("from_age", int), ("own_signature_from_age", int), ("earlier_consent_stands", bool)):
        missing = key == "from_age" and key not in band
        if missing or (key in band and type(band[key]) is not kind):
            faults.append(Fault(f"{at}.{key}", f"missing, or not a {kind.__name__}", band.get(key)))
    for authority in AUTHORITIES:
        roles = band.get(authority)
        if not isinstance(roles, list) or not roles or not set(roles) <= set(ROLES):
            faults.append(Fault(f"{at}.{authority}", f"a list of roles of {', '.join(ROLES)}", roles))
    return faults
