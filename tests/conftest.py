"""What every test needs: the environment that Powertools reads when it is imported; properties without a stopwatch.

And what may run beside what, for `make test`.
"""

import os
from typing import Any

import pytest
from hypothesis import settings
from xdist.scheduler import LoadScopeScheduling

os.environ.setdefault("POWERTOOLS_METRICS_NAMESPACE", "Loudhailer")
os.environ.setdefault("POWERTOOLS_SERVICE_NAME", "tests")

# A test never asserts a time, which Hypothesis does by itself.
settings.register_profile("loudhailer", deadline=None)
settings.load_profile("loudhailer")

_E2E = "tests/e2e/"
_OWN_CODE = [f"{_E2E}test_{name}.py" for name in ("release", "rollout", "upgrade")]
"""What deploys code of its own to a stack of its own, whatever the package."""


def pytest_itemcollected(item: pytest.Item) -> None:
    """Marks those tests."""
    if item.nodeid.partition("::")[0] in _OWN_CODE:
        item.add_marker("own_code")


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> "Groups":
    """Says what runs beside what."""
    return Groups(config, log)


class Groups(LoadScopeScheduling):  # type: ignore[misc]  # xdist has no types
    """Three groups, each in its order: what shares the one stack, what brings stacks of its own, and everything else.

    Much of a stack's time goes into waiting: Terraform's provider looks at a new queue for 25 s.
    """

    def _split_scope(self, nodeid: str) -> str:
        path = nodeid.partition("::")[0]
        if path in _OWN_CODE:
            return "own code"
        return "the stack" if path.startswith(_E2E) else "everything else"
