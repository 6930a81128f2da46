"""`biobank demo`: every case of the cohort, on both databases, the same for the same seed."""

from __future__ import annotations

import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from random import Random
from typing import Any

import pytest
from sqlalchemy import text

from biobank.app import CHECKS, create_app
from biobank.cli import run
from biobank.cli.demo import cast, cohort
from biobank.cli.demo.diary import Step
from biobank.cli.support import opened
from biobank.core.clock import SystemClock
from biobank.core.db import make_engine
from biobank.identity import queries as people
from biobank.identity import service as identity
from biobank.ledger import service as ledger
from biobank.settings import DATABASE, Settings, load_settings
from tests.cli.shell import Shell
from tests.client import Client
from tests.conftest import ENGINES

AS_OF = "2026-11-20"
CHILDREN = len(cohort.CASES)
# These tests share two filled databases.
pytestmark = pytest.mark.xdist_group("demo")


@dataclass(frozen=True, slots=True)
class Told:
    """A filled instance."""

    settings: Settings

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        engine = make_engine(self.settings.database_url)
        with engine.connect() as connection:
            found = [tuple(row) for row in connection.execute(text(query))]
        engine.dispose()
        return found

    def heads(self) -> list[tuple[Any, ...]]:
        """Every chain with its length and the hash of its last entry."""
        return self.rows("SELECT kind, ref, last_seq, last_hash FROM chain ORDER BY kind, ref")

    def password(self) -> str:
        first = (self.settings.instance / "demo-accounts.txt").read_text("utf-8").splitlines()[0]
        return first.split()[-1]


def tell(folder: Path, url: str, *arguments: str) -> Told:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(DATABASE, url)
        assert run(["--instance", str(folder), "demo", "--as-of", AS_OF, *arguments]) == 0
    return Told(load_settings(folder, url))


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory, new_database: Callable[[str, str], str]) -> Callable[[str], Told]:
    """The cohort with every case once, on the database of this name; made when first asked for."""
    made: dict[str, Told] = {}

    def on(engine: str) -> Told:
        if engine not in made:
            folder = tmp_path_factory.mktemp(f"demo-{engine}") / "instance"
            made[engine] = tell(folder, new_database(engine, "demo"), "--participants", str(CHILDREN))
        return made[engine]

    return on


@pytest.fixture(params=ENGINES)
def told(request: pytest.FixtureRequest, filled: Callable[[str], Told]) -> Told:
    """The cohort on one database."""
    return filled(request.param)


def test_every_entry_verifies(told: Told) -> None:
    with opened(told.settings) as units, units.read() as work:
        assert list(ledger.verify(work, CHECKS)) == []


def test_all_six_studies_have_children_and_tubes(told: Told) -> None:
    enrolled = dict(told.rows("SELECT study, count(*) FROM enrolment GROUP BY study"))
    assert set(enrolled) == {"alltogether1", "interfant21", "interfant06", "blinfant", "intreall2010", "intreall2020"}
    stored = dict(told.rows("SELECT study, count(*) FROM standing WHERE container_id IS NOT NULL GROUP BY study"))
    assert set(stored) == set(enrolled)


def test_closed_studies_were_open_on_the_day(told: Told) -> None:
    days = told.rows("SELECT study, enrolled_on, override_reason_given FROM enrolment WHERE study IN ('interfant06', 'blinfant')")
    assert [given for _, _, given in days if given] == []
    assert {str(on)[:4] for study, on, _ in days if study == "interfant06"} == {"2014", "2019"}
    recorded = told.rows("SELECT min(e.recorded_at) FROM entry e JOIN enrolment n ON n.chain_id = e.chain_id WHERE n.study = 'interfant06'")
    assert str(recorded[0][0]).startswith("2014-03-10")


def test_children_move_from_first_treatment_to_relapse(told: Told) -> None:
    moved = told.rows(
        "SELECT a.participant_id FROM enrolment a JOIN enrolment b ON b.participant_id = a.participant_id"
        " WHERE a.study = 'alltogether1' AND b.study LIKE 'intreall%'"
    )
    assert len(moved) == 2


