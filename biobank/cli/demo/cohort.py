"""Who is in the cohort: one child for every case that the biobank has to handle, and then ordinary children of ALLTogether1."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from random import Random
from zoneinfo import ZoneInfo

from biobank.cli.demo import families
from biobank.cli.demo.bench import Visit, arrive, attend, rehouse, take_out
from biobank.cli.demo.cast import BELGIUM, HOME, SWEDEN
from biobank.cli.demo.courses import SEXES, child_of, doses, infant_of, punctures, starts, treated
from biobank.cli.demo.diary import Diary, Step
from biobank.cli.demo.families import Child
from biobank.cli.demo.mistakes import mistakes
from biobank.cli.demo.research import research
from biobank.subjects.rules import NewEpisode

# Beyond these no child of the cohort fits its study any more.
EARLIEST = date(2025, 1, 1)
MOST = 1000
# The closed studies, on days when they were open.
OLDEST_INFANT, PILOT_INFANT = date(2014, 3, 10), date(2019, 6, 3)
BEGINS = date(2014, 3, 3)
BCP_GENETICS = ((), ("ETV6_RUNX1",), ("high_hyperdiploidy",), ("IKZF1_deletion",), ("iAMP21",))
NO_FURTHER_USE = ("extra_use", "genetic", "commercial", "outside_eea")

Story = Callable[[Diary, int, Random], None]


def schedule(participants: int, as_of: date, zone: ZoneInfo, random: Random) -> list[Step]:
    """Everything that happens to so many children up to the day before `as_of`, in the order of time."""
    diary = Diary(as_of, zone)
    for number in range(1, participants + 1):
        story = CASES[number - 1] if number <= len(CASES) else ordinary
        story(diary, number, random)
    research(diary)
    mistakes(diary)
    return sorted(diary.steps, key=lambda step: step.at)


def thorough(diary: Diary, number: int, random: Random) -> None:
    """A child followed through all of treatment: every event, three doses, three punctures, a thawed tube, and one that is out now."""
    day = diary.ago(170)
    child = child_of(random, number, day, 4)
    starts(diary, child, day, genetics=("ETV6_RUNX1",))
    diary.on(day, "09:00", families.agree, child)
    first = attend(diary, Visit(child, "DX", day), planned=0)
    treated(diary, child, day, ("GERMLINE", "D15", "D29", "D50", "D71"), (5, 15, 29, 50, 71))
    doses(diary, child, day + timedelta(days=6), 3, (("ASP_D7", 7), ("ASP_D14", 14)))
    punctures(diary, child, day + timedelta(days=9), 3)
    diary.on(diary.ago(40), "10:00", take_out, first, "BM", to="bench 2", thaw=True)
    diary.on(diary.ago(1), "16:30", take_out, first, "PLASMA_EDTA", to="flow cytometry", thaw=False)


def relapse_2010(diary: Diary, number: int, random: Random) -> None:
    """T-cell ALL, years ago; after the relapse the child moves to the open arm of IntReALL 2010."""
    day, relapse = diary.ago(1200), diary.ago(80)
    child = child_of(random, number, day, 6)
    starts(diary, child, day, disease="T_ALL")
    diary.on(day, "09:00", families.agree, child)
    first = attend(diary, Visit(child, "DX", day), planned=0)
    diary.on(diary.ago(400), "10:00", take_out, first, "BM", to="bench 1", thaw=True)
    treated(diary, child, day, ("D29",), (29,))
    starts(diary, child, relapse, "intreall2010", disease="T_ALL", stratum="HR", kind="relapse")
    diary.on(relapse, "09:00", families.agree, child, "intreall2010")
    attend(diary, Visit(child, "REL", relapse, "intreall2010"), planned=0)
    diary.on(relapse + timedelta(days=2), "09:00", families.mark, child, "relapse_treatment_start", "intreall2010")
    attend(diary, Visit(child, "EOI", relapse + timedelta(days=31), "intreall2010"))


def infant(diary: Diary, number: int, random: Random) -> None:
    """Interfant-21, up to the first blinatumomab cycle."""
    day = diary.ago(120)
    child = infant_of(random, number, day)
    starts(diary, child, day, "interfant21", genetics=("KMT2A_r",), stratum="MR_low")
    diary.on(day, "09:00", families.agree, child, "interfant21")
    attend(diary, Visit(child, "DX", day, "interfant21"), planned=0)
    treated(diary, child, day, ("PRED_D8", "EOI"), (8, 33), "interfant21")
    diary.on(diary.ago(40), "09:00", families.mark, child, "blinatumomab_cycle_end", "interfant21")
    attend(diary, Visit(child, "POST_BLINA1", diary.ago(39), "interfant21"), planned=0)


def oldest_infant(diary: Diary, number: int, random: Random) -> None:
    """Interfant-06, when it recruited."""
    child = infant_of(random, number, OLDEST_INFANT)
    starts(diary, child, OLDEST_INFANT, "interfant06", genetics=("KMT2A_r",), stratum="MR")
    diary.on(OLDEST_INFANT, "09:00", families.agree, child, "interfant06")
    attend(diary, Visit(child, "DX", OLDEST_INFANT, "interfant06"), planned=0)
    treated(diary, child, OLDEST_INFANT, ("EOI",), (33,), "interfant06")


def pilot_infant(diary: Diary, number: int, random: Random) -> None:
    """The blinatumomab pilot, whose children were in Interfant-06 first and leave their diagnosis tubes there."""
    day, second = PILOT_INFANT, PILOT_INFANT + timedelta(days=30)
    child = infant_of(random, number, day)
    starts(diary, child, day, "interfant06", genetics=("KMT2A_r",), stratum="MR")
    diary.on(day, "09:00", families.agree, child, "interfant06")
    attend(diary, Visit(child, "DX", day, "interfant06"), planned=0)
    diary.on(second, "08:30", families.join, child, "blinfant", NewEpisode("primary", day, "BCP_ALL", ("KMT2A_r",)))
    diary.on(second, "09:00", families.agree, child, "blinfant")
    diary.on(second, "09:20", families.mark, child, "blinatumomab_start", "blinfant")
    attend(diary, Visit(child, "BLINA_END", second + timedelta(days=28), "blinfant"))


def relapse_2020(diary: Diary, number: int, random: Random) -> None:
    """B-cell precursor ALL; after the relapse the child moves to IntReALL 2020. A tube of the first hospital comes with its own code."""
    day, relapse = diary.ago(700), diary.ago(45)
    child = child_of(random, number, day, 5)
    starts(diary, child, day, genetics=("IKZF1_deletion",))
    diary.on(day, "09:00", families.agree, child)
    diary.on(day, "12:00", arrive, child, "umc", f"99-{number:05}")
    attend(diary, Visit(child, "DX", day), planned=0)
    starts(diary, child, relapse, "intreall2020", genetics=("IKZF1_deletion",), stratum="SR", kind="relapse")
    diary.on(relapse, "09:00", families.agree, child, "intreall2020")
    attend(diary, Visit(child, "REL", relapse, "intreall2020"), planned=0)
    diary.on(relapse + timedelta(days=2), "09:00", families.mark, child, "relapse_treatment_start", "intreall2020")
    attend(diary, Visit(child, "EOI", relapse + timedelta(days=31), "intreall2020"))


def due_today(diary: Diary, number: int, random: Random) -> None:
    """Two weeks into treatment: a marrow and a serum are expected today, others this week."""
    day = diary.ago(17)
    child = child_of(random, number, day, 7)
    starts(diary, child, day)
    diary.on(day, "09:00", families.agree, child)
    attend(diary, Visit(child, "DX", day), planned=0)
    treated(diary, child, day, ("D15",), (15,))
    doses(diary, child, diary.ago(7), 1)


def late_consent(diary: Diary, number: int, random: Random) -> None:
    """The tubes came before the family had decided: they were held, and freed nine days later."""
    day = diary.ago(60)
    child = child_of(random, number, day, 3)
    starts(diary, child, day, genetics=("high_hyperdiploidy",))
    visit = attend(diary, Visit(child, "DX", day), planned=0)
    diary.on(day + timedelta(days=9), "10:00", families.agree, child)
    diary.on(day + timedelta(days=9), "15:30", rehouse, visit)


def one_signature(diary: Diary, number: int, random: Random) -> None:
    """One of two parents has signed: the tubes are held until the other does."""
    day = diary.ago(20)
    child = child_of(random, number, day, 8)
    starts(diary, child, day)
    diary.on(day, "09:00", families.agree, child, missing=("second-parent",))
    attend(diary, Visit(child, "DX", day), planned=0)


def declined(diary: Diary, number: int, random: Random) -> None:
    """Storage and the study's own research, but nothing beyond it, and not the asparaginase sub-study."""
    day = diary.ago(100)
    child = child_of(random, number, day, 9)
    starts(diary, child, day, genetics=("iAMP21",))
    diary.on(day, "09:00", families.agree, child, no=(*NO_FURTHER_USE, "asparaginase"))
    first = attend(diary, Visit(child, "DX", day), planned=0)
    diary.on(diary.ago(20), "10:00", take_out, first, "SERUM", to="bench 2", thaw=True)
    doses(diary, child, day + timedelta(days=6), 2)


