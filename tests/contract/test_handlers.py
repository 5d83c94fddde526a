"""Every function's handler, imported as Lambda imports it, on the local AWS: what its golden event must bring about."""

import importlib
import json
import re
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from functions.connections.connect.connect import LONGEST_WAIT_SECONDS
from loudhailer.ids import ConnectionId
from tests.support.checkout import ROOT, functions, module_of
from tests.support.lambda_environment import StubContext
from tests.support.surroundings import Golden, Surroundings, made

FUNCTIONS = functions()

pytestmark = pytest.mark.filterwarnings("ignore:No application metrics to publish")


@pytest.fixture(scope="module")
def surroundings(aws: Callable[[str], Any], aws_endpoint: str) -> Iterator[Surroundings]:
    """The variables of all functions together, and the resources that they name."""
    with made(aws, aws_endpoint) as surroundings:
        yield surroundings


@pytest.fixture
def invoke(surroundings: Surroundings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Any]]:
    """Imports a function's handler in the functions' environment, and calls it; the module is forgotten afterwards."""
    for name, value in surroundings.variables.items():
        monkeypatch.setenv(name, value)
    imported: list[str] = []

    def invoke(function: str, event: Any, context: StubContext | None = None) -> Any:
        imported.append(module_of(function, "handler"))
        return importlib.import_module(imported[-1]).handler(event, context or StubContext())

    yield invoke
    for module in imported:
        sys.modules.pop(module, None)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_function_handles_its_golden_event(
    invoke: Callable[..., Any], surroundings: Surroundings, function: str
) -> None:
    """The image is asked the same in tests/image."""
    golden = Golden.of(function, surroundings)
    surroundings.fill(golden.rows)
    golden.check(invoke(function, golden.event), surroundings)


def test_connect_reserves_time_for_its_slowest_calls(invoke: Callable[..., Any], surroundings: Surroundings) -> None:
    """Its time is enough to wait for a busy table, for one more transaction, and to release the reservation.

    Before, it kept two seconds, and a single call could take more than the function had.
    """
    surroundings.fill(Golden.of("connect", surroundings).rows)
    invoke("connect", Golden.of("connect", surroundings).event)
    connect = sys.modules[module_of("connect", "handler")]
    configured: Any = connect.dynamodb.meta.config
    attempts = configured.retries["total_max_attempts"]
    call = attempts * (configured.connect_timeout + configured.read_timeout) + 2.0 ** (attempts - 1) - 1
    assert 3 * call <= connect.RESERVE_SECONDS  # a transaction under either key of the session, and the release
    sources = (ROOT / "terraform/stacks/hub/functions.tf").read_text()
    (timeout,) = re.findall(r"^ +connect += \{ timeout = (\d+) \}$", sources, re.MULTILINE)
    assert int(timeout) >= connect.RESERVE_SECONDS + LONGEST_WAIT_SECONDS


def test_a_broadcast_that_is_published_is_recorded_and_on_the_topic(
    invoke: Callable[..., Any], surroundings: Surroundings
) -> None:
    """The topic hands it to a queue of the cell as it is."""
    queue = surroundings.subscribed_queue()
    event = {"message": "hello", "audience": {"all": True}, "broadcastId": "b1", "priority": "bulk"}
    answer = invoke("publish", event)
    assert (answer["broadcastId"], answer["priority"]) == ("b1", "bulk")
    summary = surroundings.row("broadcasts", {"broadcastId": {"S": "b1"}, "part": {"S": "summary"}})
    assert summary is not None
    assert summary["announced"] == {"BOOL": True}
    (message,) = surroundings.aws("sqs").receive_message(QueueUrl=queue, WaitTimeSeconds=20)["Messages"]
    announced = json.loads(message["Body"])
    assert (announced["broadcastId"], announced["audience"]) == ("b1", {"all": True})
    assert json.loads(announced["data"])["data"] == "hello"


def test_each_broadcast_of_a_batch_is_recorded_and_on_the_topic(
    invoke: Callable[..., Any], surroundings: Surroundings
) -> None:
    """The bad one is answered at its place."""
    queue = surroundings.subscribed_queue()
    good = [{"message": number, "audience": {"all": True}, "broadcastId": f"c{number}"} for number in range(2)]
    body = json.dumps(
        {"broadcasts": [{**good[0], "priority": "bulk"}, {"message": 1}, {**good[1], "priority": "bulk"}]}
    )
    answer = invoke("publish", {"routeKey": "POST /broadcasts", "requestContext": {}, "body": body})
    results = json.loads(answer["body"])["results"]
    assert (answer["statusCode"], [each["status"] for each in results]) == (200, [202, 400, 202])
    announced = set[str]()
    while len(announced) < len(good):
        messages = surroundings.aws("sqs").receive_message(QueueUrl=queue, WaitTimeSeconds=20)["Messages"]
        announced |= {json.loads(message["Body"])["broadcastId"] for message in messages}
    assert announced == {"c0", "c1"}


