"""Signing in and out."""

from __future__ import annotations

from urllib.parse import urlsplit

import flask
from flask_wtf.csrf import generate_csrf

from biobank.core.errors import FieldsWrong
from biobank.core.work import Actor, Work
from biobank.identity import service
from biobank.web.blueprint import PageBlueprint

pages = PageBlueprint("identity", __name__)


@pages.get("/sign-in", permission="anyone")
def sign_in(work: Work) -> flask.typing.ResponseReturnValue:
    """The sign-in form."""
    if work.actor is not None:
        return flask.redirect(_next())
    return flask.render_template("identity/sign-in.html", next=_next(), problem=None, login="")


@pages.post("/sign-in", permission="anyone", endpoint="sign_in_post")
def check_password(work: Work) -> flask.typing.ResponseReturnValue:
    """Check the password; a wrong one is counted and answered without saying which part is wrong."""
    settings = flask.current_app.settings  # type: ignore[attr-defined]
    login = flask.request.form.get("login", "")
    limits = {"attempts": settings.sign_in_attempts, "minutes": settings.sign_in_lock_minutes}
    found = service.sign_in(work, login, flask.request.form.get("password", ""), **limits)
    if found is None:
        page = flask.render_template("identity/sign-in.html", next=_next(), problem=service.refuse_sign_in(**limits), login=login)
        return flask.make_response(page, 401)
    _open_session(found)
    return flask.redirect(_next())


def _open_session(found: tuple[Actor, int]) -> None:
    # A new session on every sign-in, so that a cookie planted before it is worth nothing.
    flask.session.clear()
    flask.session.permanent = True
    flask.session["person"], flask.session["epoch"] = found[0].id, found[1]
    # The form token is settled now: two pages opened at once would each draw their own, and one could not be sent.
    generate_csrf()


@pages.get("/sign-in/once/<token>", permission="anyone")
def first_sign_in(work: Work, token: str) -> str:
    """The form behind a first sign-in link: choose a password."""
    actor, _ = service.choose_password(work, _secret(), token, None)
    return flask.render_template("identity/once.html", login=actor.login, problem=None)


@pages.post("/sign-in/once/<token>", permission="anyone", endpoint="first_sign_in_post")
def set_first_password(work: Work, token: str) -> flask.typing.ResponseReturnValue:
    """Set the password and sign in; the link is spent with it."""
    try:
        _open_session(service.choose_password(work, _secret(), token, flask.request.form.get("password", "")))
    except FieldsWrong as short:
        actor, _ = service.choose_password(work, _secret(), token, None)
        return flask.make_response(flask.render_template("identity/once.html", login=actor.login, problem=short), 422)
    return flask.redirect("/")


def _secret() -> bytes:
    key: bytes = flask.current_app.config["SECRET_KEY"]
    return key


@pages.post("/sign-out", permission="anyone")
def sign_out(work: Work) -> flask.typing.ResponseReturnValue:
    """End the person's sessions, here and wherever else they are open: a copy of the cookie is worth nothing afterwards."""
    if not flask.g.by_token:
        service.sign_out(work)
    flask.session.clear()
    return flask.redirect("/sign-in")


def _next() -> str:
    """Where to go after: only an address of our own."""
    wanted = flask.request.values.get("next", "/")
    parts = urlsplit(wanted)
    safe = not parts.scheme and not parts.netloc and wanted.startswith("/") and not wanted.startswith(("//", "/\\"))
    return wanted if safe else "/"