def died(diary: Diary, number: int, random: Random) -> None:
    """A child that died during treatment; what was kept may still be used."""
    day = diary.ago(200)
    child = child_of(random, number, day, 10)
    starts(diary, child, day, genetics=("hypodiploid",))
    diary.on(day, "09:00", families.agree, child, authority="sole")
    attend(diary, Visit(child, "DX", day), planned=0)
    treated(diary, child, day, ("D29",), (29,))
    diary.on(diary.ago(50), "16:00", families.die, child)


def turned_twelve(diary: Diary, number: int, random: Random) -> None:
    """Twelve years old since twelve days: the parents' consent no longer suffices, and the tube that came since is held."""
    day, birthday = diary.ago(78), diary.ago(12)
    child = Child(number, birthday.replace(year=birthday.year - families.TWELVE, day=min(birthday.day, 28)), random.choice(SEXES))
    starts(diary, child, day)
    diary.on(day, "09:00", families.agree, child)
    attend(diary, Visit(child, "DX", day), planned=0)
    diary.on(day + timedelta(days=2), "09:00", families.mark, child, "treatment_start")
    attend(diary, Visit(child, "D71", diary.ago(5)), planned=25, processed=False)


def overridden(diary: Diary, number: int, random: Random) -> None:
    """An infant whose leukaemia belongs to Interfant-21 by the rules; the trial offices agreed otherwise, and the reason stays."""
    day = diary.ago(70)
    child = Child(number, day - timedelta(days=350), random.choice(SEXES))
    starts(diary, child, day, genetics=("KMT2A_r",), reason="Both trial offices agreed: two weeks before the first birthday")
    diary.on(day, "09:00", families.agree, child)
    attend(diary, Visit(child, "DX", day), planned=0)


