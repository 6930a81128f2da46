"""A tube with a few entries and postings, to be tampered with, in a transaction that is taken back."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
from sqlalchemy import Connection, Row, text

from biobank.app import CHECKS
from biobank.core.work import Units
from biobank.ledger import service as ledger
from biobank.ledger.rules import Finding
from tests.availability import stock
from tests.conftest import ENGINES
from tests.ledger.small import Forger, Small, make


@dataclass
class Evidence:
    """A marrow of 2 mL with two aliquots; raw access beside the product."""

    units: Units
    connection: Connection
    code: str

    def run(self, statement: str, **values: object) -> int:
        """Any statement; how many rows it changed."""
        return self.connection.execute(text(statement), {"code": self.code, **values}).rowcount

    def entry(self, seq: int) -> Row[tuple[object, ...]]:
        """An entry of the tube."""
        query = text(f"SELECT * FROM entry WHERE chain_id = ({self.chain}) AND seq = :seq")
        return self.connection.execute(query, {"code": self.code, "seq": seq}).one()

    @property
    def chain(self) -> str:
        """The tube's chain, as a subquery."""
        return "SELECT id FROM chain WHERE kind = 'specimen' AND ref = :code"

    def without_triggers(self) -> None:
        """What a person with every right on the database could do first."""
        if self.connection.dialect.name == "sqlite":
            for table in ("entry", "posting"):
                for what in ("update", "delete"):
                    self.run(f"DROP TRIGGER {table}_no_{what}")
        else:
            for table in ("entry", "posting"):
                self.run(f"ALTER TABLE {table} DISABLE TRIGGER {table}_no_change")

    def findings(self) -> list[Finding]:
        """What verification finds."""
        with self.units.read() as work:
            return list(ledger.verify(work, CHECKS))

    def found(self) -> set[tuple[int | None, str]]:
        """Seq and field of what it finds about the tube."""
        return {(one.seq, one.field) for one in self.findings() if one.chain == f"specimen/{self.code}"}


@pytest.fixture
def evidence(units: Units) -> Evidence:
    """Entries: 1 register, 2 expect, 3 receive, 4 release, 5 aliquot, 6 thaw."""
    with units.write() as work:
        work.actor = stock.cast(work, "manager")
        code = stock.draw(work, stock.child(work, 1))
        stock.aliquots(work, code, 2)
        stock.do(work, stock.specimens.specimen(work, code).id, "thaw", {})
    connection: Connection = units.sessions.connection  # type: ignore[attr-defined]
    return Evidence(units, connection, code)


@pytest.fixture
def refuses(evidence: Evidence) -> Callable[[str], None]:
    """The database itself refuses a statement, and says why."""
    from sqlalchemy.exc import DBAPIError

    def check(statement: str) -> None:
        with pytest.raises(DBAPIError, match="append-only"), evidence.connection.begin_nested():
            evidence.run(statement)

    return check


@pytest.fixture(scope="session")
def smalls(new_database: Callable[[str, str], str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Small]]:
    """Each engine's small ledger, made once."""
    made: dict[str, Small] = {}

    def get(engine: str) -> Small:
        if engine not in made:
            made[engine] = make(new_database(engine, "small"), tmp_path_factory.mktemp("site"))
        return made[engine]

    yield get
    for one in made.values():
        one.engine.dispose()


@pytest.fixture(params=ENGINES)
def small(request: pytest.FixtureRequest, smalls: Callable[[str], Small]) -> Small:
    """A small real ledger that every test finds as it was."""
    return smalls(request.param)


@pytest.fixture
def forger(small: Small) -> Iterator[Forger]:
    """Somebody with every right on its database."""
    with small.engine.execution_options(writes=True).connect() as connection:
        outer = connection.begin()
        yield Forger(small, connection)
        outer.rollback()
