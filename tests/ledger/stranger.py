"""A stranger's check of the ledger: reads the text of a database dump, knows nothing but the standard library, and redoes every hash.

Usage: python3 stranger.py DUMP (of SQLite's `.dump`, or of pg_dump with COPY or --inserts). Says the heads, the roots and the faults; 1 if any.
"""
import base64
import hashlib
import json
import re
import sys

START = re.compile(r'^(?:INSERT INTO "?(?:public\.)?(\w+)"? VALUES ?\(|COPY (?:public\.)?(\w+) \(([^)]*)\) FROM stdin;\n)', re.M)
VALUE = re.compile(r"(?:[Xx]'([0-9a-fA-F]*)'|'((?:[^']|'')*)'|([^,')]+))(,\s*|\))")
COLUMNS = {"chain": "id kind ref last_seq last_hash", "entry": "chain_id seq body previous hash act actor_id",
           "leaf": "leaf_index chain_id seq", "checkpoint": "size root note"}
ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", "v": "\v", "\\": "\\"}

def rows(dump):
    """Every row of the dump: its table, and its values by column."""
    at = 0
    while start := START.search(dump, at):
        at = start.end()
        if start[1]:
            values, end = [], ","
            while end != ")":
                one = VALUE.match(dump, at)
                blob, text, bare, end = one[1], one[2], one[3], one[4].strip()
                values.append(bytes.fromhex(blob) if blob is not None else text.replace("''", "'") if text is not None else bare)
                at = one.end()
            yield start[1], dict(zip(COLUMNS.get(start[1], "").split(), values, strict=False))
            continue
        while (line := dump[at : (end := dump.index("\n", at))]) != "\\.":
            at = end + 1
            told = [re.sub(r"\\(.)", lambda m: ESCAPES.get(m[1], m[1]), value) if value != "\\N" else "NULL" for value in line.split("\t")]
            yield start[2], dict(zip(start[3].replace('"', "").split(", "), told, strict=True))

def blob(value):
    return value if isinstance(value, bytes) else bytes.fromhex(value.removeprefix("\\x"))

def redo(dump):
    """Heads of the chains, roots at the checkpoints, and what is wrong."""
    tables, heads, faults, bodies = {name: [] for name in COLUMNS}, {}, [], {}
    for table, row in rows(dump):
        tables.get(table, []).append(row)
    names = {row["id"]: f"{row['kind']}/{row['ref']}" for row in tables["chain"]}
    for row in sorted(tables["entry"], key=lambda one: (int(one["chain_id"]), int(one["seq"]))):
        name, seq, body = names.get(row["chain_id"], "?"), int(row["seq"]), blob(row["body"])
        was, digest = heads.get(name, (0, "0" * 64)), hashlib.sha256(body).hexdigest()
        heads[name], bodies[row["chain_id"], row["seq"]] = (seq, digest), body
        told = json.loads(body) if body[:1] == b"{" and body[-1:] == b"}" and digest == row["hash"] else {}
        said = {"chain": name, "seq": was[0] + 1, "previous": was[1], "act": row["act"], "actor": json.loads(row["actor_id"].lower())}
        if digest != row["hash"] or row["previous"] != was[1] or seq != was[0] + 1 or any(told.get(key) != value for key, value in said.items()):
            faults.append(f"{name} entry {seq}")
        elif json.dumps(told, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode() != body:
            faults.append(f"{name} entry {seq}: not canonical")
    for row in tables["chain"]:
        if heads.get(names[row["id"]], (0, "0" * 64)) != (int(row["last_seq"]), row["last_hash"]):
            faults.append(f"{names[row['id']]}: head")
    leaves = sorted(tables["leaf"], key=lambda one: int(one["leaf_index"]))
    wanted = {int(row["size"]): row for row in tables["checkpoint"]}
    stack, roots = [], {}
    for size, leaf in enumerate(leaves, start=1):
        if int(leaf["leaf_index"]) != size - 1 or (leaf["chain_id"], leaf["seq"]) not in bodies:
            faults.append(f"leaf {size - 1}")
        stack.append((1, hashlib.sha256(b"\0" + bodies.get((leaf["chain_id"], leaf["seq"]), b"")).digest()))
        while len(stack) > 1 and stack[-2][0] == stack[-1][0]:
            (width, right), (_, left) = stack.pop(), stack.pop()
            stack.append((2 * width, hashlib.sha256(b"\1" + left + right).digest()))
        if size in wanted:
            for _, left in reversed(stack):
                roots[size] = hashlib.sha256(b"\1" + left + roots[size]).digest() if size in roots else left
    for size, row in wanted.items():
        if roots.get(size) != blob(row["root"]) or row["note"].split("\n")[1:3] != [str(size), base64.b64encode(roots[size]).decode()]:
            faults.append(f"checkpoint {size}")
    return {"heads": heads, "roots": {size: root.hex() for size, root in roots.items()}, "faults": faults}

if __name__ == "__main__":
    with open(sys.argv[1], encoding="utf-8", newline="") as dump:
        found = redo(dump.read())
    print(json.dumps(found, indent=1))
    sys.exit(1 if found["faults"] else 0)