def only_registry(diary: Diary, number: int, random: Random) -> None:
    """The family wants nothing stored: there are data and no tubes."""
    day = diary.ago(40)
    child = child_of(random, number, day, 2)
    starts(diary, child, day)
    diary.on(day, "09:00", families.decline_all, child)


def leaked(diary: Diary, number: int, random: Random) -> None:
    """A child in Stockholm, under a guardian: of its four tubes one leaked on the way and one never came."""
    day = diary.ago(90)
    child = child_of(random, number, day, 5, SWEDEN)
    starts(diary, child, day)
    diary.on(day, "09:00", families.agree, child, authority="guardian")
    attend(diary, Visit(child, "DX", day, conditions={1: "leaked", 2: "missing"}), planned=0)


def infant_abroad(diary: Diary, number: int, random: Random) -> None:
    """Interfant-21 in Leuven; the end of induction is this week."""
    day = diary.ago(33)
    child = infant_of(random, number, day, BELGIUM)
    starts(diary, child, day, "interfant21", genetics=("KMT2A_r",), stratum="HR")
    diary.on(day, "09:00", families.agree, child, "interfant21")
    attend(diary, Visit(child, "DX", day, "interfant21"), planned=0)
    treated(diary, child, day, ("PRED_D8", "EOI"), (8, 33), "interfant21")


def new_yesterday(diary: Diary, number: int, random: Random) -> None:
    """Diagnosed yesterday: received, and not released by the diagnostic laboratory yet."""
    day = diary.ago(1)
    child = child_of(random, number, day, 14)
    starts(diary, child, day, disease="T_ALL")
    diary.on(day, "09:00", families.agree, child)
    attend(diary, Visit(child, "DX", day), planned=0)


def never_came(diary: Diary, number: int, random: Random) -> None:
    """A draw of last week that nobody has received or cancelled; day 29 is this week."""
    day = diary.ago(29)
    child = child_of(random, number, day, 6)
    starts(diary, child, day, genetics=("TCF3_PBX1",))
    diary.on(day, "09:00", families.agree, child)
    attend(diary, Visit(child, "DX", day), planned=0)
    treated(diary, child, day, ("D29",), (29,))
    attend(diary, Visit(child, "D15", diary.ago(11)), comes=False)


def left(diary: Diary, number: int, random: Random) -> None:
    """A family that withdrew: every tube is held."""
    day = diary.ago(110)
    child = child_of(random, number, day, 11)
    starts(diary, child, day)
    diary.on(day, "09:00", families.agree, child)
    attend(diary, Visit(child, "DX", day), planned=0)
    diary.on(diary.ago(15), "10:00", families.leave, child)


def ordinary(diary: Diary, number: int, random: Random) -> None:
    """A child of ALLTogether1 somewhere in the first months of treatment."""
    day = diary.ago(random.randint(2, 160))
    child = child_of(random, number, day, random.randint(1, 10), random.choice((HOME, HOME, HOME, SWEDEN)))
    starts(diary, child, day, genetics=random.choice(BCP_GENETICS))
    diary.on(day, "09:00", families.agree, child, no=random.choice(((), (), (), NO_FURTHER_USE, ("commercial",))))
    attend(diary, Visit(child, "DX", day), planned=0)
    treated(diary, child, day, ("D15", "D29"), (15, 29))
    doses(diary, child, day + timedelta(days=6), 2)


# The first six bring all six studies.
CASES: tuple[Story, ...] = (
    thorough, relapse_2010, infant, oldest_infant, pilot_infant, relapse_2020, due_today, late_consent, one_signature, declined, died,
    turned_twelve, overridden, only_registry, leaked, infant_abroad, new_yesterday, never_came, left,
)
