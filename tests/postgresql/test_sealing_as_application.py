"""What the keeper and the command line do, as the service's role: seal, verify, write to the outbox, tidy up."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from biobank.app import CHECKS
from biobank.core import idempotency, outbox
from biobank.core.work import Units
from biobank.ledger import service as ledger
from biobank.ledger.service import Keyring, seal
from tests.availability import stock

pytestmark = pytest.mark.postgresql


def test_the_service_seals_what_it_recorded_and_verifies_it(units: Units, tmp_path: Path) -> None:
    with units.write() as work:
        work.actor = stock.cast(work, "manager")
        stock.aliquots(work, stock.draw(work, stock.child(work, 1)), 3)
    keyring = Keyring.load(tmp_path, "biobank")
    with units.write() as work:
        sealed = seal(work, keyring)
        assert sealed is not None and sealed.size > 10
    with units.read() as work:
        assert list(ledger.verify(work, CHECKS, verifiers=keyring.verifiers)) == []


def test_the_service_sends_and_tidies_up(units: Units) -> None:
    with units.write() as work:
        outbox.put(work.session, "mail", {"to": "audit@example.org"}, work.now)
        leased = outbox.lease(work.session, ["mail"], work.now, most_tries=3)
        assert leased is not None and outbox.done(work.session, leased, work.now)
        assert outbox.forget_sent(work.session, work.now + timedelta(days=1)) == 1
        idempotency.claim(work.session, "a key of the service", "0" * 64, work.now)
        idempotency.keep(work.session, "a key of the service", idempotency.Reply(200, "application/json", b"{}"))
