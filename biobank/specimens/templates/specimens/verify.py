"""Checks an evidence pack: python3 verify.py [--key VKEY] [FOLDER]

Needs Python 3.8 or newer and nothing else; none of the code of the biobank that made the pack. README.txt says what each file is.
First the tables: what a pack looks like, and all that an entry can do to a tube. Then one function for each check.
Signatures and proofs are in seals.py beside this file.
"""
# ruff: noqa: T201, B905

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import sys
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from seals import exact64, read_key, read_note, root_above, roots_of  # type: ignore[import-not-found]

FORMAT = "biobank evidence 1"
GENESIS = "0" * 64
HASH, SALT = re.compile("[0-9a-f]{64}"), re.compile("[0-9a-f]{32}")
TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{6}Z")
ANY, NAME = object(), (str, None)

# Shapes: {"field": shape}, "field?" may be missing, "*" is every other name; [shape] a list, [a, b] a pair, (a, b) one of them.
PLACE = {"container": str, "row": int, "column": int}
HOLD = {"kind": str, "since": str}
PROMISE = {"for": str, "amount": int}
# Effects that set the field of the same name.
SETS = {
    "status?": str, "reason?": NAME, "custodian?": NAME, "responsible?": NAME, "released_on?": NAME, "certainty?": str, "residual?": bool,
    "unit?": str,
}
# Whose tube it is, when it turns out to be another's.
OWNER = {"participant?": str, "study?": str, "collection?": str}
# All that an entry can do to a tube; `fold` below does it.
EFFECT = {
    **SETS, **OWNER, "place?": (PLACE, None), "out?": bool, "seen?": bool, "thaws?": int, "lines?": [[str, int]], "open?": [HOLD], "close?": [str],
    "promise?": PROMISE, "stage?": {"for": str, "stage": str}, "free?": [str],
}
STANDING = {
    **{name.rstrip("?"): shape for name, shape in SETS.items()}, "remaining": int, "thaws": int, "place": (PLACE, None), "placed_at": (TIME, None),
    "is_out": bool, "last_seen_at": (TIME, None), "holds": [HOLD], "promises": [{**PROMISE, "stage": str}], "seq": int,
}
UNBORN: dict[str, Any] = {
    "status": "", "reason": None, "custodian": None, "responsible": None, "released_on": None, "certainty": "unknown", "residual": True,
    "unit": "nL", "remaining": 0, "thaws": 0, "place": None, "placed_at": None, "is_out": False, "last_seen_at": None, "holds": [], "promises": [],
}
# What a tube is: said by its first entry, corrected by later ones.
IDENTITY = {
    "participant": str, "study": str, "collection": str, "event": NAME, "kind": str, "material": str, "container_type": str, "purpose": str,
    "parents": [str],
}
TUBE = {
    "is": IDENTITY, "standing": STANDING, "lot": str, "lot_unit": str, "external_codes": [[str, str]], "earmarks": [str], "drawn_at": (TIME, None),
}
# Acts that need two people, and which fact names the second.
SECOND = {"dispose": "witness", "reassign": "proposed_by", "amend status": "proposed_by"}
CONTAINER = {"kind": str, "title": str, "rows": int, "columns": int, "parent": NAME, "temperature_class": NAME}
VERDICT = {"granted": bool, "purpose": str}
# What an entry says beside its hashed body, for searching: the same as the body.
COLUMNS = {"chain": str, "seq": int, "act": str, "actor": (int, None), "occurred_at": TIME, "recorded_at": TIME, "previous": HASH}
FACTS = {
    "effect?": EFFECT, "verdict?": {**VERDICT, "id": int, "*": ANY}, "made_by?": {"chain": str, "seq": int}, "count?": int, "field?": str,
    "sub_study?": str, "witness?": int, "proposed_by?": int, "external_code?": ([str, str], None), "*": ANY,
}
BODY = {**COLUMNS, "station": NAME, "organisation": NAME, "facts": FACTS, "notes?": {"*": HASH}}
ENTRY = {
    **COLUMNS, "body": str, "hash": HASH, "notes": {"*": {"salt": SALT, "text": str}}, "leaf": (int, None), "proof": [HASH],
    "postings": [{"account": str, "amount": int, "lot": str, "tube": NAME}],
}
PACK = {
    "format": str, "tube": str, "tubes": {"*": TUBE}, "containers": {"*": CONTAINER},
    "chains": {"*": {"last_seq": int, "last_hash": HASH, "entries": [ENTRY]}},
    "verdicts": {"*": {**VERDICT, "on": NAME, "reasons": ([{"*": ANY}], None), "rules_version": NAME}},
    "keys": [str], "checkpoints": [{"note": str, "proof": [HASH]}], "unsealed": [[str, int]], "withheld": [str],
}


