"""Who must sign, what a row of decisions amounts to on a day, and what it means for a purpose. Plain Python; no table, no web, no clock."""

from biobank.consent.rules.fold import DecisionMade, FormSpan, Period, Signature, periods, reasons_on, stopped_on
from biobank.consent.rules.jurisdictions import (
    AUTHORITIES,
    ELSEWHERE,
    ROLES,
    Band,
    Jurisdiction,
    JurisdictionFileWrong,
    age_on,
    birthday,
    parse_jurisdiction,
)
from biobank.consent.rules.refusals import ANSWERS, EEA, EFFECTS, ComponentUnknown, FormVersionUnknown, SignedBeforeBirth, uses_towards
from biobank.consent.rules.verdicts import RULES_VERSION, WAITING, Reason, Verdict, judge

__all__ = [
    "ANSWERS", "AUTHORITIES", "EEA", "EFFECTS", "ELSEWHERE", "ROLES", "RULES_VERSION", "WAITING", "Band", "ComponentUnknown", "DecisionMade",
    "FormSpan", "FormVersionUnknown", "Jurisdiction", "JurisdictionFileWrong", "Period", "Reason", "Signature", "SignedBeforeBirth",
    "Verdict", "age_on", "birthday", "judge", "parse_jurisdiction", "periods", "reasons_on", "stopped_on", "uses_towards",
]
