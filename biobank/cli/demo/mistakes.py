"""What went wrong and waits to be put right: two marrows of one round carry each other's labels."""

from __future__ import annotations

from biobank.cli.demo.cast import STUDY
from biobank.cli.demo.diary import Diary
from biobank.cli.demo.lab import Lab
from biobank.corrections.service import propose_swap
from biobank.specimens import queries as specimens

MANY = 10_000


def mistakes(diary: Diary) -> None:
    """Seen yesterday; nobody has confirmed it yet."""
    diary.on(diary.ago(1), "17:30", mixed_up)


def mixed_up(lab: Lab) -> None:
    """The second manager proposes a swap. With a single child there is nobody to be mixed up with."""
    with lab.as_("deputy") as work:
        asked = specimens.conditions({"study": STUDY, "material": "BM", "event": "DX", "status": "in_custody"})
        by_child = {row.participant: row.code for row in reversed(specimens.page_of(work, asked, None, MANY)) if row.kind == "primary"}
        if len(by_child) > 1:
            one, other = list(by_child.values())[:2]
            propose_swap(work, one, other, "Both came with the same round; the ward's list has them the other way round")
