"""Whether the triggers that forbid changes are there, enabled, and ours: one of the same name that does nothing must be found."""

from __future__ import annotations

from sqlalchemy import bindparam, text

from biobank.core.work import Work
from biobank.ledger.rules import APPEND_ONLY

# As the migrations wrote them.
_SQLITE = (
    "CREATE TRIGGER {table}_no_{what} BEFORE {WHAT} ON {table} "
    "BEGIN SELECT RAISE(ABORT, 'table {table} is append-only: {what} is refused'); END"
)
_FUNCTION = """
BEGIN
  RAISE EXCEPTION 'table % is append-only: % is refused', TG_TABLE_NAME, TG_OP;
END """
# pg_trigger.tgtype: before each row, update and delete; before each statement, truncate.
_TYPES = {"change": 1 | 2 | 8 | 16, "truncate": 2 | 32}
_ON_SQLITE = text("SELECT name, tbl_name, sql FROM sqlite_master WHERE type = 'trigger' AND tbl_name IN :tables")
_ON_POSTGRESQL = text(
    "SELECT t.tgname AS name, c.relname AS tbl_name, t.tgenabled = 'A' AS always, t.tgtype AS type, p.proname AS function, p.prosrc AS source, "
    "l.lanname AS language, p.prosecdef AS definer, array_to_string(p.proconfig, ', ') AS config, f.nspname AS schema, "
    "t.tgqual IS NULL AND cardinality(t.tgattr::int2[]) = 0 AS whole "
    "FROM pg_catalog.pg_trigger t JOIN pg_catalog.pg_class c ON c.oid = t.tgrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace "
    "JOIN pg_catalog.pg_proc p ON p.oid = t.tgfoid JOIN pg_catalog.pg_namespace f ON f.oid = p.pronamespace "
    "JOIN pg_catalog.pg_language l ON l.oid = p.prolang "
    "WHERE NOT t.tgisinternal AND n.nspname = 'public' AND c.relname IN :tables"
)
_RULES = text("SELECT rulename, tablename FROM pg_catalog.pg_rules WHERE schemaname = 'public' AND tablename IN :tables")


def missing_triggers(work: Work) -> list[str]:
    """Names of the append-only triggers that are missing, not enabled (on PostgreSQL: ALWAYS), or not ours."""
    return [name for name, _ in trigger_faults(work)]


def trigger_faults(work: Work) -> list[tuple[str, str]]:
    """What is wrong with the append-only triggers: name, and a clause that says why."""
    sqlite = work.session.connection().dialect.name == "sqlite"
    faults = _sqlite_faults(work) if sqlite else _postgresql_faults(work)
    return sorted(faults.items())


def _sqlite_faults(work: Work) -> dict[str, str]:
    found = {row.name: row for row in work.session.execute(_ON_SQLITE.bindparams(_tables()))}
    wanted = {
        f"{table}_no_{what}": _SQLITE.format(table=table, what=what, WHAT=what.upper()) for table in APPEND_ONLY for what in ("update", "delete")
    }
    faults = {name: "is missing" for name in wanted.keys() - found.keys()}
    faults |= {name: "is not as it was made: it does something else" for name, sql in wanted.items() if name in found and found[name].sql != sql}
    return faults | {name: f"was added to {found[name].tbl_name}; it is none of ours" for name in found.keys() - wanted.keys()}


def _postgresql_faults(work: Work) -> dict[str, str]:
    # By table and name: triggers of different tables may bear the same name.
    found = {(row.tbl_name, row.name): row for row in work.session.execute(_ON_POSTGRESQL.bindparams(_tables()))}
    wanted = {(table, f"{table}_no_{what}"): type_ for table in APPEND_ONLY for what, type_ in _TYPES.items()}
    faults = {name: "is missing" for _, name in wanted.keys() - found.keys()}
    for key, type_ in wanted.items():
        row = found.get(key)
        if row is None:
            continue
        if not row.always:
            faults[key[1]] = "is not enabled ALWAYS"
        elif row.type != type_ or not row.whole:
            faults[key[1]] = "is not as it was made: it does not fire for every change"
        elif (row.schema, row.function, row.source, row.language) != ("public", "refuse_change", _FUNCTION, "plpgsql"):
            faults[key[1]] = f"calls {row.schema}.{row.function}, which is not refuse_change as it was made: its text or language is another"
        elif row.definer or row.config != "search_path=pg_catalog":
            faults[key[1]] = "calls refuse_change, which does not pin its search_path to pg_catalog any more"
    faults |= {name: f"was added to {table}; it is none of ours" for table, name in found.keys() - wanted.keys()}
    rules = work.session.execute(_RULES.bindparams(_tables()))
    return faults | {row.rulename: f"is a rule that was added to {row.tablename}; it is none of ours" for row in rules}


def _tables() -> bindparam:  # type: ignore[valid-type]
    return bindparam("tables", list(APPEND_ONLY), expanding=True)
