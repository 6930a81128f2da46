"""The 8-character codes on everything that is scanned.

Two prefix characters of the installation (the first a letter), five random ones and one check character by ISO 7064 MOD 37-2
(as on ISBT 128 donation numbers), all from an alphabet without vowels and without letters that move between keyboard layouts.
A code means nothing by itself: what it is stands in the `code` table, so no correction ever needs a new label.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from random import Random

from sqlalchemy import CheckConstraint, FromClause, String, bindparam, insert, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from biobank.core.db import Base, BigInt
from biobank.core.errors import N_, NotFound, RuleBroken

ALPHABET = "0123456789BCDFGHJKNPRSTVX"
LETTERS = "BCDFGHJKNPRSTVX"
LENGTH = 8
# ISO 7064 MOD 37-2 values: digits, letters, and "*" for 36.
VALUES = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ*"
# What scanners add: AIM symbology identifiers, FNC1 / GS, and line ends, also as the literal text a wedge may type.
SYMBOLOGY = re.compile(r"^\](?:C1|C0|d1|d2|Q1|Q3)")


class CodeMistyped(RuleBroken):
    """The check character does not fit: a character was misread or mistyped."""

    title = N_("Misread or mistyped code")
    message = N_("“%(met)s” is mistyped: its check character does not fit. Scan the tube again, or type the code as printed (8 characters).")


class CodeUnknown(NotFound):
    """A well-formed code that nothing here bears."""

    title = N_("Unknown code")
    message = N_("Nothing here bears the code %(code)s, or you may not see it. If the tube is from elsewhere, register it first.")


class Code(Base):
    """One row per code ever issued, whatever it stands for."""

    __tablename__ = "code"
    code: Mapped[str] = mapped_column(String(8), CheckConstraint("length(code) = 8", name="eight"), primary_key=True)
    kind: Mapped[str] = mapped_column(String(20))
    ref: Mapped[int] = mapped_column(BigInt)


class Prefix(Base):
    """The installation's prefixes; new codes take the newest."""

    __tablename__ = "prefix"
    ordinal: Mapped[int] = mapped_column(primary_key=True)
    prefix: Mapped[str] = mapped_column(String(2), unique=True)


_RESOLVE = select(Code.kind, Code.ref).where(Code.code == bindparam("code"))


def check_character(payload: str) -> str:
    """The ISO 7064 MOD 37-2 check character of `payload` (digits and capital letters); may be "*"."""
    product = 0
    for character in payload:
        product = (product + VALUES.index(character)) * 2 % 37
    return VALUES[(38 - product) % 37]


def tidy(scanned: str) -> str:
    """What a scanner or a hand typed, without symbology prefix, line ends, group separators, spaces and hyphens; in capitals."""
    text = SYMBOLOGY.sub("", scanned.strip())
    text = text.replace("\\r", "").replace("\\n", "").replace("\\t", "")
    return re.sub(r"[\s\x1d\-]", "", text).upper()


def is_code(text: str) -> bool:
    """Whether `text` (already tidy) is a well-formed code with a right check character."""
    return (
        len(text) == LENGTH
        and text[0] in LETTERS
        and all(c in ALPHABET for c in text)
        and check_character(text[:-1]) == text[-1]
    )


def parse_code(scanned: str) -> str:
    """The code that was scanned or typed. Raises CodeMistyped, which names what was met."""
    text = tidy(scanned)
    if not is_code(text):
        raise CodeMistyped(met=scanned[:40])
    return text


def spaced(code: str) -> str:
    """As printed for people: `SB4D R120`."""
    return f"{code[:4]} {code[4:]}"


def draw_prefix(random: Random) -> str:
    """A new installation prefix: a letter and one more character."""
    return random.choice(LETTERS) + random.choice(ALPHABET)


def draw_code(prefix: str, random: Random) -> str:
    """One candidate code; redrawn while its check character falls outside the alphabet."""
    while True:
        payload = prefix + "".join(random.choice(ALPHABET) for _ in range(5))
        check = check_character(payload)
        if check in ALPHABET:
            return payload + check


def new_codes(session: Session, random: Random, count: int) -> list[str]:
    """`count` codes that nothing bears yet. They are taken when `bind_codes` writes them."""
    prefix = session.execute(select(Prefix.prefix).order_by(Prefix.ordinal.desc()).limit(1)).scalar_one()
    fresh: list[str] = []
    while len(fresh) < count:
        drawn = {draw_code(prefix, random) for _ in range(count - len(fresh))} - set(fresh)
        ordered = sorted(drawn)
        taken = set(session.execute(select(Code.code).where(Code.code.in_(ordered))).scalars())
        fresh += [code for code in ordered if code not in taken]
    return fresh


def bind_codes(session: Session, kind: str, bound: Iterable[tuple[str, int]]) -> None:
    """Write what each code stands for: pairs of code and row id."""
    rows = [{"code": code, "kind": kind, "ref": ref} for code, ref in bound]
    if rows:
        session.execute(insert(Code), rows)


def resolve(session: Session, scanned: str, kind: str | None = None) -> tuple[str, str, int]:
    """(code, kind, row id) of a scanned code. Raises CodeMistyped or CodeUnknown (also when it is of another kind)."""
    code = parse_code(scanned)
    row = session.connection().execute(_RESOLVE, {"code": code}).one_or_none()
    if row is None or (kind is not None and row.kind != kind):
        raise CodeUnknown(code=spaced(code), what=kind or "thing", key=code)
    return code, row.kind, row.ref


def strays(session: Session, kind: str, table: FromClause) -> list[str]:
    """Codes bound to things of this kind that bear another code, or that are not there: for verification. `table` has `id` and `code`."""
    query = select(Code.code).outerjoin(table, (table.c.id == Code.ref) & (table.c.code == Code.code))
    return list(session.execute(query.where(Code.kind == kind, table.c.id.is_(None)).order_by(Code.code)).scalars())


def unbound(session: Session, kind: str, table: FromClause) -> list[str]:
    """Codes of things that a scan would not find, or would find something else for: for verification."""
    query = select(table.c.code).outerjoin(Code, (Code.code == table.c.code) & (Code.ref == table.c.id) & (Code.kind == kind))
    return list(session.execute(query.where(Code.code.is_(None)).order_by(table.c.code)).scalars())


def bound(session: Session, codes: Iterable[str]) -> dict[str, tuple[str, int]]:
    """What codes are bound to: kind and row id, by code."""
    query = select(Code.code, Code.kind, Code.ref).where(Code.code.in_(sorted(set(codes))))
    return {row.code: (row.kind, row.ref) for row in session.execute(query)}
