"""Use cases of requests: make and move them, reserve tubes by plan, pick and hand over by scan."""

from biobank.requests.service.allocating import Allocated, allocate, unreserve
from biobank.requests.service.moving import NewItem, NewRequest, check_etag, create, etag, steps_for, transition
from biobank.requests.service.picking import deliver, pick, unpick
from biobank.requests.service.verification import check_requests

__all__ = [
    "Allocated",
    "NewItem",
    "NewRequest",
    "allocate",
    "check_etag",
    "check_requests",
    "create",
    "deliver",
    "etag",
    "pick",
    "steps_for",
    "transition",
    "unpick",
    "unreserve",
]