def test_the_cases_are_there(told: Told) -> None:
    def count(query: str) -> int:
        return int(told.rows(f"SELECT count(*) FROM {query}")[0][0])

    assert count("hold WHERE kind = 'no-consent' AND closed_seq IS NOT NULL") > 3
    for kind in ("no-consent", "quarantine", "withdrawn"):
        assert count(f"hold WHERE kind = '{kind}' AND closed_seq IS NULL") > 0, kind
    for reason in ("signatory-missing", "component-declined", "withdrawn"):
        assert count(f"consent_state WHERE NOT granted AND reason = '{reason}'") > 0, reason
    assert count(f"consent_state WHERE reason = 'age-gate' AND from_on < '{AS_OF}'") > 0
    assert count("participant_person WHERE deceased_on IS NOT NULL") == 1
    assert count("enrolment WHERE override_reason_given") == 1
    assert count("dose") >= 5
    assert count("standing WHERE thaws > 0") >= 3
    assert count("standing WHERE is_out AND status = 'in_custody'") == 1
    assert count("standing WHERE status = 'cancelled' AND reason = 'missing'") == 1
    assert count("external_code") == 1
    assert count("earmark") > 10
    assert count("container WHERE kind = 'box'") >= 6
    made = {row[0] for row in told.rows("SELECT material FROM specimen WHERE kind = 'derivative'")}
    assert {"PLASMA_EDTA", "SERUM", "CSF_SUPERNATANT", "MNC_VIABLE"} <= made


def test_three_requests_stand_at_three_places(told: Told) -> None:
    assert {row[0] for row in told.rows("SELECT state FROM request")} == {"delivered", "reserved", "draft"}
    assert told.rows("SELECT count(*) FROM standing WHERE status = 'with_recipient' AND custodian = 'boston'")[0][0] == 3
    assert told.rows("SELECT count(*) FROM reservation WHERE stage = 'reserved' AND closed_seq IS NULL")[0][0] == 3


def test_draws_are_expected_today_and_this_week(told: Told) -> None:
    planned = [str(row[0]) for row in told.rows(f"SELECT planned_on FROM collection WHERE planned_on >= '{AS_OF}' ORDER BY planned_on")]
    assert planned.count(AS_OF) >= 2
    assert len(planned) > planned.count(AS_OF)
    late = told.rows(
        f"SELECT count(*) FROM standing t JOIN specimen s ON s.id = t.specimen_id JOIN collection c ON c.id = s.collection_id"
        f" WHERE t.status = 'expected' AND c.planned_on < '{AS_OF}'"
    )
    assert late[0][0] == 1


def test_nothing_is_recorded_on_the_day_itself_or_later(told: Told) -> None:
    (latest,) = told.rows("SELECT max(recorded_at) FROM entry")[0]
    assert str(latest) < AS_OF


def test_one_password_opens_every_account_and_is_kept_private(told: Told) -> None:
    file = told.settings.instance / "demo-accounts.txt"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    logins = [line.split()[0] for line in file.read_text("utf-8").splitlines()[2:]]
    assert logins == [
        "admin", "technician", "manager", "deputy", "consent", "diagnostics", "researcher", "laboratory", "reviewer", "asparaginase", "cns", "data",
        "auditor", "elsewhere",
    ]
    password = told.password()
    with opened(told.settings) as units, units.write() as work:
        assert {person.login for person, _ in people.people(work)} == set(logins)
        assert all(identity.sign_in(work, login, password, attempts=9, minutes=1) is not None for login in logins)


@pytest.fixture
def client(told: Told, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], Client]]:
    """The API with a token of `biobank tokens create`."""
    shell = Shell(told.settings.instance, told.settings.database_url, capsys, monkeypatch)

    def of(login: str) -> Client:
        made = shell("tokens", "create", "--user", login)
        assert made.code == 0, made.err
        return Client(app.test_client(), made.out.strip())

    with opened(told.settings) as units:
        app = create_app(told.settings, units)
        yield of


def test_a_token_works_for_every_account(client: Callable[[str], Client]) -> None:
    for account in cast.ACCOUNTS:
        assert len(client(account.login).read("/studies")["items"]) == 6, account.login


def test_each_account_sees_what_it_is_there_to_show(client: Callable[[str], Client]) -> None:
    assert len(client("laboratory").read("/specimens", limit=100)["items"]) == 3
    assert len(client("technician").read("/specimens", limit=1000)["items"]) > 400
    assert [one["state"] for one in client("researcher").read("/requests")["items"]] == ["delivered"]
    for login, purpose in (("asparaginase", "use:asparaginase"), ("cns", "use:cns_detection"), ("manager", "supply")):
        assert client(login).read("/availability", purpose=purpose, study="alltogether1")["tubes"] > 0, login
    assert client("researcher").get("/availability", purpose="supply").status_code == 403


