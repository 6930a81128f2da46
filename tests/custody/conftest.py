"""The ward of the tests of this folder."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from biobank.core.work import Units
from tests.client import Client
from tests.ward import Ward, open_ward


@pytest.fixture
def ward(units: Units, api: Callable[[str], Client]) -> Ward:
    """A child, a released marrow of 2 mL, and a box of 2 × 2."""
    return open_ward(units, api("technician"), api("manager"))
