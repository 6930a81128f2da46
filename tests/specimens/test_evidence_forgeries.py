"""Forged evidence packs: each forgery is named, also when the forger signs the whole anew; and a rewrite that agrees with itself by its key."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest

from biobank.ledger.rules import canonical
from tests.specimens.packs import FORGER, Packs, packs, rewritten, signed, told

__all__ = ["packs"]

Content = dict[str, Any]


def entries(content: Content) -> list[Any]:
    """The entries of the pack's own tube."""
    found: list[Any] = content["chains"][f"specimen/{content['tube']}"]["entries"]
    return found


def tube(content: Content) -> Any:
    return content["tubes"][content["tube"]]


def parent(content: Content) -> Any:
    return content["tubes"][tube(content)["is"]["parents"][0]]


def swap(content: Content) -> None:
    entries(content)[1:3] = entries(content)[2:0:-1]


def swap_and_renumber(content: Content) -> None:
    swap(content)
    for seq, entry in enumerate(entries(content), start=1):
        entry["seq"] = seq


def drop_last(content: Content) -> None:
    entries(content).pop()


def drop_last_everywhere(content: Content) -> None:
    entries(content).pop()
    chain = content["chains"][f"specimen/{content['tube']}"]
    chain |= {"last_seq": len(entries(content)), "last_hash": entries(content)[-1]["hash"]}


def drop_first(content: Content) -> None:
    del entries(content)[0]


def repeat(content: Content) -> None:
    entries(content).insert(2, copy.deepcopy(entries(content)[1]))


def of_another_chain(content: Content) -> None:
    entries(content)[1] = copy.deepcopy(content["chains"][f"specimen/{tube(content)['is']['parents'][0]}"]["entries"][1])


def other_parent(content: Content) -> None:
    tube(content)["is"]["parents"] = parent(content)["is"]["parents"]


def no_parent(content: Content) -> None:
    tube(content)["is"]["parents"] = []


def made_by_another_entry(content: Content) -> None:
    told(entries(content)[0], made_by={"chain": f"specimen/{tube(content)['is']['parents'][0]}", "seq": 1})


def actor_in_the_body(content: Content) -> None:
    body = json.loads(entries(content)[1]["body"])
    entries(content)[1]["body"] = canonical(body | {"actor": 99}).decode()


def actor_throughout(content: Content) -> None:
    actor_in_the_body(content)
    entries(content)[1]["actor"] = 99


def unsealed(content: Content) -> None:
    entries(content)[1] |= {"leaf": None, "proof": []}


def unsealed_and_told(content: Content) -> None:
    unsealed(content)
    content["unsealed"] = [[entries(content)[1]["chain"], 2]]


def older_checkpoint(content: Content) -> None:
    content["checkpoints"].pop()


def checkpoints_swapped(content: Content) -> None:
    content["checkpoints"][0:2] = content["checkpoints"][1::-1]


def checkpoint_of_his_own(content: Content) -> None:
    content["checkpoints"][-1]["note"] = json.loads(rewritten(content)[0])["checkpoints"][0]["note"]


def standing(**values: Any) -> Callable[[Content], None]:
    def forge(content: Content) -> None:
        tube(content)["standing"] |= values

    return forge


def identity(**values: Any) -> Callable[[Content], None]:
    def forge(content: Content) -> None:
        tube(content)["is"] |= values

    return forge


def column(**values: Any) -> Callable[[Content], None]:
    def forge(content: Content) -> None:
        entries(content)[1] |= values

    return forge


def posting(content: Content) -> None:
    entries(content)[0]["postings"][0]["amount"] -= 1


def note(content: Content) -> None:
    next(entry for entry in entries(content) if entry["notes"])["notes"]["reason"]["text"] = "nothing was wrong"


def verdict(content: Content) -> None:
    next(iter(content["verdicts"].values()))["granted"] = False


def verdict_that_nobody_asked(content: Content) -> None:
    content["verdicts"]["999"] = next(iter(content["verdicts"].values()))


def title(content: Content) -> None:
    next(iter(content["containers"].values()))["title"] = "Box 9"


def box_gone(content: Content) -> None:
    code = tube(content)["standing"]["place"]["container"]
    del content["containers"][code], content["chains"][f"container/{code}"]


def parent_gone(content: Content) -> None:
    code = tube(content)["is"]["parents"][0]
    del content["tubes"][code], content["chains"][f"specimen/{code}"]


def another_tube(content: Content) -> None:
    content["tube"] = tube(content)["is"]["parents"][0]


def nobody(content: Content) -> None:
    content["tube"] = "NOBODY00"


