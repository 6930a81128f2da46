"""Label stocks: what is bought. A size in mm, its parts (a side, a cap circle), and the sheet it comes on."""

from __future__ import annotations

from dataclasses import dataclass

from biobank.labels.rules.files import Table, read_toml

DPIS = (203, 300, 600)
ROUNDING_MM = 1e-6


@dataclass(frozen=True, slots=True)
class Part:
    """A part that ink may stand on; a rectangle, or the circle within it. Lengths in mm from the label's upper left."""

    name: str
    x: float
    y: float
    width: float
    height: float
    circle: bool = False

    def holds(self, x: float, y: float, width: float, height: float) -> bool:
        """Whether a box (relative to the part, mm) lies wholly on it."""
        if x < 0 or y < 0 or x + width > self.width + ROUNDING_MM or y + height > self.height + ROUNDING_MM:
            return False
        if not self.circle:
            return True
        radius = self.width / 2
        corners = [(cx - radius, cy - radius) for cx in (x, x + width) for cy in (y, y + height)]
        return all(dx * dx + dy * dy <= (radius + ROUNDING_MM) ** 2 for dx, dy in corners)


@dataclass(frozen=True, slots=True)
class Sheet:
    """A page with a grid of labels; lengths in mm."""

    width: float
    height: float
    columns: int
    rows: int
    left: float
    top: float
    pitch_x: float
    pitch_y: float

    @property
    def places(self) -> int:
        """Labels on one page."""
        return self.columns * self.rows

    def place(self, index: int) -> tuple[float, float]:
        """Left and top in mm of the place `index` (from 0, row by row)."""
        row, column = divmod(index, self.columns)
        return self.left + column * self.pitch_x, self.top + row * self.pitch_y


@dataclass(frozen=True, slots=True)
class Stock:
    """One kind of blank label."""

    code: str
    title: str
    width: float
    height: float
    parts: dict[str, Part]
    sheet: Sheet | None


def parse_stock(code: str, file: str, text: str) -> Stock:
    """Read a stock file. Raises DesignWrong, which names file, key and reason."""
    table = read_toml(file, text)
    title = table.take_text("title")
    width, height = table.take_numbers("size_mm", "width height")
    parts = {name: _part(Table(file, f"part.{name}.", given), name) for name, given in _tables(table, "part").items()}
    for part in parts.values():
        if part.x + part.width > width + ROUNDING_MM or part.y + part.height > height + ROUNDING_MM:
            raise table.wrong(f"part.{part.name}", f"lies outside the label of {width:g} × {height:g} mm")
    _apart(table, list(parts.values()))
    sheet = _sheet(Table(file, "sheet.", table.take_table("sheet")), width, height) if "sheet" in table.values else None
    table.finish("title, size_mm, part, sheet")
    return Stock(code, title, width, height, parts, sheet)


def _tables(table: Table, key: str) -> dict[str, dict[str, object]]:
    given = table.take_table(key)
    for name, inner in given.items():
        if not isinstance(inner, dict):
            raise table.wrong(f"{key}.{name}", "must be a table")
    if not given:
        raise table.wrong(key, "is empty; give at least one part")
    return given


def _part(table: Table, name: str) -> Part:
    if "circle_mm" in table.values:
        x, y, diameter = table.take_numbers("circle_mm", "x y diameter", zero=2)
        part = Part(name, x, y, diameter, diameter, circle=True)
    else:
        x, y, width, height = table.take_numbers("box_mm", "x y width height", zero=2)
        part = Part(name, x, y, width, height)
    table.finish("box_mm or circle_mm")
    return part


def _apart(table: Table, parts: list[Part]) -> None:
    for i, one in enumerate(parts):
        for other in parts[:i]:
            if overlap((one.x, one.y, one.width, one.height), (other.x, other.y, other.width, other.height)):
                raise table.wrong(f"part.{one.name}", f"overlaps part.{other.name}")


def overlap(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    """Whether two boxes (x, y, width, height) share an area; touching edges do not count."""
    return (
        one[0] + ROUNDING_MM < other[0] + other[2]
        and other[0] + ROUNDING_MM < one[0] + one[2]
        and one[1] + ROUNDING_MM < other[1] + other[3]
        and other[1] + ROUNDING_MM < one[1] + one[3]
    )


def _sheet(table: Table, width: float, height: float) -> Sheet:
    page = table.take_numbers("page_mm", "width height")
    columns, rows = table.take_whole("columns"), table.take_whole("rows")
    left, top = table.take_numbers("margin_mm", "left top", zero=2)
    pitch = table.take_numbers("pitch_mm", "x y")
    table.finish("page_mm, columns, rows, margin_mm, pitch_mm")
    if pitch[0] < width - ROUNDING_MM or pitch[1] < height - ROUNDING_MM:
        raise table.wrong("pitch_mm", f"is smaller than the label of {width:g} × {height:g} mm, so labels would overlap")
    if left + (columns - 1) * pitch[0] + width > page[0] + ROUNDING_MM or top + (rows - 1) * pitch[1] + height > page[1] + ROUNDING_MM:
        raise table.wrong("page_mm", f"{columns} × {rows} labels do not fit the page of {page[0]:g} × {page[1]:g} mm")
    return Sheet(page[0], page[1], columns, rows, left, top, pitch[0], pitch[1])
