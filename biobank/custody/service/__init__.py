"""Acts on tubes. `record` is the one function that changes a tube's standing and writes its entry."""

from biobank.custody.service.births import Birth, bear
from biobank.custody.service.checking import check_traces
from biobank.custody.service.consenting import reconsider, wanted_hold
from biobank.custody.service.doing import Belonging, Doing
from biobank.custody.service.record import Recorded, record
from biobank.custody.service.verification import check_standings

__all__ = ["Belonging", "Birth", "Doing", "Recorded", "bear", "check_standings", "check_traces", "reconsider", "record", "wanted_hold"]
