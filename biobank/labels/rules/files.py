"""Reading label files key by key, so that every fault names the file, the key and the reason."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from typing import Any

from biobank.labels.rules.refusals import DesignWrong

LARGEST_MM = 500.0


class Table:
    """One table of a file. Each `take_…` removes a key; `finish` refuses what is left over."""

    def __init__(self, file: str, where: str, values: dict[str, Any]) -> None:
        self.file = file
        self.where = where
        self.values = dict(values)

    def wrong(self, key: str, reason: str) -> DesignWrong:
        """The refusal for one key of this table."""
        return DesignWrong(file=self.file, key=f"{self.where}{key}", reason=reason)

    def take(self, key: str, kind: type, what: str, default: Any = None) -> Any:
        """A value of the right type, or the default; a missing key without a default is refused."""
        if key not in self.values:
            if default is None:
                raise self.wrong(key, f"is missing; give {what}")
            return default
        value = self.values.pop(key)
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            raise self.wrong(key, f"must be {what}, not {value!r}")
        return value

    def take_text(self, key: str) -> str:
        """A text that is not empty."""
        text: str = self.take(key, str, "a text")
        if not text.strip():
            raise self.wrong(key, "must not be empty")
        return text

    def take_choice(self, key: str, choices: Sequence[str], default: str | None = None) -> str:
        """One of several words."""
        word: str = self.take(key, str, f"one of {', '.join(choices)}", default)
        if word not in choices:
            raise self.wrong(key, f"must be one of {', '.join(choices)}, not “{word}”")
        return word

    def take_number(self, key: str, default: float | None = None) -> float:
        """A number above zero and not larger than any label."""
        return self._positive(key, self.take(key, int | float, "a number above zero", default))  # type: ignore[arg-type]

    def take_whole(self, key: str) -> int:
        """A whole number from 1 to 1000."""
        whole: int = self.take(key, int, "a whole number from 1 to 1000")
        if not 1 <= whole <= 1000:
            raise self.wrong(key, f"must be from 1 to 1000, not {whole}")
        return whole

    def take_numbers(self, key: str, names: str, *, zero: int = 0) -> tuple[float, ...]:
        """A list of numbers, called `names` ("x y width height"); the first `zero` of them may be zero."""
        wanted = names.split()
        what = f"a list of {len(wanted)} numbers in mm: {', '.join(wanted)}"
        given = self.take(key, list, what)
        if len(given) != len(wanted) or any(isinstance(n, bool) or not isinstance(n, int | float) for n in given):
            raise self.wrong(key, f"must be {what}, not {given!r}")
        return tuple(float(n) if i < zero and n == 0 else self._positive(key, n) for i, n in enumerate(given))

    def take_table(self, key: str) -> dict[str, Any]:
        """A table within this one."""
        return dict(self.take(key, dict, f"a table [{key}]"))

    def finish(self, known: str) -> None:
        """Refuse keys nobody asked for."""
        for key in self.values:
            raise self.wrong(key, f"there is no such key; the keys are {known}")

    def _positive(self, key: str, number: float) -> float:
        if not 0 < number <= LARGEST_MM:
            raise self.wrong(key, f"must be above zero and at most {LARGEST_MM:g}, not {number!r}")
        return float(number)


def read_toml(file: str, text: str) -> Table:
    """The whole file as a table. Raises DesignWrong where it is not TOML."""
    try:
        return Table(file, "", tomllib.loads(text))
    except tomllib.TOMLDecodeError as fault:
        raise DesignWrong(file=file, key="TOML", reason=str(fault)) from None