class Fault(NamedTuple):
    """What is wrong: where (a chain or a file), the entry's seq or None, the field, and in words."""

    where: str
    seq: int | None
    field: str
    message: str

    def __str__(self) -> str:
        entry = "" if self.seq is None else f" entry {self.seq}"
        return f"{self.where}{entry}: {self.field}: {self.message}".encode("unicode_escape").decode()


def canonical(value: Any) -> str:
    """The one way to write a value as JSON. Values are compared as written, since to Python 1 == True."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def read_json(text: str) -> Any:
    """What canonical JSON says. Raises ValueError for any other, and for fractions."""
    try:
        value = json.loads(text, parse_float=int, parse_constant=int)
        if canonical(value) != text:
            raise ValueError("not in canonical form")
    except RecursionError:
        raise ValueError("nested too deeply") from None
    return value


def misfits(value: Any, shape: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """(path, what is wrong) for every part of a value that has not the shape."""
    if isinstance(shape, tuple):
        fits = any(not any(misfits(value, one)) for one in shape)
    elif isinstance(shape, re.Pattern):
        fits = isinstance(value, str) and shape.fullmatch(value) is not None
    elif isinstance(shape, (dict, list)):
        fits = type(value) is type(shape) and (isinstance(shape, dict) or len(shape) == 1 or len(shape) == len(value))
    else:
        fits = shape is ANY or value is shape or type(value) is shape
    if not fits:
        yield path, f"{value!r:.60} is not of the right kind"
    elif isinstance(shape, dict):
        known = {name.rstrip("?"): inner for name, inner in shape.items()}
        yield from ((f"{path}/{name}", "is missing") for name in shape if name not in value and name[-1] not in "?*")
        for name, inner in value.items():
            yield from misfits(inner, known.get(name, known.get("*", "no such field")), f"{path}/{name}")
    elif isinstance(shape, list):
        for number, inner in enumerate(value):
            yield from misfits(inner, shape[number % len(shape)], f"{path}/{number}")


def check_whole(pack: Any, evidence: bytes, signature: bytes, trusted: Sequence[str]) -> Iterator[Fault]:
    """The signature over the whole file covers also what no entry proves: when it was drawn, why a verdict was given."""
    try:
        lines, signers = read_note(signature.decode(), pack["keys"])
    except ValueError as error:
        yield Fault("evidence.sig", None, "signature", str(error))
        return
    right = [FORMAT, pack["tube"], "sha256 " + hashlib.sha256(evidence).hexdigest()]
    if lines != right or pack["format"] != FORMAT:
        yield Fault("evidence.sig", None, "sha256", f"it is signed for {lines}, evidence.json is {right}")
    if trusted and not set(trusted) & set(signers):
        yield Fault("evidence.sig", None, "key", f"it is signed by {signers}, not by the key you gave")


def check_chain(name: str, chain: Any, bodies: Sequence[Any]) -> Iterator[Fault]:
    """Hashes, links, columns and notes of one chain."""
    previous, before = GENESIS, ""
    for seq, (entry, body) in enumerate(zip(chain["entries"], bodies), start=1):
        found = hashlib.sha256(entry["body"].encode()).hexdigest()
        differ = [field for field in COLUMNS if canonical(entry[field]) != canonical(body[field])]
        notes = {title: hashlib.sha256(bytes.fromhex(note["salt"]) + note["text"].encode()).hexdigest() for title, note in entry["notes"].items()}
        wrong = [title for title, hashed in notes.items() if body.get("notes", {}).get(title) != hashed]
        yield from (Fault(name, seq, one, f"the column says {entry[one]!r}, the hashed body {body[one]!r}") for one in differ)
        yield from (Fault(name, seq, f"notes/{title}", "the text does not give the hash in the body") for title in wrong)
        if (entry["chain"], entry["seq"]) != (name, seq):
            yield Fault(name, seq, "seq", f"here stands entry {entry['seq']} of {entry['chain']}")
        if entry["hash"] != found:
            yield Fault(name, seq, "hash", "the body does not give this hash: body or hash was changed")
        if body["previous"] != previous:
            yield Fault(name, seq, "previous", "does not name the hash of the entry before")
        if body["recorded_at"] < before:
            yield Fault(name, seq, "recorded_at", "lies before that of the entry before")
        previous, before = found, body["recorded_at"]
    if (chain["last_seq"], chain["last_hash"]) != (len(bodies), previous):
        told = f"{chain['last_seq']} entries that end with {chain['last_hash']:.8}"
        yield Fault(name, None, "last_seq", f"the chain says {told}, here are {len(bodies)} that end with {previous:.8}")


def fold(bodies: Sequence[Any]) -> dict[str, Any]:
    """The standing that a tube's entries give, one after another."""
    now = dict(UNBORN)
    for body in bodies:
        effect, at = body["facts"].get("effect", {}), body["occurred_at"]
        now.update({name: value for name, value in effect.items() if name + "?" in SETS})
        now["place"], now["is_out"] = effect.get("place", now["place"]), effect.get("out", now["is_out"])
        now["placed_at"] = at if "place" in effect or "out" in effect else now["placed_at"]
        now["last_seen_at"] = max(at, now["last_seen_at"] or "") if effect.get("seen") else now["last_seen_at"]
        now["thaws"] += effect.get("thaws", 0)
        now["remaining"] += sum(amount for account, amount in effect.get("lines", ()) if account == "tube")
        kept = [hold for hold in now["holds"] if hold["kind"] not in effect.get("close", ())]
        now["holds"] = kept + [new for new in effect.get("open", ()) if new["kind"] not in {hold["kind"] for hold in kept}]
        promises = [promise for promise in now["promises"] if promise["for"] not in effect.get("free", ())]
        promises += [dict(effect["promise"], stage="reserved")] if "promise" in effect else []
        moved = effect.get("stage", {"for": None})
        now["promises"] = [dict(one, **moved) if one["for"] == moved["for"] else one for one in promises]
    return now


