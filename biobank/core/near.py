"""What somebody probably meant: the words that are known, nearest first."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


def near(met: object, known: Iterable[str]) -> str:
    """A sentence that names the nearest known words and then all of them, for the end of a refusal."""
    words = list(known)
    by_capitals = {word.upper(): word for word in words}
    wanted = str(met).upper()
    # Of words equally near, one that begins alike is meant more often.
    close = sorted(get_close_matches(wanted, list(by_capitals), n=2, cutoff=0.5), key=lambda word: word[:1] != wanted[:1])
    close = [by_capitals[word] for word in close]
    meant = f"did you mean {' or '.join(close)}? " if close else ""
    return f"{meant}known: {', '.join(words) if words else 'none'}"
