"""What stands on the labels of these tests."""

from __future__ import annotations

from random import Random

from biobank.core.codes import draw_code, spaced

LABEL: dict[str, str | None] = {
    "code": "SB4DR120",
    "code_text": "SB4D R120",
    "code_tail": "R120",
    "material": "Mononuclear cells, viable",
    "material_short": "MNC_VIABLE",
    "participant": "XK49F4K6",
    "study": "alltogether1",
    "event": "D15",
    "drawn_on": "2026-11-20",
    "amount": "250 µL",
    "ordinal": "2/4",
    "container_type": "cryovial",
    "external_code": "FX05653780",
    "note": None,
}


def label(code: str, **more: str | None) -> dict[str, str | None]:
    """A label of another tube."""
    return LABEL | {"code": code, "code_text": spaced(code), "code_tail": code[4:]} | more


def labels(count: int, seed: int = 1) -> list[dict[str, str | None]]:
    """Labels of as many tubes."""
    random = Random(seed)
    return [label(draw_code("SB", random)) for _ in range(count)]