def check_tube(code: str, tube: Any, chain: Any, bodies: Sequence[Any]) -> Iterator[Fault]:
    """A tube's standing, amounts, and what it is: all of it follows from its entries."""
    name, first = f"specimen/{code}", bodies[0]["facts"]
    folded = dict(fold(bodies), seq=len(bodies))
    told: dict[str, Any] = {"drawn_at": tube["drawn_at"], **{field: first[field] for field in {*IDENTITY, "drawn_at"} if field in first}}
    marks: list[str] = []
    for seq, (entry, body) in enumerate(zip(chain["entries"], bodies), start=1):
        facts, lines = body["facts"], body["facts"].get("effect", {}).get("lines", [])
        posted = [{"account": one, "amount": n, "lot": tube["lot"], "tube": code if one == "tube" else None} for one, n in lines]
        if sum(amount for _, amount in lines) != 0:
            yield Fault(name, seq, "lines", f"{lines} do not sum to zero")
        if canonical(entry["postings"]) != canonical(posted):
            yield Fault(name, seq, "postings", f"the postings say {entry['postings']}, the entry {posted}")
        if body["act"] == "amend" and facts.get("field") in told:
            if canonical(facts.get("old")) != canonical(told[facts["field"]]):
                yield Fault(name, seq, "old", f"corrects {facts['field']} from {facts.get('old')!r}, but it was {told[facts['field']]!r}")
            told[facts["field"]] = facts.get("new")
        second = SECOND.get(body["act"]) or SECOND.get(f"{body['act']} {facts.get('field')}")
        if second and facts.get(second) in {None, body["actor"]}:
            yield Fault(name, seq, second, "this entry needs two different people")
        marks += [facts.get("sub_study", "")] if body["act"] == "earmark" else []
        marks = [mark for mark in marks if mark not in facts.get("earmarks_ended", ())]
        told.update({field: value for field, value in facts.get("effect", {}).items() if field + "?" in OWNER})
        if "collection" in facts.get("effect", {}):
            # The time is that of the other draw, which no entry of this tube tells.
            told.update(event=facts.get("now", {}).get("event"), drawn_at=tube["drawn_at"])
    given = {field: tube[field] for field in ("drawn_at", "lot_unit", "earmarks", "external_codes")}
    told.update(lot_unit=folded["unit"], earmarks=sorted(marks), external_codes=[first["external_code"]] if first.get("external_code") else [])
    for field, value in {**tube["standing"], **tube["is"], **given}.items():
        right = {**folded, **told}.get(field)
        if canonical(value) != canonical(right):
            yield Fault(name, len(bodies), field, f"the tube says {value!r}, its entries give {right!r}")


