"""`biobank db roles` and `biobank db check` on a site whose service has a role of its own."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from biobank.ledger.rules import APPEND_ONLY
from tests.cli.shell import Shell
from tests.postgresql.site import Site, as_, asked, statements

pytestmark = pytest.mark.postgresql
PASSWORD = "a long enough password"


@pytest.fixture
def shell(site: Site, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Shell:
    """`biobank` as the service."""
    return Shell(tmp_path, site.application, capsys, monkeypatch)


@pytest.fixture
def mended(site: Site, shell: Shell) -> Iterator[None]:
    """Whatever the test breaks is whole again afterwards."""
    yield
    assert shell("db", "roles", "--application", site.role, "--owner-url", site.owner).code == 0
    checked = shell("db", "check")
    assert (checked.code, checked.err) == (0, "")


def test_a_site_made_by_the_recipe_lacks_nothing(shell: Shell) -> None:
    checked = shell("db", "check")
    assert (checked.code, checked.out, checked.err) == (0, "nothing is missing\n", "")


def test_init_migrates_as_the_owner_and_writes_as_the_service(new_site: Callable[[], Site], shell: Shell) -> None:
    made = new_site()
    shell.url = made.application
    refused = shell("init", "--password-stdin", stdin=PASSWORD + "\n")
    assert refused.code == 1 and "BIOBANK_OWNER_URL" in refused.err
    assert shell("init", "--password-stdin", "--owner-url", made.owner, stdin=PASSWORD + "\n").code == 0
    assert asked(made.superuser, "SELECT tableowner FROM pg_tables WHERE tablename = 'entry'") == made.owner_role
    assert shell("db", "check").code == 0
    assert shell("verify").code == 0
    # Again, and without the owner where nothing has to be migrated.
    assert shell("init", "--password-stdin", stdin=PASSWORD + "\n").code == 0
    assert shell("db", "upgrade").code == 0
    assert shell("db", "upgrade", "--owner-url", made.owner).code == 0
    assert shell("db", "check").code == 0


def test_the_recipe_as_it_is_shipped(site: Site, shell: Shell) -> None:
    recipe = (Path(__file__).parents[2] / "deploy/postgresql/roles.sql").read_text("utf-8")
    made = "\n".join(line for line in recipe.splitlines() if not line.startswith("--"))
    statements(site.superuser, *(one for one in made.split(";") if one.strip()))
    try:
        shell.url = as_(site.superuser, "biobank_service", "biobank")
        owner = as_(site.superuser, "biobank_owner", "biobank")
        assert shell("init", "--password-stdin", "--owner-url", owner, stdin=PASSWORD + "\n").code == 0
        assert shell("db", "check").code == 0
    finally:
        statements(site.superuser, "DROP DATABASE biobank WITH (FORCE)", "DROP ROLE biobank_owner", "DROP ROLE biobank_service")


def test_the_owners_address_may_come_from_the_environment(site: Site, shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BIOBANK_OWNER_URL", site.owner)
    assert shell("db", "roles", "--application", site.role).code == 0


def test_an_upgrade_gives_the_service_what_the_new_tables_need(new_site: Callable[[], Site], shell: Shell) -> None:
    made = new_site()
    shell.url = made.application
    assert shell("db", "upgrade", "--owner-url", made.owner).code == 0
    statements(made.owner, f"REVOKE ALL ON outbox FROM {made.role}", f"REVOKE ALL ON leaf FROM {made.role}")
    assert shell("db", "check").code == 1
    assert shell("db", "upgrade", "--owner-url", made.owner).code == 0
    assert shell("db", "check").code == 0


def test_print_changes_nothing_and_gives_what_would_be_run(site: Site, shell: Shell, mended: None) -> None:
    statements(site.owner, f"GRANT UPDATE ON entry TO {site.role}")
    printed = shell("db", "roles", "--application", site.role, "--owner-url", site.owner, "--print")
    assert printed.code == 0
    assert asked(site.owner, f"SELECT has_table_privilege('{site.role}', 'entry', 'UPDATE')") is True
    lines = printed.out.splitlines()
    assert (lines[0], lines[-1]) == ("BEGIN;", "COMMIT;")
    statements(site.owner, *(line for line in lines[1:-1]))
    assert shell("db", "check").code == 0


@pytest.mark.parametrize(
    ("application", "address", "words"),
    [
        ("nobody", "owner", "CREATE ROLE \"nobody\" LOGIN"), ("{owner}", "owner", "owns the tables"), ("postgres", "owner", "superuser"),
        ("{role}", "application", "belong to {owner}"),
    ],
)
def test_what_cannot_be_narrowed_is_refused(site: Site, shell: Shell, application: str, address: str, words: str) -> None:
    names = {"owner": site.owner_role, "role": site.role}
    refused = shell("db", "roles", "--application", application.format(**names), "--owner-url", getattr(site, address))
    assert refused.code == 1
    assert words.format(**names) in refused.err


@pytest.mark.parametrize(("who", "words"), [("owner", "the owner of the tables"), ("superuser", "a superuser")])
def test_a_service_that_runs_as_more_is_told_so_in_one_line(site: Site, shell: Shell, who: str, words: str) -> None:
    shell.url = getattr(site, who)
    checked = shell("db", "check")
    assert checked.code == 1 and len(checked.err.splitlines()) == 1
    assert words in checked.err and "not for a real site" in checked.err and "biobank db roles" in checked.err


def test_every_right_to_change_an_append_only_table_is_named(site: Site, shell: Shell, mended: None) -> None:
    statements(site.owner, *(f"GRANT UPDATE, DELETE, TRUNCATE ON {table} TO {site.role}" for table in APPEND_ONLY))
    checked = shell("db", "check")
    assert checked.code == 1
    for table in APPEND_ONLY:
        for may in ("UPDATE", "DELETE", "TRUNCATE"):
            assert f"the role {site.role} may {may} on {table}, which is append-only. Mend: biobank db roles" in checked.err


# What is broken, as whom -> what `db check` says; roles mends it unless the line names another command.
BREAKS = [
    ("GRANT UPDATE (act) ON entry TO {role}", "owner", "may UPDATE on entry"),
    ("GRANT UPDATE ON entry TO PUBLIC", "owner", "may UPDATE on entry"),
    ("GRANT TRIGGER ON standing TO {role}", "owner", "may TRIGGER on standing"),
    ("GRANT TEMPORARY ON DATABASE {database} TO PUBLIC", "owner", "TEMPORARY on the database"),
    ("GRANT CREATE ON DATABASE {database} TO {role}", "owner", "CREATE on the database"),
    ("GRANT CREATE ON SCHEMA public TO PUBLIC", "owner", "CREATE in the schema public"),
    ("REVOKE INSERT ON entry FROM {role}", "owner", "lacks INSERT on entry"),
    ("REVOKE SELECT ON alembic_version FROM {role}", "owner", "lacks SELECT on alembic_version"),
    ("REVOKE USAGE ON SEQUENCE chain_id_seq FROM {role}", "owner", "lacks USAGE on the sequence chain_id_seq"),
]


@pytest.mark.parametrize(("statement", "who", "words"), BREAKS, ids=[broken[0] for broken in BREAKS])
def test_a_right_too_many_or_too_few_is_named_and_mended(site: Site, shell: Shell, mended: None, statement: str, who: str, words: str) -> None:
    database = asked(site.owner, "SELECT current_database()")
    statements(getattr(site, who), statement.format(role=site.role, database=database))
    checked = shell("db", "check")
    assert checked.code == 1
    line = next(line for line in checked.err.splitlines() if words in line)
    assert f"biobank db roles --application {site.role}" in line


# statement of a superuser -> (words, how it is undone when the line's own command does not do)
REACHES = [
    ("GRANT {owner} TO {role}", "is a member of {owner}"),
    ("GRANT pg_write_all_data TO {role}", "is a member of pg_write_all_data"),
    ("GRANT pg_execute_server_program TO {role}", "is a member of pg_execute_server_program"),
    ("GRANT SET ON PARAMETER session_replication_role TO {role}", "may set session_replication_role"),
    ("ALTER ROLE {role} CREATEROLE", "has CREATEROLE"),
    ("ALTER ROLE {role} REPLICATION", "has REPLICATION"),
]


@pytest.mark.parametrize(("statement", "words"), REACHES, ids=[reach[0] for reach in REACHES])
def test_what_reaches_past_the_rights_is_named_with_the_command_that_mends_it(
    site: Site, shell: Shell, mended: None, statement: str, words: str
) -> None:
    names = {"owner": site.owner_role, "role": site.role}
    statements(site.superuser, statement.format(**names))
    checked = shell("db", "check")
    assert checked.code == 1
    line = next(line for line in checked.err.splitlines() if words.format(**names) in line)
    command = re.search(r"as a superuser: (.*;)", line)
    assert command is not None
    statements(site.superuser, command[1])


def test_a_member_of_a_group_with_rights_is_named(site: Site, shell: Shell, mended: None) -> None:
    statements(site.superuser, "CREATE ROLE fixers", f"GRANT fixers TO {site.role} WITH INHERIT FALSE")
    statements(site.owner, "GRANT DELETE ON posting TO fixers")
    checked = shell("db", "check")
    statements(site.superuser, f"REVOKE fixers FROM {site.role}", "DROP OWNED BY fixers", "DROP ROLE fixers")
    assert checked.code == 1 and "may DELETE on posting as a member of fixers" in checked.err


# As the owner: what is done, what it is called, and how it is undone.
TABLES = [
    ("ALTER TABLE entry DISABLE TRIGGER entry_no_change", "entry_no_change", "ALTER TABLE entry ENABLE ALWAYS TRIGGER entry_no_change"),
    ("ALTER TABLE leaf ENABLE TRIGGER leaf_no_change", "leaf_no_change", "ALTER TABLE leaf ENABLE ALWAYS TRIGGER leaf_no_change"),
    ("ALTER TABLE posting ENABLE REPLICA TRIGGER posting_no_truncate", "posting_no_truncate",
     "ALTER TABLE posting ENABLE ALWAYS TRIGGER posting_no_truncate"),
    ("CREATE RULE hide AS ON INSERT TO entry DO INSTEAD NOTHING", "a rule that is not ours (hide)", "DROP RULE hide ON entry"),
    ("CREATE TRIGGER hide BEFORE INSERT ON entry FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()", "not ours (hide)",
     "DROP TRIGGER hide ON entry"),
    ("ALTER TABLE entry ENABLE ROW LEVEL SECURITY", "row security", "ALTER TABLE entry DISABLE ROW LEVEL SECURITY"),
    ("ALTER TABLE chain DROP CONSTRAINT uq_chain_kind_ref", "uq_chain_kind_ref is missing",
     "ALTER TABLE chain ADD CONSTRAINT uq_chain_kind_ref UNIQUE (kind, ref)"),
    ("UPDATE alembic_version SET version_num = '0001' RETURNING set_config('biobank.was', version_num, false)", "biobank db upgrade", None),
]


@pytest.mark.parametrize(("broken", "words", "undo"), TABLES, ids=[table[1] for table in TABLES])
def test_a_table_that_is_not_as_it_was_made_is_named(site: Site, shell: Shell, mended: None, broken: str, words: str, undo: str | None) -> None:
    head = asked(site.owner, "SELECT version_num FROM alembic_version")
    statements(site.owner, broken)
    try:
        checked = shell("db", "check")
    finally:
        statements(site.owner, undo or f"UPDATE alembic_version SET version_num = '{head}'")
    assert checked.code == 1
    assert any(words in line for line in checked.err.splitlines())


def test_a_commit_that_does_not_wait_for_the_disk_is_named(site: Site, shell: Shell, mended: None) -> None:
    statements(site.superuser, f"ALTER ROLE {site.role} SET synchronous_commit = off")
    checked = shell("db", "check")
    statements(site.superuser, f"ALTER ROLE {site.role} RESET synchronous_commit")
    assert checked.code == 1 and "synchronous_commit is off" in checked.err
