"""The ward of the tests of this folder."""

from tests.custody.conftest import ward

__all__ = ["ward"]
