"""What a withdrawal does to a tube, by where the tube is. The rest of the table (shipments, recalls, results) comes with those capabilities."""

from __future__ import annotations

# status of the tube -> what is done when its store component is withdrawn; of one that only stops collecting the plans alone are touched
EFFECTS = {
    "expected": "plan cancelled",
    "in_custody": "held; reservations set free",
    "with_recipient": "held; ask the recipient to stop and return it",
    "gone": "nothing left to hold",
    "cancelled": "nothing to do",
}
