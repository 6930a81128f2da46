"""The fixed list of fields a label may show, and templates that allow their plain names only."""

from __future__ import annotations

import string
from collections.abc import Mapping
from dataclasses import dataclass

FIELDS: dict[str, str] = {
    "code": "the 8-character code, as it is encoded",
    "code_text": "the code as people read it, in two groups of four",
    "code_tail": "the last four characters of the code, for caps",
    "material": "the material in full",
    "material_short": "the material's short name, which fits on a label",
    "participant": "the participant's code",
    "study": "the study's code",
    "event": "the event of the study plan; nothing for an unplanned arrival",
    "drawn_on": "the day of the draw at the site, as 2026-11-20; the planned day until then",
    "amount": "what is in the tube, with its unit",
    "ordinal": "which of how many tubes of its kind from its parent or collection, as 2/4",
    "container_type": "the kind of tube, with its additive",
    "external_code": "the code that another issuer gave the tube",
    "note": "a free line",
}


class TemplateWrong(ValueError):
    """The template has more than plain `{field}` names; the message says what."""


@dataclass(frozen=True, slots=True)
class Template:
    """A text with fields: pairs of literal text and the field that follows it (None at the end)."""

    source: str
    pieces: tuple[tuple[str, str | None], ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The fields it shows, in order."""
        return tuple(name for _, name in self.pieces if name is not None)

    def fill(self, fields: Mapping[str, str]) -> str:
        """The text for one label. A field that is not known leaves nothing; a text whose fields are all unknown is empty."""
        if self.names and not any(fields.get(name) for name in self.names):
            return ""
        text, gap = "", False
        for literal, name in self.pieces:
            text += literal.removeprefix(" ") if gap else literal
            value = fields.get(name, "") if name else ""
            text += value
            # Only the template's own space beside an absent field goes; a value is kept as it is, since symbols carry it.
            gap = bool(name) and not value and (not text or text.endswith(" "))
        return text.removesuffix(" ") if gap else text


def parse_template(source: str) -> Template:
    """Read a template. Raises TemplateWrong for attribute access, indexes, conversions, format specifications and unknown fields."""
    pieces: list[tuple[str, str | None]] = []
    try:
        parsed = list(string.Formatter().parse(source))
    except ValueError as fault:
        raise TemplateWrong(f"“{source}” has an unmatched brace ({fault}); write a field as {{code}}") from None
    for literal, name, spec, conversion in parsed:
        if name is not None and (spec or conversion):
            raise TemplateWrong(f"“{source}” formats the field “{name}”; only a plain name in braces is allowed, as {{code}}")
        if name is not None and name not in FIELDS:
            raise TemplateWrong(f"“{source}” names “{name}”, which is no field; the fields are {', '.join(FIELDS)}")
        pieces.append((literal, name))
    return Template(source, tuple(pieces))


def check_fields(fields: Mapping[str, str | None]) -> dict[str, str]:
    """The fields that are known, as text. Raises KeyError for a name outside the list, which is a fault of the caller."""
    for name in fields:
        if name not in FIELDS:
            raise KeyError(name)
    return {name: value for name, value in fields.items() if value}
