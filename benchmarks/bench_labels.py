"""Labels per second: ours, laid out, drawn and read back, against the bare library drawing the same ink.

Prints the median of interleaved rounds for each output, and the ratio ours / bare reportlab (goal: at least 0.5).
Run: python benchmarks/bench_labels.py [--labels N] [--rounds N] [--json FILE]
"""

from __future__ import annotations

import argparse
import io
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from random import Random

from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.pdfgen.canvas import Canvas

from biobank.core.codes import draw_code, spaced
from biobank.labels import queries, service
from biobank.labels.rules import Layout, lay_out
from biobank.labels.rules.lettering import FONTS, font_file

DPI = 300


def fields(count: int) -> list[dict[str, str | None]]:
    """Labels of different tubes."""
    random = Random(1)
    made: list[dict[str, str | None]] = []
    for number in range(count):
        code = draw_code("SB", random)
        text: dict[str, str | None] = {"code": code, "code_text": spaced(code), "code_tail": code[4:], "material_short": "MNC_VIABLE"}
        made.append(text | {"event": "D15", "drawn_on": "2026-11-20", "amount": "250 µL", "ordinal": f"{number % 8 + 1}/8"})
    return made


def bare(layouts: list[Layout]) -> bytes:
    """The same ink by reportlab's own calls: one rectangle per run of modules, one string per text; nothing laid out, nothing read back."""
    out = io.BytesIO()
    first = layouts[0]
    point = 72 / first.dpi
    height = first.height * point
    canvas = Canvas(out, pagesize=(first.width * point, height), pageCompression=1)
    for layout in layouts:
        for symbol in layout.symbols:
            path = canvas.beginPath()
            for box in symbol.ink:
                path.rect(box.x * point, height - (box.y + box.height) * point, box.width * point, box.height * point)
            canvas.drawPath(path, stroke=0, fill=1)
        for words in layout.words:
            canvas.setFont(FONTS[words.bold], words.size * point)
            canvas.drawString(words.x * point, height - words.baseline * point, words.text)
        canvas.showPage()
    canvas.save()
    return out.getvalue()


def jobs(count: int) -> dict[str, Callable[[], object]]:
    """What is measured, by name."""
    design = queries.design("cryovial")
    labels = fields(count)
    layouts = [lay_out(design, {name: value for name, value in each.items() if value}, DPI) for each in labels]
    for bold, name in FONTS.items():
        pdfmetrics.registerFont(TTFont(name, str(font_file(bold))))
    return {
        "bare reportlab": lambda: bare(layouts),
        "pdf": lambda: service.render(design, labels, "pdf", DPI),
        "pdf sheet": lambda: service.render_sheets(design, labels, 1, DPI),
        "svg": lambda: [service.render(design, [each], "svg", DPI) for each in labels],
        "png": lambda: [service.render(design, [each], "png", DPI) for each in labels],
    }


def main() -> None:
    """Measure, print a table and write JSON where asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--labels", type=int, default=96)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    measured: dict[str, list[float]] = {}
    work = jobs(given.labels)
    for job in work.values():
        job()
    for _ in range(given.rounds):
        for name, job in work.items():
            begun = time.process_time()
            job()
            measured.setdefault(name, []).append(given.labels / (time.process_time() - begun))
    medians = {name: statistics.median(rates) for name, rates in measured.items()}
    ratios = {name: statistics.median(r / b for r, b in zip(rates, measured["bare reportlab"], strict=True)) for name, rates in measured.items()}
    print(f"{'output':<16}{'labels/s':>10}{'ratio to bare':>16}   ({given.labels} labels, {given.rounds} rounds, read back included except bare)")
    for name, rate in medians.items():
        print(f"{name:<16}{rate:>10.0f}{ratios[name]:>16.2f}")
    if given.json:
        given.json.write_text(json.dumps({"labels_per_second": medians, "ratio": ratios}, indent=1), "utf-8")


if __name__ == "__main__":
    main()
