"""Requests from draft to delivery once more, every statement as the service's role."""

# ruff: noqa: F403
import pytest

from tests.requests.test_the_whole_path import *

pytestmark = pytest.mark.postgresql
