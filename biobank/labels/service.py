"""Use cases: labels drawn for a look or a single print, and sheets that are printed. Nothing leaves that was not read back."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from PIL import Image

from biobank.core.codes import CodeUnknown, bind_codes, new_codes, parse_code, spaced
from biobank.core.errors import Fault, FieldsWrong, fault
from biobank.core.work import Work
from biobank.custody import service as custody
from biobank.identity import service as identity
from biobank.labels import queries
from biobank.labels.models import PrintJob
from biobank.labels.printers import pdf, png, svg
from biobank.labels.printers.proof import prove
from biobank.labels.queries import Tube
from biobank.labels.rules import Design, DesignForAnother, LabelForCancelled, Layout, SheetUnknown, check_fields, lay_out

FORMATS = ("pdf", "png", "svg")
DEFAULT_DESIGN = "cryovial"
DEFAULT_DPI = 300
# Ten sheets of the smallest labels; more is a slip, and would keep other writers waiting.
MOST_LABELS = 1000


@dataclass(frozen=True, slots=True)
class Proven:
    """A label that was read back: its layout, and the very dots that were read."""

    layout: Layout
    painted: Image.Image


def proven(design: Design, fields: Mapping[str, str | None], dpi: int) -> Proven:
    """One label, laid out and read back.

    Raises FieldsWrong for a resolution the design is not made for, LabelUnreadable, and what `lay_out` raises.
    """
    if dpi not in design.resolutions:
        raise fault("/dpi", f"the design “{design.code}” is made for {', '.join(map(str, design.resolutions))} dpi", dpi)
    layout = lay_out(design, check_fields(fields), dpi)
    return Proven(layout, prove(layout))


def render(design: Design, labels: Sequence[Mapping[str, str | None]], form: str, dpi: int = DEFAULT_DPI) -> bytes:
    """Labels as `pdf` (one page each), or one label as `png` or `svg`. Every symbol has been read back; raises as `proven` does."""
    if form not in FORMATS:
        raise fault("/format", f"use one of {', '.join(FORMATS)}", form)
    if form != "pdf" and len(labels) != 1:
        raise fault("/format", "several labels at once come as pdf", form)
    made = [proven(design, fields, dpi) for fields in labels]
    if form == "pdf":
        return pdf.draw([each.layout for each in made], design.title)
    return png.draw(made[0].painted, dpi) if form == "png" else svg.draw(made[0].layout)


def render_sheets(design: Design, labels: Sequence[Mapping[str, str | None]], start: int = 1, dpi: int = DEFAULT_DPI) -> bytes:
    """Labels on the sheets of the design's stock, beginning at place `start`; one per page where the stock has no sheets."""
    layouts = [proven(design, fields, dpi).layout for fields in labels]
    return pdf.draw(layouts, design.title, design.stock.sheet, start)


@dataclass(frozen=True, slots=True)
class PrintedSheet:
    """A print job that was written: its code, and how many labels it has."""

    code: str
    labels: int


def designs(work: Work) -> list[Design]:
    """The designs there are, by code."""
    identity.require(work, "read-labels")
    return list(queries.designs().values())


def render_for_specimen(
    work: Work, scanned: str, design_code: str = DEFAULT_DESIGN, form: str = "pdf", dpi: int = DEFAULT_DPI, note: str | None = None
) -> bytes:
    """One tube's label for a look; nothing is written, so it does not count as printed.

    Raises CodeMistyped, CodeUnknown, DesignUnknown, DesignForAnother, LabelForCancelled, and what `render` raises.
    """
    design = queries.design(design_code)
    (tube,) = _printable(work, [parse_code(scanned)], design, "read-labels")
    return render(design, [tube.fields | {"note": note}], form, dpi)


def print_sheet(work: Work, scanned: Sequence[str], design_code: str = DEFAULT_DESIGN, start: int = 1) -> PrintedSheet:
    """Sheets of labels for tubes, in the order given, from place `start` of the first sheet. Writes a `label` entry for each tube.

    All or none. Raises as `render_for_specimen`, FieldsWrong for a tube named twice or a place the sheet lacks, and the refusals of custody.
    """
    design = queries.design(design_code)
    _check_start(design, start)
    codes = [parse_code(each) for each in scanned]
    twice = [Fault(f"/specimens/{i}", "this tube is named twice; name each once", code) for i, code in enumerate(codes) if code in codes[:i]]
    if twice:
        raise FieldsWrong(twice)
    if not 1 <= len(codes) <= MOST_LABELS:
        raise fault("/specimens", f"name 1 to {MOST_LABELS} tubes", len(codes))
    tubes = _printable(work, codes, design, "print-labels")
    for tube in tubes:
        proven(design, tube.fields, DEFAULT_DPI)
    custody.record(work, [custody.Doing(tube.specimen_id, "label", {"design": design.code, "copies": 1}) for tube in tubes])
    return PrintedSheet(_keep_job(work, design, codes, start), len(codes))


def sheet(work: Work, scanned: str) -> bytes:
    """The PDF of a print job, drawn anew; nothing is written. Raises CodeMistyped, SheetUnknown, and what `render_sheets` raises."""
    code = parse_code(scanned)
    job = queries.print_job(work, code)
    if job is None:
        raise SheetUnknown(sheet=spaced(code))
    design = queries.design(job.design)
    try:
        tubes = _printable(work, json.loads(job.codes), design, "read-labels")
    except CodeUnknown:
        # Whoever may not see all of its tubes may not see the sheet.
        raise SheetUnknown(sheet=spaced(code)) from None
    return render_sheets(design, [tube.fields for tube in tubes], job.start)


def _printable(work: Work, codes: Sequence[str], design: Design, permission: str) -> list[Tube]:
    found = queries.tubes(work, codes)
    ordered: list[Tube] = []
    for code in codes:
        tube = found.get(code)
        if tube is None or not _may_see(work, tube):
            raise CodeUnknown(code=spaced(code), what="specimen", key=code)
        if not _may(work, tube, permission):
            identity.require(work, permission, tube.study, tube.organisations[0])
        ordered.append(tube)
    if design.made_for != "specimen":
        fitting = ", ".join(each.code for each in queries.designs().values() if each.made_for == "specimen")
        raise DesignForAnother(design=design.code, made_for=design.made_for, code=spaced(codes[0]), thing="specimen", fitting=fitting)
    for tube in ordered:
        if tube.status == "cancelled":
            raise LabelForCancelled(code=spaced(tube.code))
    return ordered


def _may_see(work: Work, tube: Tube) -> bool:
    return _may(work, tube, "read-labels") or _may(work, tube, "read-specimens")


def _may(work: Work, tube: Tube, permission: str) -> bool:
    return any(identity.may(work, permission, tube.study, organisation) for organisation in tube.organisations)


def _check_start(design: Design, start: int) -> None:
    places = design.stock.sheet.places if design.stock.sheet else 1
    if not 1 <= start <= places:
        raise fault("/start", f"the sheet of “{design.stock.title}” has the places 1 to {places}", start)


def _keep_job(work: Work, design: Design, codes: Sequence[str], start: int) -> str:
    (code,) = new_codes(work.session, work.random, 1)
    job = PrintJob(code=code, design=design.code, start=start, codes=json.dumps(list(codes)), made_by=work.who.id, made_at=work.now)
    work.session.add(job)
    work.session.flush()
    bind_codes(work.session, "print_job", [(code, job.id)])
    return code
