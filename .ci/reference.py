"""Writes docs/reference.md from the tables in the code; with --check fails when the file is behind."""

import argparse
import io
import os
import re
import sys
import tempfile
from contextlib import redirect_stdout
from pathlib import Path

from biobank.app import create_app
from biobank.cli.commands import parser
from biobank.core.errors import Conflict, Malformed, Refusal, RuleBroken
from biobank.custody.rules import ACTS
from biobank.identity.rules import PERMISSIONS
from biobank.settings import load_settings, shipped

# argparse folds its help at the width of the terminal.
os.environ["COLUMNS"] = "100"
TARGET = Path("docs/reference.md")
BASES = {Refusal, Conflict, Malformed, RuleBroken}


def refusals(kind: type[Refusal]) -> list[type[Refusal]]:
    """Every refusal below a class."""
    below = [one for child in kind.__subclasses__() for one in refusals(child)]
    return below if kind in BASES else [kind, *below]


def acts() -> str:
    """The act table."""
    rows = ["| act | class | permission | from | to | facts | asks |", "|---|---|---|---|---|---|---|"]
    for act in ACTS.values():
        facts = ", ".join([*(f"**{name}**" for name in act.needs), *act.takes])
        cells = (act.name, act.kind, act.permission, ", ".join(sorted(act.from_)) or "–", act.to or "–", facts or "–", act.asks or "–")
        rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows)


def problems() -> str:
    """Every problem type."""
    found = sorted({(one.slug(), one.status, " ".join(one.message.split())) for one in refusals(Refusal)})
    return "\n".join(["| type | status | says |", "|---|---|---|", *(f"| `/problems/{slug}` | {status} | {says} |" for slug, status, says in found)])


def permissions() -> str:
    """Who may do what."""
    return "\n".join(["| permission | roles |", "|---|---|", *(f"| {name} | {', '.join(sorted(roles))} |" for name, roles in PERMISSIONS.items())])


def settings() -> str:
    """Every setting with its comment."""
    rows, comment = ["| setting | default | meaning |", "|---|---|---|"], ""
    for line in (shipped("config") / "default.toml").read_text(encoding="utf-8").splitlines()[1:]:
        if line.startswith("#"):
            comment = (comment + " " + line.lstrip("# ")).strip()
        elif match := re.match(r"(\w+) = (.*)", line):
            rows.append(f"| {match[1]} | `{match[2]}` | {comment} |")
            comment = ""
    return "\n".join(rows)


def commands() -> str:
    """The command line's own help."""
    text = io.StringIO()
    with redirect_stdout(text):
        parser().print_help()
    return "```\n" + text.getvalue().strip() + "\n```"


def main() -> int:
    """Write or check."""
    given = argparse.ArgumentParser()
    given.add_argument("--check", action="store_true")
    check = given.parse_args().check
    with tempfile.TemporaryDirectory() as folder:
        # Building the application imports every capability, and with it every refusal.
        create_app(load_settings(Path(folder)))
    parts = {"Acts": acts(), "Problems": problems(), "Permissions": permissions(), "Settings": settings(), "Commands": commands()}
    text = "# Reference\n\nWritten from the code by `python .ci/reference.py`.\n"
    text += "".join(f"\n## {title}\n\n{body}\n" for title, body in parts.items())
    if check:
        return 0 if TARGET.read_text(encoding="utf-8") == text else 1
    TARGET.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
