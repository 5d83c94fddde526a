"""What every test needs: the environment that Powertools reads when it is imported; properties without a stopwatch.

And what may run beside what, for `make test`.
"""

import os
from pathlib import Path

import pytest
from hypothesis import settings

os.environ.setdefault("POWERTOOLS_METRICS_NAMESPACE", "Loudhailer")
os.environ.setdefault("POWERTOOLS_SERVICE_NAME", "tests")

# A test never asserts a time, which Hypothesis does by itself.
settings.register_profile("loudhailer", deadline=None)
settings.load_profile("loudhailer")

_E2E = Path(__file__).with_name("e2e")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Three groups, each in its order: what shares the one stack, what brings stacks of its own, and everything else.

    Much of a stack's time goes into waiting: Terraform's provider looks at a new queue for 25 s.
    """
    for item in items:
        item.add_marker(pytest.mark.xdist_group(_group(item)))


def _group(item: pytest.Item) -> str:
    if item.get_closest_marker("own_code") is not None:
        return "own_code"
    return "e2e" if item.path.is_relative_to(_E2E) else "others"
