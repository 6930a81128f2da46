"""Reads: label files, and what is to stand on tubes' labels."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from sqlalchemy import bindparam, select

from biobank.core.codes import spaced
from biobank.core.db import AnyRow
from biobank.core.units import Quantity
from biobank.core.vocabulary import terms
from biobank.core.work import Work
from biobank.custody.models import Standing
from biobank.labels.models import PrintJob
from biobank.labels.rules import Design, DesignUnknown, parse_design, parse_stock
from biobank.settings import shipped
from biobank.specimens.models import Collection, ExternalCode, Specimen
from biobank.subjects.models import Participant

_TUBES = (
    select(
        Specimen.id, Specimen.code, Specimen.material, Specimen.container_type, Specimen.ordinal, Specimen.siblings,
        Collection.event, Collection.drawn_at, Collection.planned_on, Participant.code.label("participant"),
        Standing.study, Standing.status, Standing.custodian, Standing.responsible, Standing.unit, Standing.remaining, Standing.certainty,
    )
    .join(Collection, Collection.id == Specimen.collection_id)
    .join(Standing, Standing.specimen_id == Specimen.id)
    .join(Participant, Participant.id == Standing.participant_id)
    .where(Specimen.code.in_(bindparam("codes", expanding=True)))
)
_EXTERNAL = (
    select(ExternalCode.specimen_id, ExternalCode.code)
    .where(ExternalCode.specimen_id.in_(bindparam("ids", expanding=True)))
    .order_by(ExternalCode.issuer.desc(), ExternalCode.code.desc())
)


@dataclass(frozen=True, slots=True)
class Tube:
    """A tube as its label needs it: who answers for it, and the fields that are known."""

    specimen_id: int
    code: str
    status: str
    study: str
    organisations: tuple[str, ...]
    fields: dict[str, str | None]


def load_designs(folder: Path) -> dict[str, Design]:
    """All designs of a folder by code, with the stocks of its `stocks` folder. Raises DesignWrong, which names file, key and reason."""
    files = sorted((folder / "stocks").glob("*.toml"))
    stocks = {path.stem: parse_stock(path.stem, f"stocks/{path.name}", path.read_text("utf-8")) for path in files}
    return {
        path.stem: parse_design(path.stem, path.name, path.read_text("utf-8"), stocks)
        for path in sorted(folder.glob("*.toml"))
    }


@cache
def designs() -> dict[str, Design]:
    """The designs in `labels/`, read once."""
    return load_designs(shipped("labels"))


def design(code: str) -> Design:
    """One design. Raises DesignUnknown, which names those there are."""
    found = designs().get(code)
    if found is None:
        raise DesignUnknown(design=code, known=", ".join(designs()))
    return found


def tubes(work: Work, codes: Iterable[str]) -> dict[str, Tube]:
    """What stands on the labels of tubes, by code; a fixed number of queries however many. Unknown codes are left out."""
    rows: list[Any] = list(work.session.execute(_TUBES, {"codes": sorted(set(codes))}))
    foreign = {row.specimen_id: row.code for row in work.session.execute(_EXTERNAL, {"ids": sorted(row.id for row in rows)})}
    return {row.code: _tube(work, row, foreign.get(row.id)) for row in rows}


def print_job(work: Work, code: str) -> PrintJob | None:
    """The print job with this code."""
    return work.session.execute(select(PrintJob).where(PrintJob.code == code)).scalar_one_or_none()


def _tube(work: Work, row: AnyRow, external_code: str | None) -> Tube:
    material = terms(work, "material").get(row.material)
    container = terms(work, "container_type").get(row.container_type)
    drawn_on = row.drawn_at.astimezone(work.zone).date() if row.drawn_at else row.planned_on
    fields: dict[str, str | None] = {
        "code": row.code,
        "code_text": spaced(row.code),
        "code_tail": row.code[4:],
        "material": material.title if material else row.material,
        "material_short": str(material.facts.get("short") or row.material) if material else row.material,
        "participant": row.participant,
        "study": row.study,
        "event": row.event,
        "drawn_on": drawn_on.isoformat() if drawn_on else None,
        "amount": str(Quantity(row.remaining, row.unit)) if row.remaining and row.certainty != "unknown" else None,
        "ordinal": f"{row.ordinal}/{row.siblings}",
        "container_type": container.title if container else row.container_type,
        "external_code": external_code,
    }
    organisations: Sequence[str | None] = (row.custodian, row.responsible)
    return Tube(row.id, row.code, row.status, row.study, tuple(each for each in organisations if each), fields)
