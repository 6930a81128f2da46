"""`biobank init`, `db` and wrong usage."""

from __future__ import annotations

import sqlite3
from urllib.parse import urlsplit

import pytest

from biobank.app import create_app
from biobank.cli.support import opened
from biobank.identity import service as identity
from biobank.settings import load_settings
from tests.cli.shell import Shell

PASSWORD = "a long enough password"


def fits(shell: Shell, login: str, password: str) -> bool:
    with opened(load_settings(shell.instance, shell.url)) as units, units.write() as work:
        return identity.sign_in(work, login, password, attempts=9, minutes=1) is not None


def test_init_makes_a_ready_instance(empty: Shell) -> None:
    done = empty("init", "--admin", "root", "--password-stdin", stdin=PASSWORD + "\n")
    assert (done.code, done.out) == (0, ""), done.err
    assert fits(empty, "root", PASSWORD)
    assert not fits(empty, "root", PASSWORD + "!")
    assert (empty.instance / "secret.key").stat().st_mode & 0o077 == 0
    checked = empty("db", "check")
    if empty.url.startswith("postgresql"):
        # The tests' server has a superuser alone, and that is the one thing to mend.
        assert (checked.code, checked.out) == (1, "1 to mend\n") and "a superuser" in checked.err
    else:
        assert (checked.code, checked.out, checked.err) == (0, "nothing is missing\n", "")
    assert len(empty("studies", "list").out.splitlines()) == 6


def test_init_again_keeps_what_is_there(empty: Shell) -> None:
    assert empty("init", "--password-stdin", stdin=PASSWORD + "\n").code == 0
    key = (empty.instance / "secret.key").read_bytes()
    again = empty("init", "--password-stdin", stdin="another password\n")
    assert again.code == 0
    assert fits(empty, "admin", PASSWORD)
    assert (empty.instance / "secret.key").read_bytes() == key


def test_without_a_password_a_link_is_printed_that_works_once(empty: Shell) -> None:
    done = empty("init")
    assert done.code == 0
    path = urlsplit(done.err.split("choose a password: ")[1].strip()).path
    settings = load_settings(empty.instance, empty.url)
    with opened(settings) as units:
        client = create_app(settings, units).test_client()
        page = client.get(path).get_data(as_text=True)
        form = {"csrf_token": page.split('name="csrf_token" value="')[1].split('"')[0]}
        assert client.post(path, data=form | {"password": "short"}).status_code == 422
        assert client.post(path, data=form | {"password": PASSWORD}).status_code == 302
        assert client.get(path, headers={"Accept": "text/html"}).status_code in {302, 401}
    assert fits(empty, "admin", PASSWORD)


@pytest.mark.parametrize("address, begins", [("https://biobank.example/", "https://biobank.example/sign-in/once/"), (None, "http://127.0.0.1:8000/sign-in")])
def test_the_link_begins_with_the_address_that_is_served(empty: Shell, address: str | None, begins: str) -> None:
    done = empty("init", *(["--address", address] if address else []))
    assert done.err.split("choose a password: ")[1].strip().startswith(begins)
    assert "--address" in done.err


def test_a_short_password_is_refused_and_leaves_no_account(empty: Shell) -> None:
    refused = empty("init", "--password-stdin", stdin="short\n")
    assert refused.code == 1
    assert "at least 10 characters" in refused.err
    assert empty("init", "--password-stdin", stdin=PASSWORD + "\n").code == 0
    assert fits(empty, "admin", PASSWORD)


def test_before_init_every_command_says_so(empty: Shell) -> None:
    empty.instance.mkdir()
    for arguments in (("db", "check"), ("verify",), ("studies", "list"), ("serve",), ("keep",)):
        refused = empty(*arguments)
        assert refused.code == 1
        assert "biobank init" in refused.err


def test_db_check_names_a_missing_trigger(shell: Shell) -> None:
    assert shell("db", "check").code == 0
    with sqlite3.connect(urlsplit(shell.url).path) as database:
        database.execute("DROP TRIGGER entry_no_update")
    found = shell("db", "check")
    assert found.code == 1
    assert "entry_no_update" in found.err


@pytest.mark.parametrize("arguments", [(), ("nothing",), ("serve", "--port", "many"), ("demo", "--participants", "some")])
def test_wrong_usage_is_2(shell: Shell, arguments: tuple[str, ...]) -> None:
    assert shell(*arguments).code == 2