def test_a_technician_of_another_organisation_learns_nothing_of_our_tubes(told: Told, client: Callable[[str], Client]) -> None:
    neighbour = client("elsewhere")
    for path in ("/specimens", "/requests", "/participants"):
        assert neighbour.read(path)["items"] == [], path
    (box,) = told.rows("SELECT c.code FROM container c JOIN standing s ON s.container_id = c.id ORDER BY c.id LIMIT 1")[0]
    for path in ("", "/contents", "/map"):
        assert neighbour.get(f"/containers/{box}{path}").status_code == 404, path
    assert client("technician").read(f"/containers/{box}/contents")["items"]


def test_the_same_seed_and_day_give_the_same_chains_on_both_databases(filled: Callable[[str], Told]) -> None:
    first, second = (filled(engine).heads() for engine in ENGINES)
    assert len(first) > 500
    assert first == second


def test_twice_the_same_and_another_seed_another(tmp_path: Path, new_database: Callable[[str, str], str]) -> None:
    urls = [new_database("sqlite", name) for name in ("one", "two", "three")]
    seeds = ("5", "5", "6")
    one, two, three = (
        tell(tmp_path / name, url, "--participants", "1", "--seed", seed) for name, url, seed in zip("abc", urls, seeds, strict=True)
    )
    assert one.heads() == two.heads()
    assert one.password() != two.password()
    refs = {row[1] for row in one.heads()}
    assert refs.isdisjoint({row[1] for row in three.heads()})


def test_an_instance_with_data_is_refused_and_left_alone(stocked: Shell) -> None:
    before = (stocked("verify").out, (stocked.instance / "demo-accounts.txt").read_text("utf-8"))
    refused = stocked("demo", "--participants", "1")
    assert (refused.code, refused.out) == (1, "")
    assert "already has data" in refused.err
    assert "--instance" in refused.err
    assert (stocked("verify").out, (stocked.instance / "demo-accounts.txt").read_text("utf-8")) == before


def test_after_init_the_administrator_keeps_the_password(shell: Shell) -> None:
    assert shell("demo", "--participants", "1", "--as-of", AS_OF).code == 0
    accounts = (shell.instance / "demo-accounts.txt").read_text("utf-8")
    assert "with the password it had before" in next(line for line in accounts.splitlines() if " admin " in line)
    with opened(load_settings(shell.instance, shell.url)) as units, units.write() as work:
        assert identity.sign_in(work, "admin", "a long enough password", attempts=9, minutes=1) is not None


def test_an_account_of_the_demo_that_is_somebodys_own_is_refused(shell: Shell) -> None:
    assert shell("users", "add", "manager", "--role", "auditor", stdin="a long enough password\n").code == 0
    refused = shell("demo", "--participants", "1")
    assert refused.code == 1
    assert "the account manager" in refused.err


def test_an_interrupted_demo_leaves_an_instance_that_can_be_filled(empty: Shell) -> None:
    def stop(lab: object) -> None:
        raise KeyboardInterrupt

    def until_interrupted(*given: Any) -> list[Step]:
        steps = schedule(*given)
        return [*steps[:30], Step(steps[30].at, stop)]

    schedule = cohort.schedule
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cohort, "schedule", until_interrupted)
        with pytest.raises(KeyboardInterrupt):
            empty("demo", "--participants", "1", "--as-of", AS_OF)
    assert not (empty.instance / "demo-accounts.txt").exists()
    done = empty("demo", "--participants", "1", "--as-of", AS_OF)
    assert done.code == 0, done.err
    assert "verified, no fault" in done.out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--as-of", "2999-01-01"), "up to today"),
        (("--as-of", "2019-01-01"), "2025-01-01"),
        (("--as-of", "yesterday"), "2026-11-20"),
        (("--participants", "0"), "1 to 1000"),
        (("--participants", "1001"), "1 to 1000"),
    ],
)
def test_what_cannot_be_told_is_refused_before_anything_is_made(tmp_path: Path, shell: Shell, arguments: tuple[str, ...], said: str) -> None:
    shell.instance = tmp_path / "other"
    refused = shell("demo", *arguments)
    assert refused.code == 1
    assert said in refused.err
    assert not shell.instance.exists()


def test_any_day_from_the_earliest_on_can_be_told() -> None:
    zone = load_settings(Path("nowhere")).zone
    last = SystemClock().now().date()
    for day in (cohort.EARLIEST, date(2025, 2, 28), date(2026, 3, 1), last):
        steps = cohort.schedule(40, day, zone, Random(3))
        assert steps == sorted(steps, key=lambda step: step.at)
        assert max(step.at for step in steps).date() < day
