"""Use cases on tubes: plan, register, take apart, correct, and the acts of the bench."""

from biobank.specimens.service.acting import amend, do, earmark
from biobank.specimens.service.arriving import NewArrival, register_arrival
from biobank.specimens.service.making import NewAliquots, NewDerivatives, aliquot, derive
from biobank.specimens.service.planning import NewCollection, plan_collection

__all__ = [
    "NewAliquots", "NewArrival", "NewCollection", "NewDerivatives", "aliquot", "amend", "derive", "do", "earmark", "plan_collection",
    "register_arrival",
]