def check_parents(code: str, pack: Any, bodies: Any) -> Iterator[Fault]:
    """What a tube was made from: the parent's entry that it names is there and says so."""
    name, tube, birth = f"specimen/{code}", pack["tubes"][code], bodies[f"specimen/{code}"][0]["facts"]
    is_aliquot, made_by = tube["is"]["kind"] == "aliquot", birth.get("made_by", {"chain": None, "seq": None})
    if (made_by["chain"] is None) != (tube["is"]["parents"] == []) or (tube["lot"] == code) == is_aliquot:
        yield Fault(name, 1, "parents", f"a tube of lot {tube['lot']}, made by {made_by['chain']}, cannot have the parents {tube['is']['parents']}")
    for parent in tube["is"]["parents"]:
        chain = f"specimen/{parent}"
        if made_by["chain"] != chain or not {chain} & {*pack["chains"], *pack["withheld"]}:
            yield Fault(name, 1, "parents", f"{parent!r} is named as parent, and {made_by['chain']} as what it was made from")
            continue
        if parent not in pack["tubes"]:
            continue
        maker: Any = next((body for body in bodies[chain] if body["seq"] == made_by["seq"]), {"act": None})
        if maker["act"] != ("aliquot" if is_aliquot else "derive"):
            yield Fault(name, 1, "made_by", f"entry {made_by['seq']} of {parent} made no such tube")
            continue
        given, taken = ([n for one, n in facts.get("effect", {}).get("lines", ()) if one == "aliquoted"] for facts in (maker["facts"], birth))
        if given != [-amount * maker["facts"].get("count", 0) for amount in taken]:
            yield Fault(name, 1, "lines", f"takes {taken}, which is no even share of the {given} that entry {made_by['seq']} of {parent} gave")
        same = ("participant", "study", "collection") + (("lot",) if is_aliquot else ())
        mine, theirs = (dict(one["is"], lot=one["lot"]) for one in (tube, pack["tubes"][parent]))
        yield from (Fault(name, 1, one, f"it says {mine[one]!r}, its parent {theirs[one]!r}") for one in same if mine[one] != theirs[one])


