"""What happens to tubes: planned and labelled, received, released, taken apart, stored, earmarked, thawed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta

from biobank.cli.demo.cast import STUDY
from biobank.cli.demo.diary import Diary
from biobank.cli.demo.families import Child
from biobank.cli.demo.lab import Lab
from biobank.core.units import Quantity
from biobank.core.vocabulary import term
from biobank.core.work import Work
from biobank.labels.service import print_sheet
from biobank.specimens import queries as specimens
from biobank.specimens.service import (
    NewAliquots,
    NewArrival,
    NewCollection,
    NewDerivatives,
    aliquot,
    derive,
    do,
    earmark,
    plan_collection,
    register_arrival,
)

ML = 1_000_000


@dataclass(frozen=True, slots=True)
class Making:
    """Tubes to make of a primary: of `material` (None: aliquots of the same), `count` of `amount` each (base units), from `used` nL (None: all)."""

    material: str | None
    count: int
    amount: int
    used: int | None = None
    processing: Mapping[str, int] = field(default_factory=dict)


# Published: cerebrospinal fluid at 300 g for 10 minutes [S1]. The other figures are ASSUMED; temperatures in tenths of °C.
_CELLS = {"g": 400, "minutes": 30, "temp_dc": 200}
_PLASMA = {"g": 1500, "minutes": 10, "temp_dc": 40}
_SERUM = {"g": 1300, "minutes": 10, "temp_dc": 200}
_CSF = {"g": 300, "minutes": 10, "temp_dc": 40}
RECIPES: dict[tuple[str, str], tuple[Making, ...]] = {
    ("BM", "HEPARIN_NACL"): (
        Making(None, 2, ML // 2), Making("MNC_VIABLE", 3, 10_000_000, 2 * ML, _CELLS), Making("BM_PLASMA", 2, ML // 2, None, _PLASMA),
    ),
    ("PB", "EDTA"): (Making("PLASMA_EDTA", 3, ML // 2, None, _PLASMA),),
    ("PB", "SERUM_PLAIN"): (Making("SERUM", 2, ML // 2, None, _SERUM),),
    ("CSF_NATIVE", "STERILE_UNIVERSAL"): (Making("CSF_SUPERNATANT", 2, ML // 4, None, _CSF),),
    ("WHOLE_BLOOD", "EDTA"): (Making(None, 2, ML),),
}
# What a primary holds when it arrives, in tenths of a millilitre: the least and the most.
ARRIVES = {"BM": (35, 60), "PB": (30, 60), "CSF_NATIVE": (8, 20), "WHOLE_BLOOD": (20, 20)}
# Sub-study -> material and events it is given.
WANTED = {"asparaginase": ("SERUM", ("ASP_D7", "ASP_D14")), "cns_detection": ("CSF_SUPERNATANT", ("DX", "LP", "REL"))}
MEMBER = {"asparaginase": "asparaginase", "cns_detection": "cns"}


@dataclass(slots=True)
class Visit:
    """A draw of an event on a day. `conditions`: how its tubes arrive, by their place in the plan, where it is not `good`.

    Ids of tubes as they come: `whole` are those that arrived well, `kept` what goes into the freezers.
    """

    child: Child
    event: str
    day: date
    study: str = STUDY
    conditions: Mapping[int, str] = field(default_factory=dict)
    collection: int = 0
    whole: list[int] = field(default_factory=list)
    kept: list[int] = field(default_factory=list)


def attend(diary: Diary, visit: Visit, planned: int = 4, *, comes: bool = True, processed: bool = True) -> Visit:
    """The whole way of a draw; it is planned so many days before. One that never `comes` stays expected, one not `processed` is kept whole."""
    following = visit.day + timedelta(days=1)
    diary.on(visit.day - timedelta(days=planned), "09:30", plan, visit)
    if comes:
        diary.on(visit.day, "11:00", receive, visit)
        diary.on(following, "09:00", release, visit)
        diary.on(following, "13:00", process if processed else keep_whole, visit)
        diary.on(following, "15:00", put_away, visit)
    return visit


def plan(lab: Lab, visit: Visit) -> None:
    """Plan the draw and print its labels, so that the ward has them in time."""
    with lab.as_("technician") as work:
        planned = plan_collection(work, NewCollection(visit.child.code, visit.study, visit.event, visit.day))
        visit.collection = planned.id
        print_sheet(work, [row.code for row in specimens.of_collection(work, planned.id)], "tube")


def receive(lab: Lab, visit: Visit) -> None:
    """Receive each tube of the draw; one that is missing has no amount."""
    with lab.as_("technician") as work:
        for number, row in enumerate(specimens.of_collection(work, visit.collection)):
            condition = visit.conditions.get(number, "good")
            tenths = lab.random.randint(*ARRIVES[row.material])
            facts = {"condition": condition, "volume": {"value": tenths * 100, "unit": "uL"}}
            do(work, row.id, "receive", facts if condition != "missing" else {"condition": condition})
            if condition == "good":
                visit.whole.append(row.id)
            elif condition != "missing":
                visit.kept.append(row.id)


def release(lab: Lab, visit: Visit) -> None:
    """The diagnostic laboratory lets the residual material go."""
    with lab.as_("diagnostics") as work:
        rows = specimens.tubes(work, visit.whole)
        for one in visit.whole:
            if rows[one].residual:
                do(work, one, "release", {})


def process(lab: Lab, visit: Visit) -> None:
    """Take every tube that arrived whole apart, and label what was made."""
    with lab.as_("technician") as work:
        made: list[tuple[int, str]] = []
        rows = specimens.tubes(work, visit.whole)
        for row in (rows[one] for one in visit.whole):
            for making in RECIPES[row.material, row.container_type]:
                made += _make(work, row.code, making)
        print_sheet(work, [code for _, code in made])
        visit.kept += [one for one, _ in made]


def keep_whole(lab: Lab, visit: Visit) -> None:
    """Nothing may be made of these tubes; they are stored as they are."""
    visit.kept += visit.whole


def _make(work: Work, code: str, making: Making) -> list[tuple[int, str]]:
    """Ids and codes of the tubes made."""
    if making.material is None:
        _, tubes = aliquot(work, code, NewAliquots(making.count, Quantity(making.amount, "nL")))
    else:
        unit = term(work, "material", making.material, "/material").facts["unit"]
        used = Quantity(making.used, "nL") if making.used else None
        new = NewDerivatives(making.material, making.count, Quantity(making.amount, unit), used, dict(making.processing))
        _, tubes = derive(work, code, new)
    return [(tube.id, tube.code) for tube in tubes]


def put_away(lab: Lab, visit: Visit) -> None:
    """Store what was made, and what arrived damaged in quarantine; then each sub-study earmarks what it was promised."""
    with lab.as_("technician") as work:
        lab.freezers.put(work, visit.kept)
    for sub_study in sorted(visit.child.uses & set(WANTED)):
        material, events = WANTED[sub_study]
        if visit.study == STUDY and visit.event in events:
            with lab.as_(MEMBER[sub_study]) as work:
                wanted = [row for row in specimens.tubes(work, visit.kept).values() if row.material == material and not row.open_holds]
                for row in sorted(wanted, key=lambda row: str(row.code)):
                    earmark(work, row.code, sub_study)


def rehouse(lab: Lab, visit: Visit) -> None:
    """Tubes that were in quarantine and are free now go to the boxes they belong in."""
    with lab.as_("technician") as work:
        freed = [row.id for row in specimens.tubes(work, visit.kept).values() if not row.open_holds]
        lab.freezers.put(work, freed, "move")


def take_out(lab: Lab, visit: Visit, material: str, *, to: str, thaw: bool) -> None:
    """One tube of the draw goes to the bench; one that is thawed there comes back, else it is out still."""
    with lab.as_("technician") as work:
        tube = min((row for row in specimens.tubes(work, visit.kept).values() if row.material == material), key=lambda row: str(row.code))
        do(work, tube.id, "check-out", {"to": to, "for": "work"})
        if not thaw:
            return
    for act in ("thaw", "return"):
        with lab.as_("technician") as work:
            do(work, tube.id, act, {})


def arrive(lab: Lab, child: Child, issuer: str, code: str) -> None:
    """A tube of marrow that nobody had planned comes from another hospital, with a code of its own."""
    with lab.as_("technician") as work:
        new = NewArrival(child.code, STUDY, "BM", "HEPARIN_NACL", "residual", work.now, Quantity(3 * ML, "nL"), (issuer, code))
        tube, _ = register_arrival(work, new)
        lab.freezers.put(work, [tube.id])
    with lab.as_("diagnostics") as work:
        do(work, tube.id, "release", {})
