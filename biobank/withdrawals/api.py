"""Withdrawing consent components."""

from __future__ import annotations

from typing import Any

from biobank.core.work import Work
from biobank.web.blueprint import ApiBlueprint
from biobank.withdrawals import service
from biobank.withdrawals.schemas import WithdrawalIn, WithdrawalOut

api = ApiBlueprint("withdrawals", __name__, "Withdrawal of consent")


@api.post("/participants/<participant>/withdrawals", permission="withdraw")
@api.takes(WithdrawalIn())
@api.answers(201, WithdrawalOut())
def withdraw(work: Work, body: dict[str, Any], participant: str) -> dict[str, Any]:
    """Withdraw components. Tubes are held with all their descendants, plans cancelled, reservations freed, in the same moment."""
    chosen = {choice["component"]: choice["effect"] for choice in body["components"]}
    done = service.withdraw(work, participant, body["study"], chosen, body["signed_on"])
    return {
        "chain": done.chain, "seq": done.seq,
        "components": [{"component": component, "effect": effect} for component, effect in done.components.items()],
        "tubes": [{"specimen": code, "effect": effect} for code, effect in done.tubes],
    }
