"""Use cases on tubes: plan, register, take apart, correct, and the acts of the bench."""

from biobank.specimens.service.acting import amend, do, earmark
from biobank.specimens.service.arriving import NewArrival, register_arrival
from biobank.specimens.service.evidence import evidence_pack
from biobank.specimens.service.making import NewAliquots, NewDerivatives, aliquot, derive
from biobank.specimens.service.planning import NewCollection, plan_collection
from biobank.specimens.service.rehoming import open_draw, rehome
from biobank.specimens.service.verification import check_specimens

__all__ = [
    "NewAliquots", "NewArrival", "NewCollection", "NewDerivatives", "aliquot", "amend", "check_specimens", "derive", "do", "earmark", "evidence_pack",
    "open_draw", "plan_collection", "register_arrival", "rehome",
]