FORGERIES: list[tuple[Callable[[Content], None], str]] = [
    (swap, "entry 2: seq: here stands entry 3"), (swap_and_renumber, "entry 2: previous"), (drop_last, "last_seq: the chain says"),
    (drop_last_everywhere, "its entries give"), (drop_first, "entry 1: previous"), (repeat, "entry 3: seq"), (of_another_chain, "entry 2: seq: here"),
    (other_parent, "entry 1: parents"), (no_parent, "entry 1: parents"), (made_by_another_entry, "entry 1: made_by"),
    (actor_in_the_body, "entry 2: actor: the column says"), (actor_in_the_body, "entry 2: hash"), (actor_throughout, "entry 2: hash"),
    (actor_throughout, "entry 2: leaf: this entry is not leaf"), (unsealed, "evidence.json: unsealed"), (unsealed_and_told, "entry 3: leaf"),
    (older_checkpoint, "leaf"), (checkpoints_swapped, "checkpoint: note"), (checkpoint_of_his_own, "checkpoint: note"),
    (standing(status="gone"), "status: the tube says 'gone', its entries give 'in_custody'"), (standing(reason="lost"), "reason"),
    (standing(remaining=200_000), "remaining: the tube says 200000, its entries give 180000"), (standing(thaws=0), "thaws"),
    (standing(holds=[]), "holds"), (standing(promises=[]), "promises"), (standing(place=None), "place"), (standing(is_out=False), "is_out"),
    (standing(custodian="boston"), "custodian"), (standing(seq=1), "seq"), (standing(certainty="unknown"), "certainty"),
    (identity(participant="SB4DR120"), "participant: the tube says 'SB4DR120'"), (identity(material="BM"), "material"),
    (identity(kind="derivative"), "kind"), (identity(collection="SB4DR120"), "collection"), (lambda content: tube(content).update(lot="X"), "lot"),
    (lambda content: tube(content).update(earmarks=[]), "earmarks"), (lambda content: tube(content).update(lot_unit="cells"), "lot_unit"),
    (lambda content: tube(content).update(external_codes=[["umc", "1"]]), "external_codes"),
    (column(actor=99), "entry 2: actor: the column says 99, the hashed body"), (column(act="thaw"), "entry 2: act"),
    (column(occurred_at="2026-01-01T00:00:00.000000Z"), "entry 2: occurred_at"), (column(hash="0" * 64), "entry 2: hash"),
    (column(leaf=0), "entry 2: leaf"), (column(proof=[]), "entry 2: leaf"), (posting, "entry 1: postings"),
    (note, "notes/reason: the text does not"), (verdict, "verdict/granted"), (verdict_that_nobody_asked, "verdicts/999: no entry names"),
    (title, "title: it says 'Box 9'"), (box_gone, "neither in the pack nor withheld"),
    (parent_gone, "entry 1: parents"), (another_tube, "was not made from this tube"), (nobody, "specimen/NOBODY00: chain: has no entries"),
    (lambda content: content.update(format="biobank evidence 2"), "evidence.sig: sha256"),
]


@pytest.mark.parametrize(("forge", "named"), FORGERIES, ids=lambda value: getattr(value, "__name__", None))
def test_a_forgery_is_named_although_the_forger_signed_the_whole_anew(packs: Packs, forge: Callable[[Content], None], named: str) -> None:
    content = packs.rich.content
    forge(content)
    assert content != packs.rich.content
    by_him = packs.rich.faults(*signed(content, FORGER))
    assert any(named in one for one in by_him), by_him
    assert any(one.startswith("evidence.sig: key") for one in packs.rich.faults(*signed(content, FORGER), trusted=[packs.rich.key]))
    # And whoever cannot sign at all is found by the signature alone.
    assert any(one.startswith("evidence.sig: sha256") for one in packs.rich.faults(signed(content)[0]))


def test_a_rewrite_that_agrees_with_itself_is_found_by_the_published_key(packs: Packs) -> None:
    content = packs.rich.content
    told(entries(content)[1], place="another one")
    evidence, signature = rewritten(content)
    assert packs.rich.faults(evidence, signature) == []
    found = packs.rich.faults(evidence, signature, trusted=[packs.rich.key])
    assert len(found) == 1 and found[0].startswith("evidence.sig: key: it is signed by")


NOWHERE = {"container": "NOBODY00", "row": 1, "column": 1}


@pytest.mark.parametrize(
    ("at", "facts", "named"),
    [
        (1, {"effect": {"lines": [["tube", 5]]}}, "entry 2: lines: [['tube', 5]] do not sum to zero"), (-1, {"effect": {"status": "gone"}}, "status"),
        (1, {"effect": {"place": NOWHERE}}, "'NOBODY00' is neither in the pack nor withheld"), (0, {"parents": []}, "parents"),
        (1, {"effect": {"fly": True}}, "entry 2: body/facts/effect/fly"), (1, {"verdict": True}, "entry 2: body/facts/verdict"),
        (1, {"effect": {"thaws": True}}, "entry 2: body/facts/effect/thaws"), (0, {"made_by": {"chain": "x"}}, "entry 1: body/facts/made_by/seq"),
        (-2, {"verdict": {"id": 1, "granted": False, "purpose": "store"}}, "verdict/granted"), (1, {"witness": []}, "body/facts/witness"),
    ],
)
def test_what_no_entry_can_say_is_found_in_a_rewrite_too(packs: Packs, at: int, facts: dict[str, Any], named: str) -> None:
    content = packs.rich.content
    told(entries(content)[at], **facts)
    found = packs.rich.faults(*rewritten(content))
    assert any(named in one for one in found), found


@pytest.mark.parametrize("body", ["{}", "[]", "", '{"act": 1}', '{"a":1,"a":1}', '{"seq":1.5}', '{"seq":NaN}', "[" * 5000, '{"act":"\\ud800"}'])
def test_a_body_that_is_none_is_named(packs: Packs, body: str) -> None:
    content = packs.rich.content
    entries(content)[1]["body"] = body
    found = packs.rich.faults(*signed(content, FORGER))
    assert any(" entry 2: body" in one for one in found), found


@pytest.mark.parametrize("act", ["dispose", "reassign", "amend"])
def test_what_needs_two_people_names_two(packs: Packs, act: str) -> None:
    content = packs.rich.content
    body = json.loads(entries(content)[-1]["body"])
    second = {"dispose": "witness"}.get(act, "proposed_by")
    for who, wrong in ((body["actor"], True), (None, True), (body["actor"] + 1, False)):
        facts = body["facts"] | ({} if who is None else {second: who}) | ({"field": "status"} if act == "amend" else {})
        entries(content)[-1]["body"] = canonical(body | {"act": act, "facts": facts}).decode()
        found = packs.rich.faults(*rewritten(content))
        assert bool(found) is wrong
        assert not wrong or f"{second}: this entry needs two different people" in found[0]
