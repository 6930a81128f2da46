"""Every column of every table that hangs on a chain: an edit is found, or the column is listed as one that no entry records."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import Boolean, Column, Date, Integer, LargeBinary, String, Table, Text, text
from sqlalchemy.exc import DBAPIError

from biobank import tables
from tests.ledger.small import Forger
from tests.ledger.unrecorded import NUMBERS, OUTSIDE, UNRECORDED

TABLES = {table.name: table for table in tables.metadata.sorted_tables if table.name not in OUTSIDE}


def other_values(column: Column[object]) -> Iterator[str]:
    """Values that the column does not have, in SQL; the first that the database takes is written."""
    name = f'"{column.name}"'
    if isinstance(column.type, Boolean):
        yield f"NOT {name}"
    elif isinstance(column.type, LargeBinary):
        yield "CAST('other' AS {blob})"
    elif isinstance(column.type, Integer):
        yield from (f"coalesce({name}, 0) + 1000003", f"coalesce({name}, 0) - 1", f"coalesce({name}, 0) + 1", "1000003")
    elif isinstance(column.type, Date):
        yield "'2019-01-01'"
    elif isinstance(column.type, String | Text):
        yield f"coalesce(substr({name}, 1, length({name}) - 1), '') || '~'"
    else:
        yield "'2019-01-01 00:00:00.000000'"


def edit(forger: Forger, table: Table, column: Column[object], key: dict[str, object]) -> bool:
    """Another value in one row; False when the database takes none of them."""
    where = " AND ".join(f'"{name}" = :{name}' for name in key)
    for value in other_values(column):
        try:
            with forger.connection.begin_nested():
                told = value.replace("{blob}", "BLOB" if forger.sqlite else "bytea")
                forger.connection.execute(text(f'UPDATE "{table.name}" SET "{column.name}" = {told} WHERE {where}'), key)
        except DBAPIError:
            continue
        return True
    return False


@pytest.mark.parametrize("name", sorted(TABLES))
def test_an_edit_is_found_or_listed(forger: Forger, name: str) -> None:
    table = TABLES[name]
    rows = forger.connection.execute(text(f'SELECT * FROM "{name}"')).mappings().all()
    listed = {*UNRECORDED.get(name, ((), ""))[0], *NUMBERS.get(name, ())}
    if not rows:
        return
    # The row that says most.
    row = max(rows, key=lambda one: sum(value is not None for value in one.values()))
    forger.lift()
    before = len(forger.findings())
    unseen = set()
    for column in table.c:
        with forger.connection.begin_nested() as savepoint:
            if edit(forger, table, column, {one.name: row[one.name] for one in table.primary_key.columns}) and len(forger.findings()) == before:
                unseen.add(column.name)
            savepoint.rollback()
    assert unseen <= listed


def test_what_is_listed_as_unrecorded_exists() -> None:
    for name, (columns, why) in UNRECORDED.items():
        assert set(columns) <= set(TABLES[name].c.keys()) and why
    assert set(NUMBERS) <= set(TABLES)
