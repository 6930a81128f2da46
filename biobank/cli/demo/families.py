"""What children and parents do: be enrolled, decide, relapse, get doses, die."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import date

from biobank.cli.demo.cast import HOME, STUDY
from biobank.cli.demo.lab import Lab
from biobank.consent.rules import Signature, age_on
from biobank.consent.service import NewDecision, decide
from biobank.specimens.queries import participant_code
from biobank.studies.queries import definition
from biobank.subjects.rules import NewAnchor, NewDose, NewEnrolment, NewEpisode, NewParticipant
from biobank.subjects.service import add_anchor, add_dose, enrol, record_death, register_participant
from biobank.withdrawals.service import withdraw

# Given as one dose in Dutch children before; the dose of ALLTogether1 was not found [S12].
UNITS_PER_M2 = 1500
TWELVE = 12


@dataclass(slots=True)
class Child:
    """A child of the cohort. `code` is known from the first enrolment on; `uses` are the sub-studies the family agreed to."""

    number: int
    born: date
    sex: str
    hospital: str = HOME
    code: str = ""
    uses: set[str] = field(default_factory=set)


def join(lab: Lab, child: Child, study: str, episode: NewEpisode, stratum: str | None = None, reason: str | None = None) -> None:
    """Enrol: a new participant, or a known one in a further study."""
    with lab.as_("manager") as work:
        number = f"{study[:3].upper()}-{child.number:04}"
        new = NewEnrolment(study, child.hospital, number, work.today, stratum, episode, reason)
        if child.code:
            enrol(work, child.code, new)
        else:
            enrolment = register_participant(work, NewParticipant(child.born, child.sex, new))
            child.code = participant_code(work, enrolment.participant_id)


def agree(lab: Lab, child: Child, study: str = STUDY, no: Collection[str] = (), authority: str = "joint", missing: Collection[str] = ()) -> None:
    """The family decides on every component, no to those in `no`; whoever is in `missing` has not signed."""
    with lab.as_("consent") as work:
        who = {"joint": ["parent", "second-parent"], "sole": ["parent"], "guardian": ["guardian"]}[authority]
        if age_on(child.born, work.today) >= TWELVE:
            who = ["participant", *who]
        signed = tuple(Signature(role, work.today) for role in who if role not in missing)
        offered = definition(work, study)
        for component in offered.components:
            answer = "no" if component.code in no else "yes"
            decide(work, child.code, NewDecision(study, component.code, answer, "v1", work.today, authority, signed))
        child.uses |= {sub.code for sub in offered.sub_studies if sub.component not in no} if not missing else set()


def decline_all(lab: Lab, child: Child, study: str = STUDY) -> None:
    """The family agrees to the registry and to nothing else."""
    with lab.as_("consent") as work:
        others = [component.code for component in definition(work, study).components if component.code != "registry"]
    agree(lab, child, study, others)


def mark(lab: Lab, child: Child, kind: str, study: str = STUDY) -> None:
    """A day that sampling is counted from is today."""
    with lab.as_("data") as work:
        add_anchor(work, child.code, NewAnchor(study, kind, work.today))


def dose(lab: Lab, child: Child) -> None:
    """A dose of PEG-asparaginase."""
    with lab.as_("data") as work:
        add_dose(work, child.code, NewDose(STUDY, work.now, "PEG_Ecoli", UNITS_PER_M2, "IV"))


def die(lab: Lab, child: Child) -> None:
    """The child has died today."""
    with lab.as_("data") as work:
        record_death(work, child.code, work.today)


def leave(lab: Lab, child: Child, study: str = STUDY) -> None:
    """The family withdraws consent to store; what was made of it already may still be used up elsewhere, nothing further here."""
    with lab.as_("consent") as work:
        withdraw(work, child.code, study, {"residual_storage": "no-further-use"})
