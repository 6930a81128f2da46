"""Blueprints whose views name their permission and receive their unit of work."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import flask
import flask_smorest
import marshmallow

from biobank.core.errors import Fault, FieldsWrong
from biobank.web.parser import Parser

View = Callable[..., Any]


def with_work(view: View, permission: str) -> View:
    """The view, given the request's unit of work first, and marked with the permission that dispatch asks for."""

    @wraps(view)
    def given(*args: Any, **kwargs: Any) -> Any:
        return view(flask.g.work, *args, **kwargs)

    given.permission = permission  # type: ignore[attr-defined]
    return given


def _filters_checked(view: View) -> View:
    """The view, refusing every filter when it takes none: one that is ignored in silence gives a wrong list."""
    parameters = getattr(view, "_apidoc", {}).get("arguments", {}).get("parameters", [])
    if any(parameter.get("in") == "query" for parameter in parameters):
        return view

    @wraps(view)
    def checked(*args: Any, **kwargs: Any) -> Any:
        if flask.request.query_string:
            raise FieldsWrong([Fault(f"/{name}", "there is no such filter; there are: none", met[:200]) for name, met in flask.request.args.items()])
        return view(*args, **kwargs)

    return checked


def public(view: View) -> View:
    """Mark a view that needs neither a person nor a unit (health, API description, static files)."""
    view.public = True  # type: ignore[attr-defined]
    return view


def personal(view: View) -> View:
    """Mark a view whose body tells facts of a person: its refusals may repeat them, so they are not kept for replays."""
    view.personal = True  # type: ignore[attr-defined]
    return view


def reads_only(view: View) -> View:
    """Mark a view that changes nothing whatever its method: it may take long and must not hold the place of those who write."""
    view.reads_only = True  # type: ignore[attr-defined]
    return view


class ApiBlueprint(flask_smorest.Blueprint):  # type: ignore[misc]
    """Endpoints below /api/v1: `@api.get("/studies", permission="read-studies")`, then `@api.takes(…)` and `@api.answers(…)`."""

    ARGUMENTS_PARSER = Parser()

    def __init__(self, name: str, import_name: str, description: str) -> None:
        super().__init__(f"api_{name}", import_name, url_prefix="/api/v1", description=description)
        self.tag = name

    def get(self, path: str, *, permission: str) -> Callable[[View], View]:
        """An endpoint that reads."""
        return self._endpoint(path, "GET", permission)

    def post(self, path: str, *, permission: str) -> Callable[[View], View]:
        """An endpoint that writes."""
        return self._endpoint(path, "POST", permission)

    def _endpoint(self, path: str, method: str, permission: str) -> Callable[[View], View]:
        def decorate(view: View) -> View:
            wrapped: View = self.doc(**{"x-permission": permission})(with_work(_filters_checked(view), permission))
            self.add_url_rule(path, view.__name__, wrapped, methods=[method], tags=[self.tag])
            return wrapped

        return decorate

    def takes(self, schema: marshmallow.Schema, location: str = "json") -> Callable[[View], View]:
        """The shape of the body (`json`) or of the query (`query`); unknown fields and filters are refused."""
        decorator: Callable[[View], View] = self.arguments(schema, location=location, unknown=None)
        return decorator

    def answers(self, status: int, schema: marshmallow.Schema | dict[str, Any] | None = None, **options: Any) -> Callable[[View], View]:
        """The shape of the answer; for files a plain OpenAPI schema, with `content_type`."""
        decorator: Callable[[View], View] = self.response(status, schema, **options)
        return decorator


class PageBlueprint(flask.Blueprint):
    """Pages: `@pages.get("/scan", permission="scan")`; templates lie in the capability's own `templates` folder."""

    def __init__(self, name: str, import_name: str) -> None:
        super().__init__(f"pages_{name}", import_name, template_folder="templates")

    def get(self, path: str, *, permission: str, **options: Any) -> Callable[[View], View]:  # type: ignore[override]
        """A page that reads."""
        return self._page(path, "GET", permission, options)

    def post(self, path: str, *, permission: str, **options: Any) -> Callable[[View], View]:  # type: ignore[override]
        """A form that writes."""
        return self._page(path, "POST", permission, options)

    def _page(self, path: str, method: str, permission: str, options: dict[str, Any]) -> Callable[[View], View]:
        def decorate(view: View) -> View:
            wrapped = with_work(view, permission)
            wrapped.page = True  # type: ignore[attr-defined]
            self.add_url_rule(path, options.get("endpoint", view.__name__), wrapped, methods=[method])
            return wrapped

        return decorate
