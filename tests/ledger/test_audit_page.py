"""The audit page: who may see it, what it says in every state, what it hands out, and that the keeper does the verifying."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient

from biobank.app import CHECKS
from biobank.cli.keeper import Keeper
from biobank.core import heartbeat, outbox
from biobank.core.clock import SetClock
from biobank.core.times import stamp
from biobank.core.work import Units
from biobank.ledger import service as ledger
from biobank.settings import Settings
from biobank.web.dispatch import Service
from tests import cast
from tests.availability import stock


@dataclass
class Desk:
    """The auditor at the page, and what lies behind it."""

    client: FlaskClient
    units: Units
    settings: Settings

    def see(self, path: str = "/audit", status: int = 200) -> str:
        answer = self.client.get(path)
        assert answer.status_code == status, answer.get_data(as_text=True)[:2000]
        return answer.get_data(as_text=True)

    def ask(self) -> None:
        token = re.search(r'name="csrf_token" value="([^"]+)"', self.see())
        assert token
        answer = self.client.post("/audit/verification", data={"csrf_token": token[1]})
        assert (answer.status_code, answer.headers["Location"]) == (303, "/audit")

    def keeper(self) -> Keeper:
        return Keeper(self.settings, self.units, {})

    def verify(self) -> None:
        """As the keeper's thread does it."""
        reports = ledger.Reports(self.settings.instance)
        assert reports.take()
        ledger.run_verification(self.units, CHECKS, ledger.known_verifiers(self.settings.signing_folder), reports)

    def seal(self) -> None:
        with self.units.write() as work:
            ledger.seal(work, ledger.Keyring.load(self.settings.signing_folder, self.settings.log_name))


def signed_in(app: Service, login: str) -> FlaskClient:
    client = app.test_client()
    token = re.search(r'name="csrf_token" value="([^"]+)"', client.get("/sign-in").get_data(as_text=True))
    assert token
    client.post("/sign-in", data={"csrf_token": token[1], "login": login, "password": cast.PASSWORD})
    return client


@pytest.fixture
def desk(app: Service, units: Units, settings: Settings) -> Iterator[Desk]:
    yield Desk(signed_in(app, "auditor"), units, settings)


@pytest.fixture
def marrow(units: Units) -> str:
    with units.write() as work:
        work.actor = stock.cast(work, "manager")
        return stock.draw(work, stock.child(work, 1))


@pytest.mark.parametrize(("login", "status"), [("auditor", 200), ("manager", 200), ("admin", 200), ("technician", 403), ("researcher", 403)])
def test_who_may_see_it(app: Service, login: str, status: int) -> None:
    client = signed_in(app, login)
    assert client.get("/audit").status_code == status
    assert ('href="/audit"' in client.get("/").get_data(as_text=True)) == (status == 200)


def test_before_anything_was_done_it_says_what_to_do(desk: Desk) -> None:
    page = desk.see()
    assert "has not been verified from here yet" in page and "Nothing has been sealed yet" in page
    assert "has never been seen" in page and "biobank keep" in page and "all in place" in page


def test_asked_run_and_clean(desk: Desk, marrow: str) -> None:
    desk.seal()
    desk.ask()
    page = desk.see()
    assert "A verification is asked for" in page and "The keeper is not there" in page and "Verify now" not in page
    assert desk.client.get("/audit/progress").get_json()["goes_on"] is True
    desk.verify()
    assert desk.client.get("/audit/progress").get_json()["goes_on"] is False
    page = desk.see()
    assert "no fault found" in page and "Verify now" in page


def test_faults_name_chain_entry_and_field_and_lead_to_the_tube(desk: Desk, marrow: str) -> None:
    connection: Any = desk.units.sessions.connection  # type: ignore[attr-defined]
    connection.exec_driver_sql(f"UPDATE standing SET remaining = remaining + 1 WHERE code = '{marrow}'")
    desk.ask()
    desk.verify()
    page = desk.see()
    assert "1 fault found" in page and f'href="/specimens/{marrow}#entry-4"' in page and '<code lang="en">remaining</code>' in page
    assert "Take a copy of the database" in page


