"""A small real ledger, made through the use cases, committed and sealed; and a forger with every right on its database."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any

import psycopg
from sqlalchemy import Connection, Engine, Row, make_url, text

from biobank.app import CHECKS, make_units, upgrade_database
from biobank.cli.instance import lay_ground
from biobank.core.clock import SetClock
from biobank.core.db import Sessions, make_engine
from biobank.core.units import Quantity
from biobank.core.work import Units
from biobank.ledger import service as ledger
from biobank.ledger.rules import Finding
from biobank.places.service import NewContainer, add_container
from biobank.requests.service import NewItem, NewRequest, allocate, create, transition
from biobank.settings import Settings, load_settings
from biobank.specimens import queries as specimens
from biobank.specimens.service import NewArrival, NewDerivatives, amend, derive, do, earmark, register_arrival
from biobank.storage.service import put
from biobank.withdrawals.service import withdraw
from tests import cast
from tests.availability import stock
from tests.conftest import NOW, Rehearsal


@dataclass
class Small:
    """Where the ledger is, and the codes of what is in it."""

    engine: Engine
    url: str
    settings: Settings
    units: Units
    clock: SetClock
    codes: dict[str, str] = field(default_factory=dict)
    exported: Path = Path()
    older: str = ""
    verifiers: tuple[Any, ...] = ()

    def __getattr__(self, name: str) -> str:
        try:
            return self.codes[name]
        except KeyError:
            raise AttributeError(name) from None


def make(url: str, folder: Path) -> Small:
    """A child whose marrow was aliquoted, spun, stored, earmarked, held, reserved and amended; another child; a request; everything sealed
    in three checkpoints, but for the last act on the marrow."""
    upgrade_database(url)
    engine = make_engine(url)
    settings, clock = load_settings(folder, url), SetClock(NOW)
    small = Small(engine, url, settings, make_units(settings, clock=clock, random=Random(23), sessions=Sessions(engine)), clock)
    with small.units.write() as work:
        lay_ground(work)
        cast.seat(work)
    for number, step in enumerate((_draw, _keep, _ask, _correct, _last)):
        clock.forward(timedelta(minutes=7))
        step(small)
        if number in {1, 2, 3}:
            seal(small)
        if number == 2:
            small.older = copy(small, "older")
    small.exported = folder / "exported.txt"
    with small.units.read() as work:
        notes = [row.note for row in work.session.execute(text("SELECT note FROM checkpoint ORDER BY size"))]
    small.exported.write_text("\n".join(notes), "utf-8")
    return small


def copy(small: Small, name: str) -> str:
    """The address of a copy of its database as it is now: what a backup would hold."""
    small.engine.dispose()
    if small.engine.dialect.name == "sqlite":
        to = small.settings.instance / f"{name}.sqlite"
        with closing(sqlite3.connect(small.engine.url.database or "")) as source, closing(sqlite3.connect(to)) as target:
            source.backup(target)
        return f"sqlite:///{to}"
    url = make_url(small.url)
    copied = url.set(database=f"{url.database}_{name}")
    address = url.set(database="postgres", drivername="postgresql").render_as_string(hide_password=False)
    with closing(psycopg.connect(address, autocommit=True)) as server:
        server.execute(f'CREATE DATABASE "{copied.database}" TEMPLATE "{url.database}"')
    return copied.render_as_string(hide_password=False)


def keyring(small: Small) -> ledger.Keyring:
    """The site's keys, outside the database."""
    return ledger.Keyring.load(small.settings.signing_folder, small.settings.log_name)


def seal(small: Small) -> None:
    """A checkpoint over all that is there."""
    with small.units.write() as work:
        assert ledger.seal(work, keyring(small)) is not None
    small.verifiers = tuple(keyring(small).verifiers)


