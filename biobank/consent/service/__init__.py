"""Use cases of consent."""

from biobank.consent.service.decisions import ConsentChanged, NewDecision, decide, refold_after_person_change, withdraw_components
from biobank.consent.service.verdicts import asked_uses, check_purpose, keep_verdict, verdict, verdicts
from biobank.consent.service.verification import check_consent

__all__ = [
    "ConsentChanged", "NewDecision", "asked_uses", "check_consent", "check_purpose", "decide", "keep_verdict", "refold_after_person_change",
    "verdict", "verdicts", "withdraw_components",
]
