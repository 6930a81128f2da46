"""Three requests: one delivered, one reserved and waiting to be picked, one still a draft."""

from __future__ import annotations

from biobank.cli.demo.cast import STUDY
from biobank.cli.demo.diary import Diary
from biobank.cli.demo.lab import Lab
from biobank.core.units import Quantity
from biobank.requests import queries
from biobank.requests.service import NewItem, NewRequest, allocate, create, deliver, pick, transition

CELLS = NewRequest(
    STUDY, "supply", (NewItem("MNC_VIABLE", 2, "DX"), NewItem("BM_PLASMA", 1, "DX")), title="Drug response of leukaemic cells at diagnosis"
)
SERUM = NewRequest(
    STUDY, "use:asparaginase", (NewItem("SERUM", 3, "ASP_D7", amount=Quantity(300_000, "nL")),), title="Asparaginase activity, first batch"
)
FLUID = NewRequest(STUDY, "use:cns_detection", (NewItem("CSF_SUPERNATANT", 6, "DX"),), title="Cell-free RNA in cerebrospinal fluid")


class Wish:
    """A request on its way."""

    def __init__(self, login: str, new: NewRequest) -> None:
        self.login = login
        self.new = new
        self.code = ""


def ask(lab: Lab, wish: Wish) -> None:
    """Write the request down."""
    with lab.as_(wish.login) as work:
        wish.code = create(work, wish.new).code


def step(lab: Lab, wish: Wish, login: str, to: str) -> None:
    """Take the request to its next state in somebody's name."""
    with lab.as_(login) as work:
        transition(work, wish.code, to)


def reserve(lab: Lab, wish: Wish) -> None:
    """Reserve tubes for every item, by plan."""
    for line in range(1, len(wish.new.items) + 1):
        with lab.as_("manager") as work:
            allocate(work, wish.code, line)


def hand_over(lab: Lab, wish: Wish) -> None:
    """Pick every reserved tube on the way through the freezers, then hand them over."""
    with lab.as_("technician") as work:
        stops = [stop.tube for stop in queries.pick_list(work, queries.request(work, wish.code))]
    for act in (pick, deliver):
        for tube in stops:
            with lab.as_("technician") as work:
                act(work, wish.code, tube.specimen_id, tube.code)


def research(diary: Diary) -> None:
    """All three, over the last month."""
    cells, serum, fluid = Wish("researcher", CELLS), Wish("asparaginase", SERUM), Wish("cns", FLUID)
    diary.on(diary.ago(30), "10:00", ask, cells)
    diary.on(diary.ago(30), "10:30", step, cells, "researcher", "submitted")
    diary.on(diary.ago(24), "14:00", step, cells, "reviewer", "approved")
    diary.on(diary.ago(23), "10:00", reserve, cells)
    diary.on(diary.ago(22), "10:00", hand_over, cells)
    diary.on(diary.ago(9), "10:00", ask, serum)
    diary.on(diary.ago(9), "10:30", step, serum, "asparaginase", "submitted")
    diary.on(diary.ago(6), "14:00", step, serum, "reviewer", "approved")
    diary.on(diary.ago(3), "10:00", reserve, serum)
    diary.on(diary.ago(1), "10:00", ask, fluid)
