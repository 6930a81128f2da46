"""A small laboratory's life in every table: the demo's children, then what the demo leaves out."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from sqlalchemy import column, select, text
from sqlalchemy import table as tabled

from biobank.app import make_units
from biobank.cli import run
from biobank.core import outbox
from biobank.core.db import Sessions, make_engine
from biobank.core.idempotency import Reply, claim, keep
from biobank.core.work import Units, Work
from biobank.identity import queries as people
from biobank.identity import service as identity
from biobank.ledger.service import Keyring, seal
from biobank.settings import load_settings
from biobank.specimens.service import NewArrival, do, register_arrival


def lived(folder: Path, url: str) -> Units:
    """Units on a database with rows in every table. Close its engine."""
    assert run(["--instance", str(folder), "demo", "--participants", "2", "--as-of", "2026-11-20"]) == 0
    settings = load_settings(folder, url)
    units = make_units(settings, sessions=Sessions(make_engine(url)))
    with units.write() as work:
        manager = next(person.login for person, grants in people.people(work) if "manager" in {grant.role for grant in grants})
        work.actor = people.actor_by_login(work, manager)
        _left_out(work)
    with units.write() as work:
        while seal(work, Keyring.load(settings.signing_folder, settings.log_name)):
            pass
    return units


def _left_out(work: Work) -> None:
    tube = work.session.execute(text("SELECT specimen_id FROM standing WHERE status = 'in_custody' ORDER BY specimen_id LIMIT 1")).scalar_one()
    do(work, tube, "hold", {"kind": "quarantine", "reason": "seen to be cloudy"})
    child = work.session.execute(text("SELECT p.code, e.study FROM participant p JOIN enrolment e ON e.participant_id = p.id LIMIT 1")).one()
    register_arrival(work, NewArrival(child.code, child.study, "BM", "EDTA", "residual", work.now, external=("elsewhere", "X-1")))
    outbox.put(work.session, "mail", {"to": "audit@example.org"}, work.now)
    identity.make_token(work, work.who.login)
    claim(work.session, "a key", "0" * 64, work.now)
    keep(work.session, "a key", Reply(200, "application/json", b"{}"))


def rows(units: Units, columns: dict[str, list[str]]) -> dict[str, str]:
    """Each table's rows in these columns, as one text in an order of its own."""
    engine = units.sessions.engine  # type: ignore[attr-defined]
    with closing(engine.connect()) as connection:
        found = {
            table: "\n".join(sorted(repr(tuple(row)) for row in connection.execute(select(*map(column, named)).select_from(tabled(table)))))
            for table, named in columns.items()
        }
        connection.rollback()
    return found