def check_beside(pack: Any, bodies: Any) -> Iterator[Fault]:
    """The containers that entries name are there and are what the entries say; so are the verdicts, unless they were erased."""
    asked: set[str] = set()
    named = {(f"container/{code}", 1, one["parent"]) for code, one in pack["containers"].items()}
    for code, container in pack["containers"].items():
        told = {field: value for body in bodies[f"container/{code}"] for field, value in body["facts"].items()}
        wrong = [field for field in container if canonical(container[field]) != canonical(told.get(field))]
        yield from (Fault(f"container/{code}", 1, one, f"it says {container[one]!r}, its entries {told.get(one)!r}") for one in wrong)
    for name, body in ((name, body) for name, chain in bodies.items() for body in chain):
        verdict, place = body["facts"].get("verdict"), body["facts"].get("effect", {}).get("place")
        named |= {(name, body["seq"], place["container"])} if place else set()
        kept: Any = pack["verdicts"].get(str(verdict["id"])) if verdict else None
        asked |= {str(verdict["id"])} if verdict else set()
        wrong = [field for field in VERDICT if kept and kept[field] != verdict[field]]
        yield from (Fault(name, body["seq"], f"verdict/{one}", f"the verdict says {kept[one]}, the entry {verdict[one]}") for one in wrong)
    for one in sorted({*pack["verdicts"]} - asked):
        yield Fault("evidence.json", None, f"verdicts/{one}", "no entry names this verdict")
    for name, seq, code in sorted(named, key=str):
        if code is not None and f"container/{code}" not in {*pack["chains"], *pack["withheld"]}:
            yield Fault(name, seq, "container", f"{code!r} is neither in the pack nor withheld")


def check_checkpoints(pack: Any) -> tuple[int, bytes]:
    """Size and root of the newest checkpoint. Raises ValueError unless all are signed, and each grew from the one before."""
    size, root = 0, b""
    for checkpoint in pack["checkpoints"]:
        was, was_root = size, root
        lines, signers = read_note(checkpoint["note"], pack["keys"])
        origin, told, coded = lines if len(lines) == 3 else ("", "", "")
        size, root = int(told), exact64(coded)
        if str(size) != told or any(not signer.startswith(origin + "+") for signer in signers):
            raise ValueError("it is not a checkpoint of this log")
        if was and roots_of(was, size, [bytes.fromhex(one) for one in checkpoint["proof"]], was_root) != (was_root, root):
            raise ValueError(f"the tree of size {size} does not begin with that of size {was}")
    return size, root


def check_seals(pack: Any) -> Iterator[Fault]:
    """Every entry is in the tree of the newest checkpoint, in the order of its chain, or is told as not sealed yet."""
    try:
        size, root = check_checkpoints(pack)
    except ValueError as error:
        yield Fault("checkpoint", None, "note", str(error))
        return
    unsealed = []
    for name, chain in sorted(pack["chains"].items()):
        last = -1
        for entry in chain["entries"]:
            index = size if entry["leaf"] is None else entry["leaf"]
            try:
                leaf = hashlib.sha256(b"\0" + entry["body"].encode()).digest()
                sealed = last < index and root_above(leaf, index, size, [bytes.fromhex(one) for one in entry["proof"]]) == root
            except ValueError:
                sealed = False
            if entry["leaf"] is None:
                unsealed.append([name, entry["seq"]])
            elif not sealed:
                yield Fault(name, entry["seq"], "leaf", f"this entry is not leaf {index} of the tree of size {size}")
            last = index
    if pack["unsealed"] != unsealed:
        yield Fault("evidence.json", None, "unsealed", f"it names {pack['unsealed']}, without a leaf are {unsealed}")


