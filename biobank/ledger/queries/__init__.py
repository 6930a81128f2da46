"""Reading chains, the tree over them, and the triggers that guard them."""

from biobank.ledger.queries.reading import EntryRead, chains_with_entries, entries, entry_count, has_schema, newest_recorded, sealed_of
from biobank.ledger.queries.tree import (
    CheckpointRead,
    LeafRead,
    checkpoint_at,
    checkpoints,
    first_leaf,
    leaf_of,
    leaves,
    lock_unsealed,
    newest_checkpoint,
    newest_checkpoints,
    node_counts,
    nodes,
    sealed_and_not,
    tree,
    unsealed_seqs,
    whose,
)
from biobank.ledger.queries.triggers import missing_triggers, trigger_faults

__all__ = [
    "CheckpointRead", "EntryRead", "LeafRead", "chains_with_entries", "checkpoint_at", "checkpoints", "entries", "entry_count", "first_leaf",
    "has_schema", "leaf_of", "leaves", "lock_unsealed", "missing_triggers", "newest_checkpoint", "newest_checkpoints", "newest_recorded",
    "node_counts", "nodes", "sealed_and_not", "sealed_of", "tree", "trigger_faults", "unsealed_seqs", "whose",
]
