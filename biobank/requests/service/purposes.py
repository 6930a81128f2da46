"""What a request means for consent: its declared uses, and what follows from where the tubes go."""

from __future__ import annotations

import json

from biobank.consent.service import asked_uses
from biobank.core.work import Work
from biobank.requests.models import Request


def uses_of(work: Work, request: Request) -> frozenset[str]:
    """The declared uses; `outside_eea` is never declared but follows from the recipient's country."""
    return asked_uses(work, json.loads(request.uses), request.organisation if request.purpose == "supply" else None)
