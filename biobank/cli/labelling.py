"""Labels from the command line."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from biobank.cli.support import as_system, opened
from biobank.labels import service as labels
from biobank.settings import Settings


def add(commands: Any) -> None:
    """`labels list|render`."""
    top = commands.add_parser("labels", help="list label designs, or render a tube's label").add_subparsers(dest="what", required=True)
    top.add_parser("list", help="the designs").set_defaults(run=run_list)
    render = top.add_parser("render", help="a tube's label as a file")
    render.add_argument("code")
    render.add_argument("-o", "--output", type=Path, required=True, help="file; its ending says the format (pdf, png, svg)")
    render.add_argument("--design", default="cryovial")
    render.add_argument("--dpi", type=int, default=300)
    render.set_defaults(run=run_render)


def run_list(given: argparse.Namespace, settings: Settings) -> int:
    """One line per design."""
    with opened(settings) as units, units.read() as work:
        work.actor = as_system(work)
        known = labels.designs(work)
    for design in known:
        print(f"{design.code}\t{design.title}")
    return 0


def run_render(given: argparse.Namespace, settings: Settings) -> int:
    """Write the file; every symbol has been decoded first."""
    with opened(settings) as units, units.read() as work:
        work.actor = as_system(work)
        made = labels.render_for_specimen(work, given.code, given.design, given.output.suffix.lstrip("."), given.dpi)
    given.output.write_bytes(made)
    print(f"{given.output}: {len(made)} bytes", file=sys.stderr)
    return 0
