"""Why no label is given out."""

from __future__ import annotations

from biobank.core.errors import N_, Conflict, NotFound, RuleBroken


class DesignWrong(RuleBroken):
    """A design or stock file has a fault."""

    title = N_("Fault in a label file")
    message = N_("%(file)s, %(key)s: %(reason)s")


class DesignUnknown(NotFound):
    """No design of that name."""

    title = N_("Unknown label design")
    message = N_("There is no label design “%(design)s”. Those there are: %(known)s.")


class DesignForAnother(Conflict):
    """The design is for another kind of thing."""

    title = N_("Design for another thing")
    message = N_("The label design “%(design)s” is for a %(made_for)s, and %(code)s is a %(thing)s. Designs for it: %(fitting)s.")


class LabelForCancelled(Conflict):
    """The tube was planned, and the plan was cancelled."""

    title = N_("Cancelled tube")
    message = N_("The tube %(code)s was cancelled before it was drawn, so it gets no label. Plan the draw again if it is to be taken.")


class LabelDoesNotFit(RuleBroken):
    """Something that must stand on the label does not fit at this resolution."""

    title = N_("Label does not fit")
    message = N_(
        "“%(text)s” does not fit the %(kind)s of the label design “%(design)s” at %(dpi)s dpi: %(reason)s. "
        "Use a larger design or a finer printer."
    )


class LabelFieldMissing(RuleBroken):
    """The design has a symbol that must be there, and the tube lacks what goes into it."""

    title = N_("Nothing to put on the label")
    message = N_("The label design “%(design)s” needs %(needs)s, which is not known for this tube. Record it first, or use another design.")


class LabelTextUnprintable(RuleBroken):
    """A character that the label font cannot draw."""

    title = N_("Unprintable character")
    message = N_("“%(text)s” has the character %(character)s, which the label font cannot print. Write it with other letters.")


class SymbolPayloadWrong(RuleBroken):
    """Only printable ASCII survives every scanner."""

    title = N_("Cannot be put into a symbol")
    message = N_("“%(text)s” cannot be put into a scannable symbol: it may have only printable ASCII characters, at least one.")


class NotForCode128(RuleBroken):
    """A payload beginning with 99, of which the Code 128 encoder loses the 99."""

    title = N_("Not as Code 128")
    message = N_("“%(text)s” begins with 99, which Code 128 would lose here. It is printed as DataMatrix only.")


class LabelUnreadable(RuleBroken):
    """The drawn label was read back, and what was read is not what was meant."""

    title = N_("Label cannot be read back")
    message = N_(
        "A label of the design “%(design)s” was drawn at %(dpi)s dpi and read back as %(read)s instead of %(meant)s, "
        "so it is not given out. Use a larger design."
    )


class SheetUnknown(NotFound):
    """No sheet of labels with that number."""

    title = N_("Unknown sheet")
    message = N_("There is no sheet of labels %(sheet)s that you may see.")
