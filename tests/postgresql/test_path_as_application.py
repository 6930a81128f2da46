"""The whole path once more, every statement as the service's role: it needs no right that it has not been given."""

# ruff: noqa: F403
import pytest

from tests.custody.conftest import ward as ward
from tests.custody.test_undo import *
from tests.path.test_each_study import *
from tests.path.test_whole_path import *
from tests.specimens.test_making_tubes import *
from tests.specimens.test_revive import *
from tests.storage.test_put_away import *

pytestmark = pytest.mark.postgresql
