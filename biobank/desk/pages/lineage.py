"""The lineage picture of a tube, from the draw to the last aliquot, and the same as table rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from biobank.core.codes import spaced
from biobank.core.work import Work
from biobank.desk import queries
from biobank.desk.pages import words
from biobank.desk.queries import TubeRow
from biobank.web import drawing, present
from biobank.web.language import _

if TYPE_CHECKING:
    from biobank.specimens.models import Processing


def picture(work: Work, here: TubeRow, tree: Sequence[TubeRow]) -> dict[str, Any]:
    """The drawing with what its template needs: `drawing`, `primary`, and `rows` for the table."""
    chains = [tube.chain_id for tube in tree]
    births = queries.births_of(work, chains)
    taken = queries.taken_by_entries(work, chains)
    at_first = queries.collected_amounts(work, [tube.id for tube in tree])
    processing = queries.processing_of(work, [tube.id for tube in tree])
    root = tree[0]
    nodes = {tube.id: _node(work, tube, here) for tube in tree}
    groups: dict[tuple[int, str], list[TubeRow]] = {}
    for tube in tree[1:]:
        step = str((births.get(tube.chain_id, {}).get("made_by") or {}).get("seq", tube.material))
        groups.setdefault((tube.parent_id or root.id, step), []).append(tube)
    by_id = {tube.id: tube for tube in tree}
    for (parent_id, step), tubes in groups.items():
        used = taken.get((by_id[parent_id].chain_id, int(step))) if step.isdigit() else None
        title, note = _batch_words(work, tubes, at_first, processing.get(tubes[0].id), used, by_id[parent_id].unit)
        nodes[parent_id].batches.append(drawing.Batch(title, note, [nodes[tube.id] for tube in tubes], used))
    collected = at_first.get(root.id)
    return {
        "drawing": drawing.lineage(nodes[root.id], collected),
        "primary": _primary(work, root, here, collected, len(tree)),
        "rows": [
            {
                "tube": tube, "material": words.material(work, tube.material), "kind": words.kind(tube), "first": at_first.get(tube.id),
                "from": by_id[tube.parent_id].code if tube.parent_id in by_id else None, "here": tube.id == here.id,
            }
            for tube in tree
        ],
    }


def _node(work: Work, tube: TubeRow, here: TubeRow) -> drawing.Tube:
    amount = present.quantity_text(tube.amount, tube.unit) if tube.amount is not None else "?"
    standing = words.standing(tube.standing)
    spoken = ", ".join([spaced(tube.code), words.material(work, tube.material), amount, standing, *([_("this tube")] if tube.id == here.id else [])])
    return drawing.Tube(tube.code, amount, tube.standing, spoken, f"/specimens/{tube.code}", tube.id == here.id)


def _batch_words(
    work: Work, tubes: Sequence[TubeRow], at_first: dict[int, int], how: Processing | None, used: int | None, parent_unit: str
) -> tuple[str, str]:
    first = tubes[0]
    sizes = {at_first.get(tube.id) for tube in tubes}
    each = present.quantity_text(next(iter(sizes)), first.unit) if len(sizes) == 1 and None not in sizes else ""
    if first.kind == "aliquot":
        return _("Aliquots"), f"{len(tubes)} × {each}" if each else f"{len(tubes)} ×"
    steps = [present.quantity_text(used, parent_unit) if used else ""]
    if how is not None:
        steps += [f"{how.g} g" if how.g else "", f"{how.minutes} min" if how.minutes else ""]
        steps.append(f"{present.number(how.temp_dc / 10)} °C" if how.temp_dc is not None else "")
    # The room left of a bar is some 27 letters wide.
    return _shortened(words.material(work, first.material)), _shortened(", ".join(filter(None, steps)), 30)


def _shortened(text: str, most: int = 27) -> str:
    return text if len(text) <= most else text[: most - 1].rstrip(" ,") + "…"


def _primary(work: Work, root: TubeRow, here: TubeRow, collected: int | None, tubes: int) -> dict[str, Any]:
    title = words.material(work, root.material)
    drawn = present.quantity_text(collected, root.unit) if collected else _("amount unknown")
    lines = [_shortened(title, 17), _("%(amount)s drawn", amount=drawn) if collected else drawn]
    if root.drawn_at:
        lines += [present.day(root.drawn_at), present.clock_time(root.drawn_at)]
    if root.amount is not None and collected:
        lines.append(_("%(amount)s left", amount=present.quantity_text(root.amount, root.unit)))
    elif root.status == "expected":
        lines[1] = _("not drawn yet")
    return {
        "code": root.code, "family": root.family if root.family in {"marrow", "blood", "csf"} else "none", "lines": lines, "here": root.id == here.id,
        "aria": ", ".join([spaced(root.code), title, drawn, *([_("this tube")] if root.id == here.id else [])]),
        "words": _(
            "Lineage: %(material)s %(code)s, %(drawn)s; %(n)s tubes come from it.", material=title, code=spaced(root.code), drawn=drawn, n=tubes - 1
        ),
    }
