"""What a label is: fields, designs and stocks, symbols, lettering and layout. Plain Python; the unit inside is the printer's dot."""

from biobank.labels.rules.designs import KINDS, THINGS, Design, Element, parse_design
from biobank.labels.rules.fields import FIELDS, Template, check_fields
from biobank.labels.rules.layout import Box, Dropped, Layout, Symbol, Words, lay_out
from biobank.labels.rules.refusals import (
    DesignForAnother,
    DesignUnknown,
    DesignWrong,
    LabelDoesNotFit,
    LabelFieldMissing,
    LabelForCancelled,
    LabelTextUnprintable,
    LabelUnreadable,
    NotForCode128,
    SheetUnknown,
    SymbolPayloadWrong,
)
from biobank.labels.rules.stocks import DPIS, Part, Sheet, Stock, parse_stock
from biobank.labels.rules.symbols import code128_pattern, datamatrix_matrix

__all__ = [
    "DPIS",
    "FIELDS",
    "KINDS",
    "THINGS",
    "Box",
    "Design",
    "DesignForAnother",
    "DesignUnknown",
    "DesignWrong",
    "Dropped",
    "Element",
    "LabelDoesNotFit",
    "LabelFieldMissing",
    "LabelForCancelled",
    "LabelTextUnprintable",
    "LabelUnreadable",
    "Layout",
    "NotForCode128",
    "Part",
    "Sheet",
    "SheetUnknown",
    "Stock",
    "Symbol",
    "SymbolPayloadWrong",
    "Template",
    "Words",
    "check_fields",
    "code128_pattern",
    "datamatrix_matrix",
    "lay_out",
    "parse_design",
    "parse_stock",
]
