"""One unit of work per request: authenticated, permitted, idempotent, committed in one place."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import flask
from flask.globals import request_ctx
from flask_wtf.csrf import CSRFError, CSRFProtect
from sqlalchemy.exc import DBAPIError, IntegrityError, SQLAlchemyError
from werkzeug.exceptions import HTTPException

from biobank.core.clock import ClockGuard
from biobank.core.errors import N_, Forbidden, Malformed, Overtaken, Refusal
from biobank.core.idempotency import KEY_LENGTH, IdempotencyKeyReused, Reply, claim, fingerprint, keep
from biobank.core.work import Actor, Units, Work
from biobank.web import problems

READING = frozenset({"GET", "HEAD", "OPTIONS"})
# A lost race is done again from the start: the second time the use case itself meets what won and says so in words.
TRIES = 3
# What a replica may answer only because it has not heard yet: a new token, a role just given, something just made.
UNHEARD = frozenset({401, 403, 404})
Authenticate = Callable[[Work], Actor | None]
Allows = Callable[[Work, str], bool]


class FormExpired(Malformed):
    """The CSRF token is missing or too old."""

    title = N_("Form expired")
    message = N_("This form is too old or did not come from here. Go back, load the page again and send it once more.")


class NoText(Malformed):
    """The address or a form holds U+0000, which no database keeps."""

    message = N_("The %(where)s holds the character U+0000, which is no text. Leave it out.")


class KeyTooLong(Malformed):
    """The Idempotency-Key is not usable."""

    message = N_("The Idempotency-Key has %(met)s characters; use 1 to %(most)s.")


class ChangedInBetween(Overtaken):
    """Somebody else changed the same thing at the same moment, several times in a row."""


# No answer to the request itself: with a fresh form, or a moment later, it is sent again under the same key.
PASSING = (FormExpired, ChangedInBetween, IdempotencyKeyReused)


class Service(flask.Flask):
    """The Flask application; `units`, `authenticate`, `allows` and `refuse_stranger` are handed in by `app`.

    `readers` are units on a replica for what only reads, where the site has one.
    """

    units: Units
    readers: Units | None = None
    csrf: CSRFProtect
    clock_guard: ClockGuard
    authenticate: Authenticate
    allows: Allows
    refuse_stranger: Callable[[], Refusal]
    sign_in_page: str

    def dispatch_request(self) -> flask.typing.ResponseReturnValue:
        """Answer the request inside one unit of work; a refusal or a failing commit becomes a problem, never a false success."""
        request = request_ctx.request
        view: Any = self.view_functions.get(request.endpoint or "")
        page = getattr(view, "page", False) or not request.path.startswith("/api/")
        try:
            if request.routing_exception is not None:
                self.raise_routing_exception(request)
            if getattr(view, "permission", None) is None or request.method == "OPTIONS":
                return super().dispatch_request()
            _check_text(request)
            return self._in_a_unit(view)
        except (Refusal, HTTPException) as refusal:
            if isinstance(refusal, HTTPException) and refusal.code is not None and refusal.code < 400:
                raise
            return self._refused(refusal, page)

    def _in_a_unit(self, view: Any) -> flask.Response:
        if self.readers is not None and flask.request.method in READING:
            return self._read_somewhere(view, self.readers)
        for attempt in range(1, TRIES + 1):
            try:
                return self._once(view)
            except (DBAPIError, Overtaken) as error:
                if isinstance(error, DBAPIError) and not _lost_race(error):
                    raise
                flask.g.lost_races = attempt
                if attempt == TRIES:
                    raise ChangedInBetween from None
        raise AssertionError("unreachable")

    def _read_somewhere(self, view: Any, readers: Units) -> flask.Response:
        """From the replica; from the primary where the replica fails underway or has perhaps not heard yet."""
        heard: Refusal | HTTPException | None = None
        try:
            return self._once(view, readers)
        except (Refusal, HTTPException) as refusal:
            if not _from_a_replica() or (refusal.status if isinstance(refusal, Refusal) else refusal.code) not in UNHEARD:
                raise
            heard = refusal
        except DBAPIError:
            if not _from_a_replica():
                raise
        try:
            return self._once(view)
        except SQLAlchemyError:
            # The primary is away: what the replica said is the best there is.
            if heard is None:
                raise
            raise heard from None

    def _once(self, view: Any, readers: Units | None = None) -> flask.Response:
        reading = flask.request.method in READING or getattr(view, "reads_only", False)
        with (readers or self.units).read() if reading else self.units.write() as work:
            flask.g.work = work
            work.actor = self.authenticate(work)
            self._check(work, view.permission)
            if not reading and view.permission != "anyone":
                self.clock_guard.check(work)
            # Looked at also where nothing is kept under it: a key that is none is told.
            told = None if flask.request.method in READING else _key()
            key = None if reading else told
            if key is not None:
                earlier = claim(work.session, key, self._fingerprint(work), work.now)
                if earlier is not None:
                    return _replayed(earlier)
            response = self.make_response(super().dispatch_request())
            if key is not None:
                keep(work.session, key, Reply(response.status_code, response.content_type or "", response.get_data()))
            return response

    def _check(self, work: Work, permission: str) -> None:
        if work.actor is None and permission != "anyone":
            raise self.refuse_stranger()
        if flask.request.method not in READING and not flask.g.get("by_token"):
            try:
                self.csrf.protect()
            except CSRFError:
                raise FormExpired from None
        if permission not in {"anyone", "signed-in"} and not self.allows(work, permission):
            raise Forbidden(permission=permission)

    def _fingerprint(self, work: Work) -> str:
        request = flask.request
        return fingerprint(work.who.id if work.actor else 0, request.method, request.full_path, request.get_data())

    def _refused(self, refusal: Refusal | HTTPException, page: bool) -> flask.Response:
        if page and isinstance(refusal, Refusal) and refusal.status == 401 and flask.request.method == "GET" and not flask.g.get("by_token"):
            return flask.make_response(flask.redirect(flask.url_for(self.sign_in_page, next=flask.request.full_path.rstrip("?"))))
        extra = {"verdict": "refused"} if flask.request.path == "/api/v1/scans" else None
        response = problems.as_response(refusal, page=page, extra=extra)
        work: Work | None = flask.g.get("work")
        key = _key(strict=False) if flask.request.method not in READING else None
        passing = refusal.status in {401, 429, 503} or isinstance(refusal, PASSING) if isinstance(refusal, Refusal) else True
        told = getattr(self.view_functions.get(flask.request.endpoint or ""), "personal", False)
        if key is not None and work is not None and work.actor is not None and not passing and not told:
            try:
                return self._keep_refusal(work, key, response)
            except IdempotencyKeyReused as reused:
                return problems.as_response(reused, page=page, extra=extra)
        return response

    def _keep_refusal(self, work: Work, key: str, response: flask.Response) -> flask.Response:
        with self.units.write(work.actor) as short:
            earlier = claim(short.session, key, self._fingerprint(work), short.now)
            if earlier is not None:
                return _replayed(earlier)
            keep(short.session, key, Reply(response.status_code, response.content_type or "", response.get_data()))
        return response


def _check_text(request: flask.Request) -> None:
    """Bodies in JSON are looked through where they are read."""
    if "\x00" in request.path or b"%00" in request.query_string:
        raise NoText(where="address")
    if request.mimetype != "application/json" and any("\x00" in value for _, value in request.form.items(multi=True)):
        raise NoText(where="form")


def _key(*, strict: bool = True) -> str | None:
    key = flask.request.headers.get("Idempotency-Key")
    if key is None:
        return None
    if not 1 <= len(key) <= KEY_LENGTH or "\x00" in key:
        if strict:
            raise KeyTooLong(met=len(key), most=KEY_LENGTH)
        return None
    return key


def _replayed(reply: Reply) -> flask.Response:
    return flask.Response(reply.body, status=reply.status, content_type=reply.content_type, headers={"Idempotency-Replayed": "true"})


def _from_a_replica() -> bool:
    work: Work | None = flask.g.get("work")
    return work is not None and bool(work.session.info.get("replica"))


def _lost_race(error: DBAPIError) -> bool:
    if isinstance(error, IntegrityError):
        return True
    # PostgreSQL: serialization failure, deadlock.
    return getattr(error.orig, "sqlstate", None) in {"40001", "40P01"}
