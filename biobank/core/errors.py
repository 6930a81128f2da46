"""Refusals: something asked was not done, nothing was changed, and the reader learns what was met and what would be right."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar


def N_(text: str) -> str:
    """Mark a text for the message catalogue; it is translated at the edge, never here."""
    return text


@dataclass(frozen=True, slots=True)
class Fault:
    """One wrong field: a JSON pointer to it, what would be right, and what was met."""

    pointer: str
    message: str
    met: Any = None


class Refusal(Exception):
    """Base of all refusals.

    `message` is a template with named places (`%(code)s`) filled from the facts, so that the edge can translate it.
    The facts become members of the problem; `faults` names single fields.
    """

    status: ClassVar[int] = 422
    title: ClassVar[str] = N_("Not done")
    message: ClassVar[str] = N_("This was refused.")

    def __init__(self, message: str | None = None, /, *, faults: Sequence[Fault] = (), **facts: Any) -> None:
        self.template = message or self.message
        self.facts = facts
        self.faults = tuple(faults)
        super().__init__(self.detail)

    @property
    def detail(self) -> str:
        """The message with its facts, in English."""
        return self.template % self.facts if self.facts else self.template

    @classmethod
    def slug(cls) -> str:
        """The kebab-case name used in the problem's `type`."""
        return re.sub(r"(?<!^)(?=[A-Z])", "-", cls.__name__).lower()


class NotFound(Refusal):
    """Not there, or not for this person: the two answer alike."""

    status = 404
    title = N_("Not found")
    message = N_("There is no %(what)s %(key)s that you may see.")


class Forbidden(Refusal):
    """The person is known, but may not do this."""

    status = 403
    title = N_("Not allowed")
    message = N_("This needs the permission “%(permission)s”, which you do not have. Ask an administrator for a role that has it.")


class Conflict(Refusal):
    """What is asked does not fit the present state."""

    status = 409
    title = N_("Not possible now")


class Overtaken(Conflict):
    """What was read before a lock has changed under it. A request is done again from the start, so that only a third time is told."""

    title = N_("Changed in between")
    message = N_("Somebody changed the same thing at the same moment. Nothing was changed; look again and repeat what is still needed.")


class RuleBroken(Refusal):
    """A value or a combination of values is wrong whatever the state."""

    status = 422
    title = N_("Not right")


class Malformed(Refusal):
    """The request cannot be read at all."""

    status = 400
    title = N_("Cannot be read")


class FieldsWrong(RuleBroken):
    """Single fields are wrong; `faults` names each."""

    title = N_("Some fields are not right")
    message = N_("%(count)s field(s) are not right; each fault names one. Nothing was changed.")

    def __init__(self, faults: Sequence[Fault]) -> None:
        super().__init__(faults=faults, count=len(faults))


def fault(pointer: str, message: str, met: Any = None) -> FieldsWrong:
    """A refusal for one field. `pointer` is a JSON pointer such as `/volume/unit`."""
    return FieldsWrong([Fault(pointer, message, met)])
