"""The metrics that a test's code counted."""

from collections import Counter
from typing import Any

import pytest

from loudhailer.observability import metrics


@pytest.fixture(autouse=True)
def counted(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """The sum of each metric; none is kept for the next test."""
    sums: Counter[str] = Counter()

    def add_metric(*, name: str, value: int, **_: Any) -> None:
        sums[name] += value

    monkeypatch.setattr(metrics, "add_metric", add_metric)
    return sums