def test_a_small_broadcast_is_recorded_and_in_the_express_queue(
    invoke: Callable[..., Any], surroundings: Surroundings
) -> None:
    """Its recipients are found in the tables as they are."""
    golden = Golden.of("query", surroundings)
    counted = {"tenantId": {"S": "gold"}, "partition": {"S": "gold#00000"}, "connectionCount": {"N": "1"}}
    counted |= {"checkpoint": {"S": ""}}
    surroundings.fill({"connections": golden.rows["connections"], "partitions": [counted], "broadcasts": []})
    answer = invoke("publish", {"message": "hello", "broadcastId": "b2"})
    assert answer == {"broadcastId": "b2", "expected": 1, "estimatedSeconds": 0.05, "priority": "express"}
    ((queue, message),) = surroundings.taken_messages().items()
    assert (queue, message["broadcastId"], message["group"]) == ("bench-express", "b2", "*")
    assert message["connections"] == {"gold#00000": ["Ab1cdEfgHIJKLmn="]}
    assert surroundings.row("broadcasts", {"broadcastId": {"S": "b2#0"}, "part": {"S": "chunk#0.0"}}) is not None


def test_a_message_that_every_worker_failed_on_is_given_up(
    invoke: Callable[..., Any], surroundings: Surroundings
) -> None:
    """The message comes from another queue than outcomes do, and a malformed one goes to the dead letters."""
    golden = Golden.of("settle", surroundings)
    (record,) = golden.event["Records"][:1]
    record |= {"eventSourceARN": surroundings.variables["UNDELIVERED_QUEUE_ARN"], "body": '{"v":1}'}
    assert invoke("settle", {"Records": [record]}) == {"batchItemFailures": []}
    assert surroundings.taken_messages() == {"bench-dead_letter": {"v": 1}}


class NoTime(StubContext):
    """The context of an invocation whose time is over."""

    def get_remaining_time_in_millis(self) -> int:
        """None of it can be used."""
        return 1_000


def test_a_chunk_goes_back_to_a_shard_that_was_added_after_the_version(
    invoke: Callable[..., Any], surroundings: Surroundings
) -> None:
    """While a release with more shards shifts, versions from before it get chunks of the new ones."""
    golden = Golden.of("post_message", surroundings)
    name, sqs = f"{surroundings.name}bench-shard-31", surroundings.aws("sqs")
    assert name not in surroundings.variables["SHARD_QUEUE_URLS"]
    url = sqs.create_queue(QueueName=name)["QueueUrl"]
    (record,) = golden.event["Records"]
    record["eventSourceARN"] = f"{record['eventSourceARN'].rpartition(':')[0]}:{name}"
    assert invoke("post_message", golden.event, NoTime()) == golden.answer
    (message,) = sqs.receive_message(QueueUrl=url)["Messages"]
    assert json.loads(message["Body"])["chunkId"] == "0.0"
    assert surroundings.taken_posts() == {}


def test_a_wake_that_fails_is_reported(invoke: Callable[..., Any], surroundings: Surroundings) -> None:
    """Its connection does not take the message now; that it is delivered again soon is up to SQS."""
    golden = Golden.of("relay_message", surroundings)
    surroundings.fill(golden.rows)
    surroundings.management_api.answers[ConnectionId("Ab1cdEfgHIJKLmn=")] = [429]
    answer = invoke("relay_message", golden.event)
    assert answer == {"batchItemFailures": [{"itemIdentifier": "11111111-1111-1111-1111-111111111111"}]}
    surroundings.management_api.answers.clear()
    surroundings.management_api.requests.clear()


def test_members_of_channels_are_counted_without_sessions_and_limits(
    invoke: Callable[..., Any], surroundings: Surroundings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The instances of `accounting` and `reconcile` for members have no tables of tenants, sessions and limits."""
    for missing in ("TENANTS_TABLE", "SESSIONS_TABLE", "LIMITS_TABLE"):
        monkeypatch.delenv(missing)
    monkeypatch.setenv("CONNECTIONS_TABLE", surroundings.variables["MEMBERS_TABLE"])
    monkeypatch.setenv("PARTITIONS_TABLE", surroundings.variables["AUDIENCES_TABLE"])
    partition = {"S": "gold#news/*#00000"}
    audience = {"tenantId": {"S": "gold#news/*"}, "partition": partition}
    surroundings.fill({"audiences": [audience | {"connectionCount": {"N": "0"}, "checkpoint": {"S": ""}}]})
    event = Golden.of("accounting", surroundings).event
    (record,) = event["Records"]
    for image in ("Keys", "NewImage"):
        record["dynamodb"][image]["partition"] = partition
    assert invoke("accounting", event) == {"batchItemFailures": []}
    invoke("reconcile", {})
    row = surroundings.row("audiences", audience)
    assert row is not None
    assert row["connectionCount"] == {"N": "1"}
