"""The metrics that a test's code counted."""

from tests.unit.functions_control.conftest import counted

__all__ = ["counted"]
