"""Who is asking: a bearer token, or the session cookie of a signed-in browser."""

from __future__ import annotations

import flask
from marshmallow import fields

from biobank.core.errors import Refusal
from biobank.core.work import Actor, Work
from biobank.identity import queries, service
from biobank.identity.rules import PERMISSIONS, NotSignedIn, holds
from biobank.web.blueprint import ApiBlueprint
from biobank.web.parser import Shape

api = ApiBlueprint("identity", __name__, "People and what they may do")


def authenticate(work: Work) -> Actor | None:
    """The actor behind the request, or None. A token in the header goes before the cookie; it is never looked up in the clear."""
    flask.g.by_token = False
    given = flask.request.authorization
    if given is not None or "Authorization" in flask.request.headers:
        flask.g.by_token = True
        if given is None or given.type != "bearer" or not given.token:
            return None
        latest = flask.current_app.clock_guard.latest(work)  # type: ignore[attr-defined]
        return queries.actor_by_token(work, service.token_hash(given.token), latest)
    person, epoch = flask.session.get("person"), flask.session.get("epoch")
    found = queries.actor_by_id(work, person) if isinstance(person, int) else None
    return found[0] if found is not None and found[1] == epoch else None


def refuse_stranger() -> Refusal:
    """The refusal of somebody unknown."""
    return NotSignedIn()


class GrantOut(Shape):
    """A role held in a study and at an organisation; null means everywhere."""

    role = fields.String(required=True)
    study = fields.String(required=True, allow_none=True)
    organisation = fields.String(required=True, allow_none=True)


class Me(Shape):
    """Who the token or session stands for."""

    login = fields.String(required=True)
    organisation = fields.String(required=True)
    roles = fields.List(fields.Nested(GrantOut), required=True)
    permissions = fields.List(fields.String(), required=True)


@api.get("/me", permission="signed-in")
@api.answers(200, Me())
def me(work: Work) -> dict[str, object]:
    """Who you are here, and what you may do."""
    return {
        "login": work.who.login, "organisation": work.who.organisation, "roles": work.who.grants,
        "permissions": [name for name in PERMISSIONS if holds(work.who.grants, name)],
    }
