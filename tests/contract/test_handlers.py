"""Every function's handler, imported as Lambda imports it, on the local AWS: what its golden event must bring about."""

import importlib
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.lambda_environment import Context
from tests.support.surroundings import Golden, Surroundings, made

FUNCTIONS = sorted(path.parent.name for path in Path(__file__).parents[2].glob("functions/*/handler.py"))

pytestmark = pytest.mark.filterwarnings("ignore:No application metrics to publish")


@pytest.fixture(scope="module")
def surroundings(aws: Callable[[str], Any], aws_endpoint: str) -> Iterator[Surroundings]:
    """The variables of all functions together, and what they name."""
    with made(aws, aws_endpoint) as surroundings:
        yield surroundings


@pytest.fixture
def invoke(surroundings: Surroundings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str, Any], Any]]:
    """Imports a function's handler in the functions' environment and calls it; forgets it."""
    for name, value in surroundings.variables.items():
        monkeypatch.setenv(name, value)
    imported: list[str] = []

    def invoke(function: str, event: Any) -> Any:
        imported.append(f"functions.{function}.handler")
        return importlib.import_module(imported[-1]).handler(event, Context())

    yield invoke
    for module in imported:
        del sys.modules[module]


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_function_does_what_its_golden_event_is_for(
    invoke: Callable[[str, Any], Any], surroundings: Surroundings, function: str
) -> None:
    """The image is asked the same in tests/image."""
    golden = Golden.of(function, surroundings)
    surroundings.fill(golden.rows)
    golden.check(invoke(function, golden.event), surroundings)


def test_a_broadcast_that_is_published_is_recorded_and_on_the_topic(
    invoke: Callable[[str, Any], Any], surroundings: Surroundings
) -> None:
    """The topic hands it to a queue of the cell as it is."""
    queue = surroundings.subscribed_queue()
    answer = invoke("publish", {"message": "hello", "audience": {"all": True}, "broadcastId": "b1"})
    assert answer == {"broadcastId": "b1"}
    summary = surroundings.row("broadcasts", {"broadcastId": {"S": "b1"}, "part": {"S": "summary"}})
    assert summary is not None
    assert summary["announced"] == {"BOOL": True}
    (message,) = surroundings.aws("sqs").receive_message(QueueUrl=queue, WaitTimeSeconds=20)["Messages"]
    announced = json.loads(message["Body"])
    assert (announced["broadcastId"], announced["audience"]) == ("b1", {"all": True})
    assert json.loads(announced["data"])["data"] == "hello"
