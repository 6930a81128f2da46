"""Words for what stands in the database: materials, tubes, acts and the facts of an entry, in the reader's language."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from markupsafe import Markup, escape

from biobank.core.units import Quantity
from biobank.core.vocabulary import terms
from biobank.core.work import Work
from biobank.custody import queries as custody
from biobank.desk.queries import TubeRow
from biobank.web import present
from biobank.web.language import _


def term_title(work: Work, vocabulary: str, code: str | None) -> str:
    """The title of a word of a vocabulary; the code itself when it has none."""
    found = terms(work, vocabulary).get(code or "")
    return present.in_language(found.title, found.title_nl) if found else code or ""


def material(work: Work, code: str) -> str:
    """The title of a material."""
    return term_title(work, "material", code)


def tube_line(work: Work, tube: TubeRow) -> str:
    """What a tube is, in one line: `Bone marrow, 250 µL, aliquot 2 of 4`."""
    parts = [material(work, tube.material), present.quantity_text(tube.amount, tube.unit) if tube.amount is not None else _("amount unknown")]
    if tube.kind == "aliquot":
        parts.append(_("aliquot %(n)s of %(of)s", n=tube.ordinal, of=tube.siblings))
    return ", ".join(parts)


def standing(word: str) -> str:
    """A tube's standing in words."""
    return {
        "available": _("available"), "held": _("held"), "reserved": _("reserved"), "out": _("out"), "gone": _("gone"), "expected": _("expected"),
        "unreleased": _("not released yet"), "cancelled": _("cancelled"), "recipient": _("with the recipient"), "empty": _("used up"),
    }.get(word, word)


def open_holds(work: Work, tube: TubeRow) -> list[Any]:
    """The open holds of a tube."""
    return custody.open_holds(work, [tube.id]).get(tube.id, []) if tube.open_holds else []


def open_holds_of(work: Work, tubes: Iterable[TubeRow]) -> dict[int, list[str]]:
    """The open holds of several tubes in words, by tube id."""
    found = custody.open_holds(work, [tube.id for tube in tubes])
    return {tube_id: [hold(row.kind) for row in rows] for tube_id, rows in found.items()}


def kind(tube: TubeRow) -> str:
    """How a tube came to be."""
    if tube.kind == "primary":
        return _("drawn")
    word = _("aliquot") if tube.kind == "aliquot" else _("derivative")
    return _("%(kind)s %(n)s of %(of)s", kind=word, n=tube.ordinal, of=tube.siblings)


def purpose(tube: TubeRow) -> str:
    """Residual or extra material."""
    return _("residual material") if tube.purpose == "residual" else _("extra sample for research")


def consent_purpose(code: str, sub_studies: Mapping[str, str]) -> str:
    """A purpose of consent in words."""
    head, _colon, rest = code.partition(":")
    if head == "use":
        return sub_studies.get(rest, rest)
    return {
        "collect": _("Extra samples"), "store": _("Storage"), "supply": _("Supply to a request"), "export": _("Export of data"),
        "return-results": _("Return of results"),
    }.get(code, code)


def use(code: str) -> str:
    """A declared use in words."""
    return {"genetic": _("genetic"), "commercial": _("commercial"), "outside_eea": _("outside the EEA")}.get(code, code)


def reason(code: str, roles: list[str] | None = None) -> str:
    """A reason of a verdict in words."""
    words = {
        "no-decision": _("no decision counts as no"), "component-declined": _("declined"), "withdrawn": _("withdrawn"),
        "signatory-missing": _("a signature is missing"), "age-gate": _("the child must consent too"),
        "form-version-too-old": _("signed on an outdated form"),
        "not-offered": _("not part of this study"), "study-closed-before": _("the study was closed"),
        "stopped": _("what is kept stays; nothing new is collected"),
    }
    text = words.get(code, code)
    # That the child must consent says already whose word is missing.
    return f"{text}: {', '.join(role(one) for one in roles)}" if roles and code != "age-gate" else text


