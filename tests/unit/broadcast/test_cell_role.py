"""A subscriber's worker speaks in the cell's role, on a wire that ends in this process."""

import re
import subprocess
import sys
from dataclasses import replace
from datetime import timedelta
from functools import cache
from urllib.parse import parse_qs

import pytest
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.httpsession import URLLib3Session

from functions.broadcast.post_message.identity import Identity, identity
from functions.broadcast.post_message.settings import Settings
from loudhailer.aws import clients
from loudhailer.delivery.lending.dynamodb import DynamoLaneStore
from loudhailer.errors import TransientError
from loudhailer.queues.sqs import SqsQueue
from tests.unit.aws import sdk_wire

QUEUE = "https://sqs.eu-west-1.amazonaws.com/111111111111/loudhailer-test-outcome"
ROLE = "arn:aws:iam::111111111111:role/loudhailer-test/loudhailer-test-subscriber-blue"
SETTINGS = Settings(
    callback_endpoint="https://abcdefghij.execute-api.eu-west-1.amazonaws.com/live",
    outcome_queue_url=QUEUE,
    dead_letter_queue_url=QUEUE,
    lane_kind="normal",
    lane_posts_per_second=100.0,
    lane_shares={"normal": 0.9, "low": 0.1},
    lanes_table="loudhailer-test-lanes",
    assume_role_arn=ROLE,
    external_id="blue-1",
)


class Wire:
    """Answers as STS and SQS do, and keeps the requests."""

    def __init__(self) -> None:
        self.assumed: list[tuple[str, dict[str, str]]] = []
        self.sent_with: list[str] = []
        self.read_with: list[str] = []
        self.lifetime = timedelta(hours=1)
        self.refuses = False

    def answer(self, request: AWSPreparedRequest) -> AWSResponse:
        """One answer."""
        key = re.findall("Credential=([^/]+)/", sdk_wire.text(request.headers["Authorization"]))[0]
        if "//dynamodb." in str(request.url):
            self.read_with.append(key)
            return sdk_wire.response(request, 200, "{}")
        if "//sqs." in str(request.url):
            self.sent_with.append(key)
            return sdk_wire.response(request, 200, '{"Successful": [], "Failed": []}')
        if self.refuses:
            return sdk_wire.refused(request)
        self.assumed.append((key, {name: values[0] for name, values in parse_qs(sdk_wire.text(request.body)).items()}))
        return sdk_wire.assumed(request, f"CELL-{len(self.assumed)}", self.lifetime)


@pytest.fixture
def wire(monkeypatch: pytest.MonkeyPatch) -> Wire:
    """The other end of every connection of the SDK, for a function that has credentials and a Region."""
    for name, value in sdk_wire.FUNCTION.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    # The SDK's session keeps credentials: this one is not for other tests.
    monkeypatch.setattr(clients, "_session", cache(clients._session.__wrapped__))
    end = Wire()
    monkeypatch.setattr(URLLib3Session, "send", lambda _, request: end.answer(request))
    return end


def tell(worker: Identity) -> None:
    """Send one message."""
    SqsQueue(worker.sqs, QUEUE, pause=lambda _: None).send_all(["an outcome"])


def test_a_subscribers_posts_and_messages_are_signed_with_one_session_of_the_cells_role(wire: Wire) -> None:
    """It is assumed by the function's own role, with the external id, and once."""
    worker = identity(SETTINGS)
    tell(worker)
    assert worker.credentials().access_key == "ASIA-CELL-1"
    assert worker.credentials().token == "token-CELL-1"
    assert wire.sent_with == ["ASIA-CELL-1"]
    assert wire.assumed == [
        (
            "ASIA-FUNCTION",
            {
                "Action": "AssumeRole",
                "Version": "2011-06-15",
                "RoleArn": ROLE,
                "RoleSessionName": "post_message",
                "ExternalId": "blue-1",
            },
        )
    ]


def test_a_subscribers_lanes_are_marked_in_the_cells_role(wire: Wire) -> None:
    """The table of lanes is the cell's; a call is made once, and given up after half a second."""
    worker = identity(SETTINGS)
    assert DynamoLaneStore(worker.dynamodb, "loudhailer-test-lanes").marks() == {}
    assert wire.read_with == ["ASIA-CELL-1"]
    assert worker.dynamodb.meta.config.retries["total_max_attempts"] == 1
    assert worker.dynamodb.meta.config.read_timeout == 0.5


def test_the_cells_own_lanes_are_marked_by_the_function_itself(wire: Wire) -> None:
    """With the same short patience."""
    worker = identity(replace(SETTINGS, assume_role_arn=None, external_id=None))
    assert DynamoLaneStore(worker.dynamodb, "loudhailer-test-lanes").marks() == {}
    assert wire.read_with == ["ASIA-FUNCTION"]
    assert worker.dynamodb.meta.config.retries["total_max_attempts"] == 1
    assert worker.dynamodb.meta.config.read_timeout == 0.5


def test_a_role_without_an_external_id_is_assumed_without_one(wire: Wire) -> None:
    """STS refuses an empty one."""
    tell(identity(replace(SETTINGS, external_id=None)))
    ((_, request),) = wire.assumed
    assert "ExternalId" not in request


def test_the_roles_credentials_are_renewed_before_they_expire(wire: Wire) -> None:
    """Some minutes are left of the first ones when the next use asks for new ones."""
    worker = identity(SETTINGS)
    wire.lifetime = timedelta(minutes=5)
    first = worker.credentials()
    wire.lifetime = timedelta(hours=1)
    assert worker.credentials() != first
    tell(worker)
    assert worker.credentials().access_key == "ASIA-CELL-2"
    assert wire.sent_with == ["ASIA-CELL-2"]


def test_a_refused_role_is_a_transient_error_of_the_chunk(wire: Wire) -> None:
    """Before anything is posted: the message is delivered again."""
    wire.refuses = True
    worker = identity(SETTINGS)
    with pytest.raises(TransientError, match="AssumeRole failed"):
        worker.credentials()
    with pytest.raises(TransientError, match="AssumeRole failed"):
        tell(worker)


def test_the_cells_own_worker_uses_its_own_role(wire: Wire) -> None:
    """Without a role, nothing is assumed."""
    worker = identity(replace(SETTINGS, assume_role_arn=None, external_id=None))
    tell(worker)
    assert worker.credentials().access_key == "ASIA-FUNCTION"
    assert wire.sent_with == ["ASIA-FUNCTION"]
    assert wire.assumed == []


def test_the_cells_own_worker_starts_without_the_sdk() -> None:
    """Nothing of its cold start goes into a session of botocore or a client."""
    program = "import sys, functions.broadcast.post_message.identity; print('botocore.session' in sys.modules)"
    started = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert started.stdout.strip() == "False"
