"""Reads that compose several capabilities: a tube with all that is known of it, what waits today, the plan of draws."""

from biobank.desk.queries.people import TubeCounts, by_subject_number, tube_counts, what_is_left
from biobank.desk.queries.plan import CollectionRow, collection, collections_between, collections_of, overdue, overdue_count, planned_tubes
from biobank.desk.queries.tubes import (
    TubeRow,
    births_of,
    collected_amounts,
    family_tree,
    find_tube,
    held_tubes,
    processing_of,
    taken_by_entries,
    tubes_by_id,
    tubes_of,
)
from biobank.desk.queries.waiting import Waiting, as_day, intake_by_day, out_of_slot, waiting

__all__ = [
    "CollectionRow", "TubeCounts", "TubeRow", "Waiting", "as_day", "births_of", "by_subject_number", "collected_amounts", "collection",
    "collections_between", "collections_of", "family_tree", "find_tube", "held_tubes", "intake_by_day", "out_of_slot", "overdue", "overdue_count",
    "planned_tubes", "processing_of", "taken_by_entries", "tube_counts", "tubes_by_id", "tubes_of", "waiting", "what_is_left",
]