def role(code: str) -> str:
    """Who signs."""
    return {
        "parent": _("parent"), "second-parent": _("second parent"), "guardian": _("guardian"), "participant": _("the child"),
    }.get(code, code)


def hold(code: str) -> str:
    """Why a tube is on hold."""
    return {
        "no-consent": _("no consent yet"), "withdrawn": _("consent withdrawn"), "discrepancy": _("something does not agree"),
        "quarantine": _("damaged, leaked or rejected"), "identity": _("identity in doubt"),
    }.get(code, code)


def act(name: str) -> str:
    """An act as it heads its entry."""
    return {
        "register": _("Register"), "expect": _("Expect"), "cancel": _("Cancel"), "miss": _("Miss"), "collect": _("Collect"), "receive": _("Receive"),
        "release": _("Release"), "label": _("Label"), "aliquot": _("Aliquot"), "derive": _("Derive"), "store": _("Store"), "move": _("Move"),
        "check-out": _("Check out"), "return": _("Return"), "undo": _("Undo"), "thaw": _("Thaw"), "measure": _("Measure"), "spill": _("Spill"),
        "lose": _("Lose"), "find": _("Find"), "dispose": _("Dispose"), "hold": _("Hold"), "unhold": _("Unhold"), "amend": _("Amend"),
        "earmark": _("Earmark"), "reserve": _("Reserve"), "unreserve": _("Set free"), "pick": _("Pick"), "unpick": _("Put back"),
        "deliver": _("Deliver"), "consent-hold": _("Hold by consent"), "consent-unhold": _("Free by consent"), "reassign": _("Reassign"),
    }.get(name, name)


def place(position: Mapping[str, Any] | None) -> Markup:
    """A position with its box: `SBV8 RBB9 : D5`."""
    if not position:
        return Markup("")
    at = f"{chr(64 + int(position['row']))}{position['column']}"
    return Markup('{} : <strong>{}</strong>').format(present.code(str(position["container"])), at)


def _to(where: Any) -> str:
    return f"{_('to')} {where}" if where else ""


def amount(given: Mapping[str, Any] | None) -> str:
    """An amount of an entry, kept as base units."""
    return str(Quantity(int(given["base"]), str(given["unit"]))) if given else ""


def entry_words(work: Work, name: str, facts: Mapping[str, Any], unit: str) -> Markup:
    """What an entry's facts say beside its act."""
    writer = _WRITERS.get(name)
    written = writer(work, facts, unit) if writer else None
    return written if isinstance(written, Markup) else escape(written or "")


def _register(work: Work, facts: Mapping[str, Any], unit: str) -> Markup | str:
    words = [material(work, str(facts.get("material", ""))), term_title(work, "container_type", facts.get("container_type"))]
    if facts.get("parents"):
        return Markup("{} {} {}").format(", ".join(filter(None, words)), _("from"), Markup(", ").join(present.code(one) for one in facts["parents"]))
    return ", ".join(filter(None, words))


def _expect(work: Work, facts: Mapping[str, Any], unit: str) -> str:
    planned = facts.get("planned_on")
    return _("planned on %(day)s", day=present.day(str(planned))) if planned not in (None, "None") else ""


def _receive(work: Work, facts: Mapping[str, Any], unit: str) -> str:
    condition = {
        "good": _("in good condition"), "damaged": _("damaged"), "leaked": _("leaked"), "missing": _("missing"), "rejected": _("rejected"),
    }.get(str(facts.get("condition") or "good"), "")
    return ", ".join(filter(None, [condition, amount(facts.get("amount")), _("unplanned") if facts.get("unplanned") else ""]))


def _children(work: Work, facts: Mapping[str, Any], unit: str) -> str:
    text = _("%(n)s tubes", n=facts.get("count", ""))
    if facts.get("material"):
        text += " " + _("of") + " " + material(work, str(facts["material"]))
    if facts.get("amount"):
        text += f", {amount(facts['amount'])} " + (_("used") if facts.get("material") else _("each"))
    return text