def _draw(small: Small) -> None:
    with small.units.write() as work:
        work.actor = stock.cast(work, "manager")
        small.codes["child"] = stock.child(work, 1)
        small.codes["other"] = stock.child(work, 2, declined=("asparaginase",))
        small.codes["marrow"] = stock.draw(work, small.child)
        arrival = NewArrival(
            small.other, stock.STUDY, "PB", "EDTA", "residual", NOW - timedelta(hours=3), Quantity(3_000_000, "nL"), ("elsewhere", "X-17")
        )
        small.codes["blood"] = register_arrival(work, arrival)[0].code


def _keep(small: Small) -> None:
    with small.units.write() as work:
        work.actor = stock.cast(work, "manager")
        first, second, third = stock.aliquots(work, small.marrow, 3)
        small.codes |= {"first": first, "second": second, "third": third}
        spin = NewDerivatives("MNC_VIABLE", 1, None, Quantity(400_000, "nL"), {"g": 400, "minutes": 10, "temp_dc": 40})
        small.codes["cells"] = derive(work, small.marrow, spin)[1][0].code
        small.codes["freezer"] = add_container(work, NewContainer("freezer", "Freezer 1", 0, 0, None, "-60to-85")).code
        small.codes["box"] = add_container(work, NewContainer("box", "Box 1", 4, 4, small.freezer)).code
        small.codes["spare"] = add_container(work, NewContainer("box", "Box 2", 4, 4, small.freezer)).code
        for code in (first, second):
            put(work, specimens.specimen(work, code).id, "store", None, small.box)


def _ask(small: Small) -> None:
    with small.units.write() as work:
        work.actor = stock.cast(work, "manager")
        earmark(work, small.second, "asparaginase")
        held = specimens.specimen(work, small.second).id
        do(work, held, "hold", {"kind": "quarantine", "reason": "cap was loose"})
        small.codes["request"] = create(work, NewRequest(stock.STUDY, "supply", (NewItem("BM", 1, "DX"),))).code
        transition(work, small.request, "submitted")
    with small.units.write() as work:
        work.actor = stock.cast(work, "reviewer")
        transition(work, small.request, "approved", "good plan")
    with small.units.write() as work:
        work.actor = stock.cast(work, "manager")
        do(work, held, "unhold", {"kind": "quarantine", "reason": "was tightened"})
        do(work, held, "hold", {"kind": "identity", "reason": "two names on it"})
        allocate(work, small.request, 1, [small.first])


def _correct(small: Small) -> None:
    with small.units.write() as work:
        work.actor = stock.cast(work, "manager")
        amend(work, small.third, 1, "material", "PB", "it was blood")
        amend(work, small.blood, 1, "purpose", "extra", "the parents agreed to an extra tube")
        do(work, specimens.specimen(work, small.first).id, "thaw", {})
        withdraw(work, small.other, stock.STUDY, {"residual_storage": "no-further-use"})


def _last(small: Small) -> None:
    with small.units.write() as work:
        work.actor = stock.cast(work, "manager")
        do(work, specimens.specimen(work, small.marrow).id, "measure", {"volume": {"value": 1, "unit": "mL"}})


