"""Unit tests have no network: what needs a socket is an integration test. Metrics are summed, not written."""

from collections import Counter
from typing import Any

import pytest
from pytest_socket import disable_socket

from loudhailer.observability import metrics


def pytest_runtest_setup() -> None:
    """Refuse every socket but those that an event loop wakes itself with."""
    disable_socket(allow_unix_socket=True)


@pytest.fixture(autouse=True)
def counted(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """The sum of each metric that the test's code counted; none is kept for the next test."""
    sums: Counter[str] = Counter()

    def add_metric(*, name: str, value: int, **_: Any) -> None:
        sums[name] += value

    monkeypatch.setattr(metrics, "add_metric", add_metric)
    return sums
