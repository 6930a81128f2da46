"""Withdrawing consent components."""

from __future__ import annotations

from typing import Any

from biobank.core.errors import fault
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
    chosen = _once_each(body["components"])
    done = service.withdraw(work, participant, body["study"], chosen, body["signed_on"])
    return {
        "chain": done.chain, "seq": done.seq,
        "components": [{"component": component, "effect": effect} for component, effect in done.components.items()],
        "tubes": [{"specimen": code, "effect": effect} for code, effect in done.tubes],
    }


def _once_each(components: list[dict[str, str]]) -> dict[str, str]:
    """Of two choices for one component the second must not win silently."""
    chosen = {choice["component"]: choice["effect"] for choice in components}
    if len(chosen) != len(components):
        named = [choice["component"] for choice in components]
        twice = sorted({name for name in named if named.count(name) > 1})
        raise fault("/components", f"say one choice for each component; named twice: {', '.join(twice)}")
    return chosen