def test_the_keeper_runs_what_was_asked_for_beside_its_other_work(desk: Desk, marrow: str) -> None:
    desk.ask()
    keeper = desk.keeper()
    keeper.verify()
    assert keeper.verifying is not None
    keeper.verifying.join(30)
    report = ledger.Reports(desk.settings.instance).last()
    assert (report.findings, report.fault, report.read) == ([], None, report.total)
    keeper.verify()
    assert not keeper.verifying.is_alive(), "asked once, run once"


def test_one_that_was_cut_off_is_told(desk: Desk, clock: SetClock) -> None:
    reports = ledger.Reports(desk.settings.instance)
    reports.note(ledger.Report(started_at=stamp(clock.now()), total=9, read=3))
    assert "A verification is running" in desk.see()
    clock.forward(timedelta(minutes=6))
    page = desk.see()
    assert "The last verification was cut off" in page and "Verify for the first time" in page


def test_a_fault_of_the_verification_itself_is_told(desk: Desk) -> None:
    desk.ask()

    def broken(*_: Any) -> Iterator[Any]:
        raise OSError("no disk")

    reports = ledger.Reports(desk.settings.instance)
    reports.take()
    with pytest.raises(OSError, match="no disk"):
        ledger.run_verification(desk.units, [broken], (), reports)
    page = desk.see()
    assert "cut off" in page and "OSError" in page


def test_checkpoints_and_keys_to_keep_elsewhere(desk: Desk, marrow: str) -> None:
    desk.seal()
    page = desk.see()
    size = re.search(r"/audit/checkpoints/(\d+)", page)
    assert size
    note = desk.see(f"/audit/checkpoints/{size[1]}")
    keys = ledger.known_verifiers(desk.settings.signing_folder)
    assert note.splitlines()[:2] == [desk.settings.log_name, size[1]]
    assert desk.see("/audit/keys") == f"{keys[0].vkey}\n"
    assert keys[0].id.hex() in page and "There is no export file yet" in page
    desk.see("/audit/checkpoints/999999", 404)
    desk.see("/audit/export", 404)


def test_the_export_file_is_what_verify_takes(desk: Desk, marrow: str) -> None:
    desk.seal()
    desk.keeper().export()
    answer = desk.client.get("/audit/export")
    assert answer.headers["Content-Disposition"].endswith('filename="checkpoints.txt"')
    with desk.units.read() as work:
        assert list(ledger.verify(work, CHECKS, against=[answer.get_data(as_text=True)])) == []


def test_troubles_say_what_to_do(desk: Desk, marrow: str, clock: SetClock) -> None:
    heartbeat.write(desk.settings.keeper_file, heartbeat.Heartbeat(at=stamp(clock.now()), ailing={"send": "ConnectionRefusedError"}))
    with desk.units.write() as work:
        outbox.put(work.session, "mail", {"to": []}, work.now)
        leased = outbox.lease(work.session, {"mail"}, work.now, most_tries=1)
        assert leased
        outbox.failed(work.session, leased, work.now, "ConnectionRefusedError", most_tries=1)
    page = desk.see()
    assert "Keeper: send" in page and "fails: ConnectionRefusedError" in page and "at work" in page
    assert "Messages that could not be sent" in page and "smtp_host" in page


def test_a_missing_guard_is_told(desk: Desk) -> None:
    connection: Any = desk.units.sessions.connection  # type: ignore[attr-defined]
    sqlite = connection.dialect.name == "sqlite"
    connection.exec_driver_sql("DROP TRIGGER entry_no_delete" if sqlite else "DROP TRIGGER entry_no_change ON entry")
    page = desk.see()
    assert "Guard entry_no_" in page and "Somebody changed the database itself" in page


def test_nothing_is_inline(desk: Desk) -> None:
    page = desk.see()
    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son[a-z]+=", page)


