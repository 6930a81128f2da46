"""Planning and receiving once more, every statement as the service's role."""

# ruff: noqa: F403
import pytest

from tests.custody.conftest import ward as ward
from tests.specimens.test_plan_and_receive import *

pytestmark = pytest.mark.postgresql
