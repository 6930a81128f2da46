"""Every table, for Alembic."""

from biobank.consent import models as consent
from biobank.core import codes, idempotency, outbox, vocabulary
from biobank.core.db import Base
from biobank.corrections import models as corrections
from biobank.custody import models as custody
from biobank.identity import models as identity
from biobank.labels import models as labels
from biobank.ledger import models as ledger
from biobank.places import models as places
from biobank.requests import models as requests
from biobank.specimens import models as specimens
from biobank.studies import models as studies
from biobank.subjects import models as subjects

MODULES = (
    codes, idempotency, outbox, vocabulary, consent, corrections, custody, identity, labels, ledger, places, requests, specimens, studies, subjects,
)
metadata = Base.metadata