def read_bodies(pack: Any) -> tuple[dict[str, list[Any]], list[Fault]]:
    """The bodies of all entries by chain; and what cannot be read, is missing or does not belong."""
    bodies: dict[str, list[Any]] = {name: [] for name in pack["chains"]}
    faults = []
    for name, entry in ((name, entry) for name, chain in pack["chains"].items() for entry in chain["entries"]):
        try:
            body = read_json(entry["body"])
            wrong = list(misfits(body, BODY))
        except ValueError as error:
            body, wrong = None, [("", str(error))]
        bodies[name].append(body)
        faults += [Fault(name, len(bodies[name]), "body" + path, why) for path, why in wrong]
    wanted = {f"specimen/{code}" for code in (*pack["tubes"], pack["tube"])} | {f"container/{code}" for code in pack["containers"]}
    faults += [Fault(name, None, "chain", "has no entries here") for name in sorted(wanted) if not bodies.get(name)]
    faults += [Fault(name, None, "chain", "belongs to no tube and no container here") for name in sorted({*bodies} - wanted)]
    return bodies, faults


def check(evidence: bytes, signature: bytes, trusted: Sequence[str] = ()) -> tuple[Any, list[Fault]]:
    """The pack, and everything wrong with it. `trusted` are keys that the biobank has published (none: those in the pack are taken)."""
    try:
        pack = read_json(evidence.decode())
    except ValueError as error:
        return None, [Fault("evidence.json", None, "json", str(error))]
    faults = [Fault("evidence.json", None, path, why) for path, why in misfits(pack, PACK)]
    if faults:
        return pack, faults
    bodies, faults = read_bodies(pack)
    if not faults:
        for name, chain in pack["chains"].items():
            faults += check_chain(name, chain, bodies[name])
        family = [pack["tube"]]
        for code in family:
            family += [one for one in pack["tubes"].get(code, {"is": {"parents": []}})["is"]["parents"] if one not in family]
        for code, tube in pack["tubes"].items():
            faults += [] if code in family else [Fault(f"specimen/{code}", None, "parents", f"{pack['tube']} was not made from this tube")]
            faults += check_tube(code, tube, pack["chains"][f"specimen/{code}"], bodies[f"specimen/{code}"])
            faults += check_parents(code, pack, bodies)
        faults += check_beside(pack, bodies)
        faults += check_seals(pack)
    return pack, faults + list(check_whole(pack, evidence, signature, trusted))


def tell(pack: Any, trusted: Sequence[str]) -> None:
    """What a clean pack proves, and what the reader still has to compare."""
    print(f"OK\ntube {pack['tube']}: {sum(len(chain['entries']) for chain in pack['chains'].values())} entries of {len(pack['chains'])} chains")
    for name, seq in pack["unsealed"]:
        print(f"not sealed yet, covered by the signature over the file alone: {name} entry {seq}")
    for name in pack["withheld"]:
        print(f"withheld from whoever asked for this pack: {name}")
    for key in pack["keys"]:
        print(f"key {key}\n  SHA-256 of the public key {hashlib.sha256(read_key(key)[2]).hexdigest()}")
    if not trusted:
        print("Compare the last key with the one that the biobank has published, or give that with --key.")


def main() -> int:
    """0 and OK, or 1 and every fault found."""
    parser = argparse.ArgumentParser(description="Checks an evidence pack.")
    parser.add_argument("--key", action="append", default=[], metavar="VKEY", help="a key that the biobank has published; may be repeated")
    parser.add_argument("folder", nargs="?", default=os.path.dirname(os.path.abspath(__file__)), help="the unpacked pack (default: beside verify.py)")
    given = parser.parse_args()
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    try:
        files = []
        for name in ("evidence.json", "evidence.sig"):
            with open(os.path.join(given.folder, name), "rb") as file:
                files.append(file.read())
        for key in given.key:
            read_key(key)
    except (OSError, ValueError) as error:
        print(f"FAULT\ncannot be read: {error}", file=sys.stderr)
        return 1
    pack, faults = check(files[0], files[1], given.key)
    if faults:
        print("FAULT\n" + "\n".join(map(str, faults)), file=sys.stderr)
        return 1
    tell(pack, given.key)
    return 0


if __name__ == "__main__":
    sys.exit(main())
