"""A checked reader for tables of a file: it notes every fault with file, place and reason, instead of stopping at the first."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from datetime import date, datetime
from typing import Any, TypeVar

from biobank.core.errors import N_, Fault, FieldsWrong, RuleBroken
from biobank.core.near import near
from biobank.core.units import Quantity, parse_quantity

CODE = re.compile(r"^[A-Za-z][A-Za-z0-9_]{0,39}$")
# Days, years, tubes: nothing in a study file is larger, and dates stay inside the calendar.
FARTHEST = 20_000
T = TypeVar("T")


class StudyFileWrong(RuleBroken):
    """One or more study files have faults; all of them are listed and nothing was loaded."""

    title = N_("Study file not right")
    message = N_("%(count)s fault(s) in study files; nothing was loaded.\n%(listing)s")


def refuse_files(faults: Collection[Fault]) -> StudyFileWrong:
    """The refusal for these faults: one line each, with file, key and reason."""
    lines = [f"{fault.pointer}: {fault.message}" + ("" if fault.met is None else f" (met: {fault.met!r})") for fault in faults]
    return StudyFileWrong(faults=tuple(faults), count=len(lines), listing="\n".join(lines))


class Keys:
    """One table of a file. Each method reads one key; what was never asked for is an unknown key when `done` is called."""

    def __init__(self, data: Mapping[str, Any], file: str, path: str, faults: list[Fault]) -> None:
        self.data = data
        self.file = file
        self.path = path
        self.faults = faults
        self._asked: set[str] = set()

    def wrong(self, key: str, reason: str, met: Any = None) -> None:
        """Note a fault at a key of this table."""
        place = ".".join(part for part in (self.path, key) if part)
        shown = met.isoformat() if isinstance(met, date) else met if isinstance(met, str | int | None) else repr(met)
        self.faults.append(Fault(f"{self.file}: {place}", reason, shown))

    def _take(self, key: str, required: bool) -> Any:
        self._asked.add(key)
        if key not in self.data and required:
            self.wrong(key, "this key is missing")
        return self.data.get(key)

    def _typed(self, key: str, kind: type[T], reason: str, required: bool) -> T | None:
        value = self._take(key, required)
        if value is None:
            return None
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            self.wrong(key, reason, value)
            return None
        return value

    def text(self, key: str) -> str:
        """A text that must be there."""
        value = self._typed(key, str, 'give a text in quotes, as "…"', True)
        if value is not None and not value.strip():
            self.wrong(key, "this text is empty", value)
        return value or ""

    def text_or_none(self, key: str) -> str | None:
        """A text that may be left out."""
        return self._typed(key, str, 'give a text in quotes, as "…"', False)

    def code(self, key: str) -> str:
        """A code: a letter, then letters, digits and underscores."""
        value = self.text(key)
        if value and not CODE.match(value):
            self.wrong(key, "a code is a letter, then letters, digits and _ (at most 40)", value)
        return value

    def word(self, key: str, known: Collection[str], default: str | None = None) -> str:
        """One word of a list; `default` when it is left out."""
        value = self._typed(key, str, "give a word in quotes", default is None)
        if value is None:
            return default or ""
        self._known(key, value, known)
        return value

    def word_or_none(self, key: str, known: Collection[str]) -> str | None:
        """One word of a list, or nothing."""
        value = self._typed(key, str, "give a word in quotes", False)
        if value is not None:
            self._known(key, value, known)
        return value

    def words(self, key: str, known: Collection[str] | None = None) -> tuple[str, ...]:
        """A list of words, all of them known; empty when left out."""
        found = self.words_or_none(key, known)
        return found or ()

    def words_or_none(self, key: str, known: Collection[str] | None = None) -> tuple[str, ...] | None:
        """A list of words, or None when the key is left out."""
        value = self._take(key, False)
        if value is None:
            return None
        if not isinstance(value, list) or not all(isinstance(word, str) for word in value):
            self.wrong(key, 'give a list of words, as ["a", "b"]', value)
            return None
        for word in value:
            if known is not None:
                self._known(key, word, known)
            if value.count(word) > 1:
                self.wrong(key, "this word stands in the list twice", word)
        return tuple(value)

    def _known(self, key: str, value: str, known: Collection[str]) -> None:
        if value not in known:
            self.wrong(key, f"no such word here; {near(value, known)}", value)

    def whole(self, key: str, least: int = -FARTHEST, most: int = FARTHEST, *, required: bool = True) -> int | None:
        """A whole number from `least` to `most`."""
        value = self._typed(key, int, "give a whole number", required)
        if value is not None and not least <= value <= most:
            self.wrong(key, f"give a whole number of at least {least} and at most {most}", value)
            return None
        return value

    def wholes_or_none(self, key: str) -> tuple[int, ...] | None:
        """A list of whole numbers, or None when the key is left out."""
        value = self._take(key, False)
        if value is None:
            return None
        if not isinstance(value, list) or not all(type(n) is int and abs(n) <= FARTHEST for n in value):
            self.wrong(key, f"give a list of whole numbers, as [1, 2], none beyond {FARTHEST}", value)
            return None
        return tuple(value)

    def yes(self, key: str) -> bool:
        """true or false; false when left out."""
        return bool(self._typed(key, bool, "give true or false", False))

    def day(self, key: str, *, required: bool = False) -> date | None:
        """A civil day: a TOML date, or the same as text (as the database keeps it)."""
        value = self._take(key, required)
        if value is None:
            return None
        if isinstance(value, date) and not isinstance(value, datetime):
            return value
        if isinstance(value, str) and re.match(r"^\d{4}-\d\d-\d\d$", value):
            try:
                return date.fromisoformat(value)
            except ValueError:
                pass
        self.wrong(key, "give a day that exists, as 2020-07-13", value)
        return None

    def quantity(self, key: str) -> Quantity | None:
        """An amount with its unit, as { value = 0.3, unit = "mL" }; may be left out."""
        value = self._take(key, False)
        if value is None:
            return None
        try:
            return parse_quantity(value, "")
        except FieldsWrong as refused:
            self.wrong(key, refused.faults[0].message, value)
            return None

    def named_texts(self, key: str) -> dict[str, str]:
        """A table of texts, as { nct = "NCT04307576" }; empty when left out."""
        value = self._take(key, False)
        if value is None:
            return {}
        if not isinstance(value, dict) or not all(isinstance(text, str) for text in value.values()):
            self.wrong(key, 'give a table of texts, as { nct = "NCT04307576" }', value)
            return {}
        return dict(value)

    @contextmanager
    def table(self, key: str, *, required: bool = False) -> Iterator[Keys | None]:
        """A table inside this one, or None; its unknown keys are noted at the end of the block."""
        value = self._take(key, required)
        if value is not None and not isinstance(value, dict):
            self.wrong(key, "give a table, as { … } or [key]", value)
            value = None
        inner = None if value is None else Keys(value, self.file, ".".join(part for part in (self.path, key) if part), self.faults)
        yield inner
        if inner is not None:
            inner.done()

    def tables(self, key: str, read: Callable[[Keys], T], *, required: bool = False, unique: str | None = None) -> tuple[T, ...]:
        """A list of tables, each read by `read`. `unique` is the key that may not occur twice."""
        value = self._take(key, required)
        if value is None:
            return ()
        if not isinstance(value, list) or not all(isinstance(row, dict) for row in value):
            self.wrong(key, f"give a list of tables, each begun by [[{key}]]", value)
            return ()
        found: list[T] = []
        seen: set[Any] = set()
        for number, row in enumerate(value, 1):
            inner = Keys(row, self.file, ".".join(part for part in (self.path, f"{key}[{number}]") if part), self.faults)
            found.append(read(inner))
            inner.done()
            met = row.get(unique) if unique else None
            if isinstance(met, str | int) and met in seen:
                inner.wrong(str(unique), "this stands there twice; each must be unique", met)
            if isinstance(met, str | int):
                seen.add(met)
        return tuple(found)

    def done(self) -> None:
        """Note the keys that nobody asked for."""
        for key in self.data:
            if key not in self._asked:
                self.wrong(key, f"there is no such key here; {near(key, sorted(self._asked))}", None)
