"""`biobank users` and `tokens`."""

from __future__ import annotations

from biobank.app import create_app
from biobank.settings import load_settings
from tests.cli.shell import Shell
from tests.client import Client

PASSWORD = "a long enough password"


def client(shell: Shell, token: str) -> Client:
    return Client(create_app(load_settings(shell.instance, shell.url)).test_client(), token)


def test_a_token_stands_alone_on_standard_output_and_works(shell: Shell) -> None:
    made = shell("tokens", "create", "--user", "admin")
    assert made.code == 0
    assert made.out.startswith("bbk_") and made.out.count("\n") == 1 and made.err == ""
    assert client(shell, made.out.strip()).get("/studies").status_code == 200
    assert client(shell, made.out.strip() + "x").get("/studies").status_code == 401


def test_a_disabled_account_has_no_working_token(shell: Shell) -> None:
    assert shell("users", "add", "mia", "--role", "technician", stdin=PASSWORD + "\n").code == 0
    token = shell("tokens", "create", "--user", "mia", "--role", "technician").out.strip()
    assert client(shell, token).get("/specimens").status_code == 200
    assert shell("users", "disable", "mia").code == 0
    assert client(shell, token).get("/specimens").status_code == 401


def test_roles_are_given_per_study(shell: Shell) -> None:
    assert shell("users", "add", "mia", "--role", "manager:interfant21", stdin=PASSWORD + "\n").code == 0
    mia = client(shell, shell("tokens", "create", "--user", "mia").out.strip())
    assert mia.get("/availability", purpose="supply", study="interfant21").status_code == 200
    assert mia.get("/availability", purpose="supply", study="alltogether1").status_code == 403


def test_what_is_wrong_is_said_and_exits_1(shell: Shell) -> None:
    wrong = {
        ("tokens", "create", "--user", "nobody"): "nobody",
        ("tokens", "create", "--user", "admin", "--role", "manager"): "does not hold this role",
        ("tokens", "create", "--user", "admin", "--expires", "tomorrow"): "2027-01-31",
        ("tokens", "create", "--user", "admin", "--expires", "2020-01-31"): "this day is over",
        ("users", "disable", "nobody"): "nobody",
        ("users", "add", "admin"): "already",
        ("users", "add", "mia", "--role", "wizard"): "there is no such role",
        ("users", "add", "mia", "--organisation", "nowhere"): "there is no such organisation",
        ("users", "add", "mia", "--role", "manager:nostudy"): "nostudy",
        ("users", "add", "mia", "--role", "manager::nowhere"): "nowhere",
        ("users", "add", "mia", "--role", "manager:interfant21:biobank:more"): "ROLE:STUDY:ORGANISATION",
    }
    for arguments, said in wrong.items():
        refused = shell(*arguments, stdin=PASSWORD + "\n")
        assert (refused.code, refused.out) == (1, ""), arguments
        assert said in refused.err
    short = shell("users", "add", "mia", stdin="short\n")
    assert short.code == 1
    assert "at least 10 characters" in short.err
