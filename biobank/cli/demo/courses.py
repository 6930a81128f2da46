"""The parts that children's stories are put together from: a beginning, a treatment with its draws, doses, punctures."""

from __future__ import annotations

from datetime import date, timedelta
from random import Random

from biobank.cli.demo import families
from biobank.cli.demo.bench import Visit, attend
from biobank.cli.demo.cast import HOME, STUDY
from biobank.cli.demo.diary import Diary
from biobank.cli.demo.families import Child
from biobank.subjects.rules import NewEpisode

SEXES = ("female", "male")


def child_of(random: Random, number: int, day: date, years: int, hospital: str = HOME) -> Child:
    """A child that is so many years old on a day, with its birthday some months away from it."""
    born = day.replace(year=day.year - years, day=1) - timedelta(days=random.randint(40, 300))
    return Child(number, born, random.choice(SEXES), hospital)


def infant_of(random: Random, number: int, day: date, hospital: str = HOME) -> Child:
    """A child of two to ten months on a day."""
    return Child(number, day - timedelta(days=random.randint(60, 300)), random.choice(SEXES), hospital)


def starts(
    diary: Diary, child: Child, day: date, study: str = STUDY, *, disease: str = "BCP_ALL", genetics: tuple[str, ...] = (),
    stratum: str | None = None, kind: str = "primary", reason: str | None = None,
) -> None:
    """Enrolled on the day of diagnosis."""
    diary.on(day, "08:30", families.join, child, study, NewEpisode(kind, day, disease, genetics), stratum, reason)


def treated(diary: Diary, child: Child, day: date, events: tuple[str, ...], days: tuple[int, ...], study: str = STUDY) -> None:
    """Treatment starts two days after the diagnosis; draws follow on days counted from there."""
    start = day + timedelta(days=2)
    diary.on(start, "09:00", families.mark, child, "treatment_start", study)
    for event, after in zip(events, days, strict=True):
        attend(diary, Visit(child, event, start + timedelta(days=after), study))


def doses(diary: Diary, child: Child, first: date, number: int, events: tuple[tuple[str, int], ...] = (("ASP_D7", 7),)) -> None:
    """Asparaginase every 28 days, with draws after each dose."""
    for turn in range(number):
        day = first + timedelta(days=28 * turn)
        diary.on(day, "08:45", families.dose, child)
        for event, after in events:
            attend(diary, Visit(child, event, day + timedelta(days=after)))


def punctures(diary: Diary, child: Child, first: date, number: int) -> None:
    """Lumbar punctures with intrathecal treatment, every 14 days."""
    for turn in range(number):
        day = first + timedelta(days=14 * turn)
        diary.on(day, "08:40", families.mark, child, "any_intrathecal")
        attend(diary, Visit(child, "LP", day), planned=0)
