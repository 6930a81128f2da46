"""Withdrawals and swaps once more, every statement as the service's role."""

# ruff: noqa: F403
import pytest

from tests.specimens.test_reassign import *
from tests.withdrawals.test_withdraw_a_component import *

pytestmark = pytest.mark.postgresql
