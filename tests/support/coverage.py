"""Pauses of coverage, which doubles the time of all Python that runs while it measures."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest


@contextmanager
def coverage_paused(config: pytest.Config) -> Iterator[None]:
    """Measure nothing in the block, if coverage is measured at all."""
    controller = getattr(config.pluginmanager.get_plugin("_cov"), "cov_controller", None)
    if controller is None:
        yield
        return
    controller.pause()
    try:
        yield
    finally:
        controller.resume()
