"""Unit tests have no network: a test that needs a socket is an integration test. Metrics are summed, not written.

Coverage is of functions and of the code that they share. To measure it costs as much again as a test itself, so it
rests while tests of other code run.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from pytest_socket import disable_socket

from loudhailer import codec
from loudhailer.observability import logger, metrics
from tests.support.coverage import coverage_paused

_HERE = Path(__file__).parent
_OF_OTHER_CODE = {"bench", "emulator", "image", "release", "repository", "terraform_templates", "toolchain", "tools"}
"""The folders whose tests reach no function and no shared code that others do not."""


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Let coverage rest for the tests of other code, and for their fixtures; pytest asks for every test of the run."""
    if not any(folder.parent == _HERE and folder.name in _OF_OTHER_CODE for folder in item.path.parents):
        return (yield)
    with coverage_paused(item.config):
        return (yield)


def pytest_runtest_setup() -> None:
    """Refuse every socket except the ones with which an event loop wakes itself."""
    disable_socket(allow_unix_socket=True)


@pytest.fixture(autouse=True)
def counted(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """The sum of each metric that the test's code counted; none is kept for the next test."""
    sums: Counter[str] = Counter()

    def add_metric(*, name: str, value: int, **_: Any) -> None:
        sums[name] += value

    monkeypatch.setattr(metrics, "add_metric", add_metric)
    return sums


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> StringIO:
    """The lines that the test's code logs."""
    stream = StringIO()
    monkeypatch.setattr(logger.registered_handler, "stream", stream)
    return stream


@pytest.fixture
def logged(log: StringIO) -> Callable[..., list[tuple[Any, ...]]]:
    """The values of the keys that are asked for, in each line that the test's code logs."""
    return lambda *keys: [
        tuple(line.get(key) for key in keys) for line in map(codec.decode_object, log.getvalue().splitlines())
    ]
