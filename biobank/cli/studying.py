"""Study files."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from biobank.cli.support import opened
from biobank.settings import Settings, shipped
from biobank.studies import queries
from biobank.studies.service import check_files, load_studies


def add(commands: Any) -> None:
    """`studies load|check|list`."""
    studies = commands.add_parser("studies", help="load, check or list study definitions")
    studies.add_argument("what", choices=["load", "check", "list"])
    studies.add_argument("files", nargs="*", type=Path, metavar="FILE")
    studies.set_defaults(run=run_studies)


def run_studies(given: argparse.Namespace, settings: Settings) -> int:
    """Load all files or none; check needs no database."""
    shipped_files = sorted((shipped("config") / "studies").glob("*.toml"))
    if given.what == "check":
        for study in check_files(given.files or shipped_files, shipped("config") / "vocabularies"):
            print(f"{study.code} version {study.version}: right")
        return 0
    if given.what == "load":
        with opened(settings) as units, units.write() as work:
            report = load_studies(work, given.files or shipped_files)
        for loaded in report.files:
            print(f"{loaded.study} version {loaded.version}: {loaded.outcome}")
        return 0
    with opened(settings) as units, units.read() as work:
        for study in queries.studies(work):
            print(f"{study.code}\t{study.version}\t{study.opens_on or ''}\t{study.closes_on or ''}\t{study.title}")
    return 0