def _amend(work: Work, facts: Mapping[str, Any], unit: str) -> Markup:
    old, new = facts.get("old"), facts.get("new")
    if facts.get("field") == "status":
        old, new = standing(str(old)), _("in custody again")
    if facts.get("field") == "amount":
        old, new = str(Quantity(int(old or 0), unit)), str(Quantity(int(new or 0), unit))
    names = {
        "amount": _("amount"), "material": _("material"), "container_type": _("tube type"), "purpose": _("purpose"), "status": _("ended wrongly"),
    }
    field = names.get(str(facts.get("field")), "")
    return Markup('{} <a href="#entry-{}">{}</a>, {}: <del>{}</del> <ins>{}</ins>').format(
        _("entry"), facts.get("entry", ""), facts.get("entry", ""), field, old, new
    )


def _reassign(work: Work, facts: Mapping[str, Any], unit: str) -> Markup:
    was, now = facts.get("was", {}), facts.get("now", {})
    said = Markup('{} <a href="#entry-{}">{}</a>, {}: <del>{}</del> <ins>{}</ins>').format(
        _("entry"), facts.get("entry", ""), facts.get("entry", ""), _("participant"), _whose(was, now), _whose(now, was)
    )
    if facts.get("with"):
        said += Markup("; {} {}").format(_("swapped with"), present.code(str(facts["with"])))
    number = facts.get("correction")
    return said + (Markup('; <a href="/corrections/{}">{}</a>').format(number, _("by two people")) if number else Markup(""))


def _whose(one: Mapping[str, Any], other: Mapping[str, Any]) -> Markup:
    """A child's code, with the study where that differs, too."""
    study = f", {one.get('study')}" if one.get("study") != other.get("study") else ""
    return Markup("{}{}").format(present.code(str(one.get("participant", ""))), study)


def _promise(work: Work, facts: Mapping[str, Any], unit: str) -> Markup | str:
    parts = str(facts.get("promise", "")).split("/")
    return Markup("{} {}").format(_("for request"), present.code(parts[1])) if len(parts) > 1 else str(facts.get("promise", ""))


_WRITERS: dict[str, Any] = {
    "register": _register,
    "expect": _expect,
    "receive": _receive,
    "collect": lambda work, facts, unit: amount(facts.get("amount")),
    "release": lambda work, facts, unit: _("the diagnostic laboratory is done with it"),
    "aliquot": _children,
    "derive": _children,
    "store": lambda work, facts, unit: Markup("{} {}").format(_("in"), place(facts.get("position"))),
    "move": lambda work, facts, unit: Markup("{} {}").format(_("to"), place(facts.get("position"))),
    "check-out": lambda work, facts, unit: ", ".join(filter(None, [_to(facts.get("to")), _("its slot is kept")])),
    "return": lambda work, facts, unit: Markup("{} {}").format(_("to its slot"), place((facts.get("was") or {}).get("place"))),
    "undo": lambda work, facts, unit: Markup('{} <a href="#entry-{}">{}</a>').format(_("entry"), facts.get("undoes", ""), facts.get("undoes", "")),
    "measure": lambda work, facts, unit: amount(facts.get("amount")),
    "spill": lambda work, facts, unit: amount(facts.get("amount")),
    "dispose": lambda work, facts, unit: str(facts.get("reason") or ""),
    "hold": lambda work, facts, unit: hold(str(facts.get("kind"))),
    "unhold": lambda work, facts, unit: hold(str(facts.get("kind"))),
    "consent-hold": lambda work, facts, unit: hold(str(facts.get("kind"))),
    "consent-unhold": lambda work, facts, unit: hold(str(facts.get("kind"))),
    "earmark": lambda work, facts, unit: _("for %(sub_study)s", sub_study=facts.get("sub_study", "")),
    "label": lambda work, facts, unit: str(facts.get("design") or ""),
    "amend": _amend,
    "reassign": _reassign,
    "reserve": _promise,
    "unreserve": _promise,
    "pick": _promise,
    "unpick": _promise,
    "deliver": lambda work, facts, unit: Markup("{} {} {}").format(_("to"), facts.get("to", ""), _promise(work, facts, unit)),
}
