"""Metrics that several threads count."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, BrokenBarrierError

import pytest

from loudhailer.observability import count, metrics


def test_threads_count_one_after_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """The metrics of Powertools are a dictionary that each hundredth value empties: another thread's value was lost."""
    together, met = Barrier(2), []

    def add_metric(**_: object) -> None:
        try:
            together.wait(timeout=0.2)
        except BrokenBarrierError:
            return
        met.append(True)

    monkeypatch.setattr(metrics, "add_metric", add_metric)
    with ThreadPoolExecutor(2) as threads:
        list(threads.map(count, ["BroadcastExpress"] * 2))
    assert not met
