"""Reading bodies and queries: every wrong field becomes a fault that names what was met."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, NoReturn

import marshmallow
from webargs.flaskparser import FlaskParser

from biobank.core.errors import N_, Fault, FieldsWrong, Malformed, Refusal


class NotJson(Malformed):
    """The body is not JSON."""

    title = N_("Not JSON")
    message = N_("The body cannot be read as JSON. Send one JSON object in UTF-8.")


class WrongMediaType(Refusal):
    """The body is of another type."""

    status = 415
    title = N_("Wrong media type")
    message = N_("The body came as “%(met)s”; send “application/json”.")


class Shape(marshmallow.Schema):
    """Base of all shapes: an unknown field is refused and the known ones are named."""

    class Meta:
        """Unknown fields are a mistake, never ignored."""

        unknown = marshmallow.RAISE

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        readable = sorted(name for name, field in self.fields.items() if not field.dump_only)
        self.error_messages = {**self.error_messages, "unknown": f"there is no such field; there are: {', '.join(readable) or 'none'}"}


class Parser(FlaskParser):
    """webargs' parser with our refusals, and unknown query filters refused."""

    DEFAULT_UNKNOWN_BY_LOCATION: dict[str, str | None] = {}

    def load_json(self, req: Any, schema: Any) -> Any:
        """The body as JSON. Raises WrongMediaType or NotJson."""
        if not req.is_json:
            raise WrongMediaType(met=req.mimetype or "nothing")
        raw = req.get_data(cache=True)
        try:
            read = json.loads(raw, parse_constant=_no_constant)
        except (ValueError, RecursionError):
            raise NotJson from None
        # Only an escape can bring in what cannot be stored, so that most bodies are not looked through.
        if b"\\u" in raw:
            faults = list(_unstorable(read, ""))
            if faults:
                raise FieldsWrong(faults)
        return read

    def handle_error(self, error: Any, req: Any, schema: Any, *, error_status_code: Any, error_headers: Any) -> NoReturn:
        """Turn a marshmallow error into faults with JSON pointers."""
        faults: list[Fault] = []
        for messages in error.messages.values():
            _collect(messages, "", error.data, faults)
        raise FieldsWrong(faults)

    def handle_invalid_json_error(self, error: Any, req: Any, *args: Any, **kwargs: Any) -> NoReturn:
        """Not JSON at all."""
        raise NotJson


def storable(text: str) -> bool:
    """Whether a text can be kept: neither U+0000 nor half of a surrogate pair, which databases and UTF-8 do not take."""
    return "\x00" not in text and not any("\ud800" <= character <= "\udfff" for character in text)


def _unstorable(value: Any, pointer: str) -> Iterator[Fault]:
    if isinstance(value, str):
        if not storable(value):
            yield Fault(pointer or "/", "leave out U+0000 and halves of surrogate pairs; they are no text", ascii(value[:40])[1:-1])
    elif isinstance(value, dict):
        for key, item in value.items():
            if storable(key):
                yield from _unstorable(item, f"{pointer}/{key}")
            else:
                yield Fault(pointer or "/", "leave out U+0000 and halves of surrogate pairs in names of fields", ascii(key[:40])[1:-1])
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from _unstorable(item, f"{pointer}/{number}")


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _collect(messages: Any, pointer: str, data: Any, faults: list[Fault]) -> None:
    if isinstance(messages, dict):
        for key, below in messages.items():
            name = "" if key == "_schema" else f"/{key}"
            _collect(below, pointer + name, _inside(data, key), faults)
        return
    for message in messages if isinstance(messages, list) else [messages]:
        faults.append(Fault(pointer or "/", str(message), data if isinstance(data, str | int | float | bool | type(None)) else None))


def _inside(data: Any, key: Any) -> Any:
    if key == "_schema":
        return data
    if isinstance(data, list) and isinstance(key, int) and key < len(data):
        return data[key]
    try:
        return data.get(key)
    except (AttributeError, TypeError):
        return None