@dataclass
class Forger:
    """Somebody with every right on the database, in a transaction that is taken back."""

    small: Small
    connection: Connection

    @property
    def sqlite(self) -> bool:
        """On SQLite."""
        return self.connection.dialect.name == "sqlite"

    def run(self, statement: str, **values: Any) -> int:
        """Any statement, in which every `{name}` is a code of the ledger; how many rows it changed, and that is at least one."""
        told = statement.format(**self.small.codes) if "{" in statement else statement
        count = self.connection.execute(text(told), values).rowcount
        assert count or told.startswith(("ALTER", "DROP", "CREATE", "PRAGMA", "SET")), f"nothing was changed by {told}"
        return count

    def rows(self, query: str, **values: Any) -> Sequence[Row[Any]]:
        """The rows of a query."""
        return self.connection.execute(text(query.format(**self.small.codes)), values).all()

    def chain(self, name: str) -> int:
        """The id of a chain by its name, `specimen/{marrow}`."""
        kind, _, ref = name.format(**self.small.codes).partition("/")
        return int(self.rows("SELECT id FROM chain WHERE kind = :kind AND ref = :ref", kind=kind, ref=ref)[0][0])

    def entry(self, name: str, seq: int) -> Row[Any]:
        """An entry."""
        return self.rows("SELECT * FROM entry WHERE chain_id = :chain AND seq = :seq", chain=self.chain(name), seq=seq)[0]

    def last(self, name: str) -> int:
        """How many entries a chain has."""
        return int(self.rows("SELECT last_seq FROM chain WHERE id = :id", id=self.chain(name))[0][0])

    def lift(self) -> dict[str, str]:
        """Take every guard away; what is needed to put it back."""
        if self.sqlite:
            kept = {row.name: row.sql for row in self.rows("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'")}
            for name in kept:
                self.run(f"DROP TRIGGER {name}")
            self.run("PRAGMA defer_foreign_keys = ON")
            return kept
        for table in ledger_tables(self.connection):
            self.run(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        # Foreign keys are triggers that replication passes by.
        self.run("SET LOCAL session_replication_role = replica")
        return {}

    def put_back(self, kept: dict[str, str]) -> None:
        """The guards, as if nothing had happened."""
        for statement in kept.values():
            self.connection.exec_driver_sql(statement)
        if not self.sqlite:
            self.run("SET LOCAL session_replication_role = DEFAULT")
            for row in self.rows("SELECT tgname, tgrelid::regclass AS of FROM pg_trigger WHERE NOT tgisinternal"):
                self.run(f"ALTER TABLE {row.of} ENABLE ALWAYS TRIGGER {row.tgname}")

    def forge(self, *statements: str, **values: Any) -> None:
        """Statements with the guards away; then the guards are back."""
        kept = self.lift()
        for statement in statements:
            self.run(statement, **{name: value for name, value in values.items() if f":{name}" in statement})
        self.put_back(kept)

    def findings(self, **more: Any) -> list[Finding]:
        """What verification finds, through the service."""
        units = make_units(self.small.settings, clock=self.small.clock, random=Random(1), sessions=Rehearsal(self.connection))
        more = {"verifiers": self.small.verifiers} | more
        with units.read() as work:
            return list(ledger.verify(work, CHECKS, **more))

    def found(self, **more: Any) -> set[tuple[str, int | None, str]]:
        """Chain, seq and field of each fault."""
        return {(one.chain, one.seq, one.field) for one in self.findings(**more)}

    def rewrite(self, name: str, change: Any = lambda body: body, start: int = 1) -> None:
        """Write a chain anew from an entry on, consistently: `change` may alter each body; hashes, links, columns and the head follow."""
        chain = self.chain(name)
        entries = self.rows("SELECT * FROM entry WHERE chain_id = :chain ORDER BY seq", chain=chain)
        previous = entries[start - 2].hash if start > 1 else "0" * 64
        for row in entries[start - 1 :]:
            body = change(json.loads(bytes(row.body))) | {"previous": previous}
            raw, previous = hashed(body)
            self.run(
                "UPDATE entry SET body = :body, previous = :was, hash = :hash, act = :act, actor_id = :actor WHERE chain_id = :chain AND seq = :seq",
                body=raw, was=body["previous"], hash=previous, act=body["act"], actor=body["actor"], chain=chain, seq=row.seq,
            )
        self.run("UPDATE chain SET last_hash = :hash WHERE id = :chain", hash=previous, chain=chain)


def hashed(body: dict[str, Any]) -> tuple[bytes, str]:
    """A body's canonical bytes and their hash, without our code."""
    from hashlib import sha256

    raw = json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    return raw, sha256(raw).hexdigest()


def ledger_tables(connection: Connection) -> list[str]:
    """The tables that have triggers of ours on PostgreSQL."""
    query = "SELECT DISTINCT tgrelid::regclass::text FROM pg_trigger WHERE NOT tgisinternal ORDER BY 1"
    with suppress(KeyError):
        return [str(row[0]) for row in connection.execute(text(query))]
    return []
