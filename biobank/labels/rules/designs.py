"""Label designs: what stands where on a stock."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from biobank.labels.rules.fields import Template, TemplateWrong, parse_template
from biobank.labels.rules.files import Table, read_toml
from biobank.labels.rules.stocks import DPIS, Stock, overlap

THINGS = ("specimen", "container", "card", "shipment")
KINDS = ("datamatrix", "code128", "text")
# Modules smaller than this do not survive a thermal printer and a hand scanner; a design may ask for more.
LEAST_MODULE_MM = {"datamatrix": 0.2, "code128": 0.16}
LEAST_TEXT_PT = 4.0
ALIGNMENTS = ("left", "centre", "right")


@dataclass(frozen=True, slots=True)
class Element:
    """One box of a design. Lengths in mm from the label's upper left; type sizes in points."""

    kind: str
    x: float
    y: float
    width: float
    height: float
    template: Template
    optional: bool
    min_module: float = 0.0
    size: float = 0.0
    min_size: float = 0.0
    bold: bool = False
    align: str = "left"


@dataclass(frozen=True, slots=True)
class Design:
    """What stands where. `resolutions` are the printers it is meant for, in dots per inch."""

    code: str
    title: str
    made_for: str
    stock: Stock
    resolutions: tuple[int, ...]
    elements: tuple[Element, ...]

    @property
    def fields(self) -> tuple[str, ...]:
        """The fields it shows, each once."""
        return tuple(dict.fromkeys(name for element in self.elements for name in element.template.names))


def parse_design(code: str, file: str, text: str, stocks: Mapping[str, Stock]) -> Design:
    """Read a design file. Raises DesignWrong, which names file, key and reason: also for an element off its part or over another."""
    table = read_toml(file, text)
    title = table.take_text("title")
    made_for = table.take_choice("for", THINGS)
    stock = stocks[table.take_choice("stock", sorted(stocks))]
    resolutions = _resolutions(table)
    given = table.take("element", list, "at least one [[element]]")
    elements: list[Element] = []
    for number, values in enumerate(given, start=1):
        if not isinstance(values, dict):
            raise table.wrong("element", "must be [[element]] tables")
        element = _element(Table(file, f"element {number}: ", values), stock)
        for earlier, other in enumerate(elements, start=1):
            if overlap((element.x, element.y, element.width, element.height), (other.x, other.y, other.width, other.height)):
                raise table.wrong(f"element {number}: box_mm", f"overlaps element {earlier}")
        elements.append(element)
    table.finish("title, for, stock, dpi, element")
    design = Design(code, title, made_for, stock, resolutions, tuple(elements))
    if not any(e.kind != "text" and not e.optional for e in elements):
        raise table.wrong("element", "none is a symbol that must be there; give a datamatrix or code128 that is not optional")
    return design


def _resolutions(table: Table) -> tuple[int, ...]:
    allowed = f"a list out of {', '.join(map(str, DPIS))}"
    given = table.take("dpi", list, allowed, list(DPIS))
    if not given or any(dpi not in DPIS for dpi in given):
        raise table.wrong("dpi", f"must be {allowed}, not {given!r}")
    return tuple(given)


def _element(table: Table, stock: Stock) -> Element:
    kind = table.take_choice("kind", KINDS)
    part = stock.parts[table.take_choice("part", list(stock.parts))]
    x, y, width, height = table.take_numbers("box_mm", "x y width height", zero=2)
    if not part.holds(x, y, width, height):
        shape = f"circle of {part.width:g} mm" if part.circle else f"{part.width:g} × {part.height:g} mm"
        raise table.wrong("box_mm", f"lies outside the part “{part.name}” ({shape})")
    optional = bool(table.take("optional", bool, "true or false", False))
    place = (part.x + x, part.y + y, width, height)
    if kind != "text":
        template = _template(table, "data")
        least = table.take_number("min_module_mm", LEAST_MODULE_MM[kind])
        table.finish("kind, part, box_mm, optional, data, min_module_mm")
        return Element(kind, *place, template, optional, min_module=least)
    template = _template(table, "text")
    size = table.take_number("size_pt")
    smallest = table.take_number("min_size_pt", min(size, LEAST_TEXT_PT))
    if smallest > size:
        raise table.wrong("min_size_pt", f"is larger than size_pt, {size:g}")
    bold = bool(table.take("bold", bool, "true or false", False))
    align = table.take_choice("align", ALIGNMENTS, "left")
    table.finish("kind, part, box_mm, optional, text, size_pt, min_size_pt, bold, align")
    return Element(kind, *place, template, optional, size=size, min_size=smallest, bold=bold, align=align)


def _template(table: Table, key: str) -> Template:
    try:
        return parse_template(table.take_text(key))
    except TemplateWrong as fault:
        raise table.wrong(key, str(fault)) from None
