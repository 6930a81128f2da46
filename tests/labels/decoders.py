"""Pictures of labels, made by renderers that drew none of them, and decoders that made none of their symbols."""

from __future__ import annotations

import io
import re
import shutil
import subprocess
import warnings
from xml.etree import ElementTree

import pypdfium2
import pytest
import zxingcpp
from PIL import Image, ImageDraw

with warnings.catch_warnings():
    # pylibdmtx 0.1.10 compares versions through the deprecated distutils.
    warnings.simplefilter("ignore")
    from pylibdmtx.pylibdmtx import decode as dmtx_decode

MM = 25.4
SVG = "{http://www.w3.org/2000/svg}"


def pages_of_pdf(pdf: bytes, dpi: int) -> list[Image.Image]:
    """Each page through pdfium."""
    document = pypdfium2.PdfDocument(pdf)
    try:
        return [page.render(scale=dpi / 72).to_pil().convert("L") for page in document]
    finally:
        document.close()


def picture_of_svg(svg: bytes, dpi: int) -> Image.Image:
    """The paths of an SVG, painted at its size in mm; texts are left out."""
    root = ElementTree.fromstring(svg)
    size = [float(root.attrib[side].removesuffix("mm")) / MM * dpi for side in ("width", "height")]
    box = [float(number) for number in root.attrib["viewBox"].split()]
    scale = size[0] / box[2]
    assert scale == pytest.approx(size[1] / box[3], rel=1e-3)
    picture = Image.new("L", (round(size[0]), round(size[1])), 255)
    pencil = ImageDraw.Draw(picture)
    for path in root.iter(f"{SVG}path"):
        steps = re.findall(r"M(\d+) (\d+)h(\d+)v(\d+)h-(\d+)z", path.attrib["d"])
        assert "".join(f"M{x} {y}h{w}v{h}h-{w}z" for x, y, w, h, _ in steps) == path.attrib["d"]
        for x, y, width, height, _ in steps:
            left, top = float(x) * scale, float(y) * scale
            right, bottom = left + float(width) * scale, top + float(height) * scale
            pencil.rectangle((round(left), round(top), round(right) - 1, round(bottom) - 1), fill=0)
    return picture


def picture_of_png(png: bytes, dpi: int) -> Image.Image:
    """A PNG, which must say its resolution and have one bit per dot."""
    picture = Image.open(io.BytesIO(png))
    assert picture.mode == "1"
    assert picture.info["dpi"] == pytest.approx((dpi, dpi), abs=0.5)
    return picture.convert("L")


def cut(picture: Image.Image, dpi: int, x: float, y: float, width: float, height: float) -> Image.Image:
    """A part of the picture by mm, on a white ground of 2 mm on each side."""
    left, top, right, bottom = (round(mm * dpi / MM) for mm in (x, y, x + width, y + height))
    edge = round(2 * dpi / MM)
    ground = Image.new("L", (right - left + 2 * edge, bottom - top + 2 * edge), 255)
    ground.paste(picture.crop((left, top, right, bottom)), (edge, edge))
    return ground


def by_zxing(picture: Image.Image) -> list[tuple[str, str]]:
    """Every symbol as (kind, text), sorted."""
    names = {zxingcpp.BarcodeFormat.Code128: "code128", zxingcpp.BarcodeFormat.DataMatrix: "datamatrix"}
    return sorted((names.get(found.format, str(found.format)), found.text) for found in zxingcpp.read_barcodes(picture))


def by_libdmtx(picture: Image.Image) -> list[str]:
    """The first DataMatrix that libdmtx finds."""
    return [found.data.decode() for found in dmtx_decode(picture, max_count=1, timeout=5000)]


def by_zbar(picture: Image.Image, tmp: str) -> list[str]:
    """Every Code 128 that zbar finds."""
    program = shutil.which("zbarimg")
    if program is None:
        pytest.skip("zbarimg is not installed (Debian: zbar-tools)")
    file = f"{tmp}/label.png"
    picture.save(file)
    done = subprocess.run([program, "--nodbus", "-q", "--raw", "-Sdisable", "-Scode128.enable", file], capture_output=True, text=True)
    return done.stdout.split("\n")[:-1]
