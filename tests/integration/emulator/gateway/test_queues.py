"""Routes without a function: from a client's socket through the gateway into the local AWS's queues, or back."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.integration.emulator.aws.running import launched
from tests.integration.emulator.gateway.local_api import (
    ACCOUNT,
    REGION,
    LocalApi,
    RunningGateway,
    add_role,
    client,
    running_gateway,
)

TEMPLATES = Path(__file__).parents[4] / "terraform" / "modules" / "websocket_api" / "templates"
SETTINGS = {
    "sessionId": "session-1",
    "sessionPerMinute": "5",
    "tenantPerMinute": "60",
    "connectionsPerSession": "2",
    "sessionTTL": "200",
    "tenantConnections": "10",
    "messagesPerMinute": "60",
}
SIZES = {"pooled": 262_144, "silo-gold": 262_144, "silo-small": 1_024, "silo-closed": 262_144}
HOSTILE = (
    "&Action=DeleteQueue&MessageAttribute.1.Value.StringValue=other",
    "%26MessageGroupId%3Dother %25 + +",
    "quotes ' \" \\ and $context.authorizer.tenantId #set($a = 1)$a",
    "line\nbreak\r\n\ttab \x00 nul",
    "\N{GRINNING FACE}é\N{RIGHT-TO-LEFT OVERRIDE}",
)


@dataclass(frozen=True)
class Queues:
    """A gateway whose routes lead to the queues `pooled` and `silo-<tenant>`."""

    gateway: RunningGateway

    def received(self, queue: str, count: int) -> list[dict[str, Any]]:
        """The next messages of a queue, which are deleted."""
        sqs = client("sqs", self.gateway.api.endpoint)
        url = sqs.get_queue_url(QueueName=f"{queue}.fifo")["QueueUrl"]
        messages: list[dict[str, Any]] = []
        while len(messages) < count:
            some = sqs.receive_message(
                QueueUrl=url,
                MaxNumberOfMessages=10,
                WaitTimeSeconds=10,
                AttributeNames=["All"],
                MessageAttributeNames=["All"],
            )["Messages"]
            for message in some:
                sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
            messages += some
        return messages


def query(tenant: str) -> dict[str, str]:
    """Return the query with which a client of a tenant connects; the authorizer lets it in with the settings above."""
    return {"tenantId": tenant, "context": json.dumps(SETTINGS)}


def add_queue_route(api: LocalApi, key: str, queue: str) -> None:
    """A route as `modules/websocket_api/queues.tf` makes it."""
    plane = api.control_plane
    integration = plane.create_integration(
        ApiId=api.api_id,
        IntegrationType="AWS",
        IntegrationMethod="POST",
        IntegrationUri=f"arn:aws:apigateway:{REGION}:sqs:path/{ACCOUNT}/{queue}.fifo",
        CredentialsArn=f"arn:aws:iam::{ACCOUNT}:role/sender",
        PassthroughBehavior="NEVER",
        TimeoutInMillis=5_000,
        TemplateSelectionExpression="\\$default",
        RequestTemplates={"$default": (TEMPLATES / "send_message.vtl").read_text().replace("\n", "")},
        RequestParameters={
            "integration.request.header.Content-Type": "'application/x-www-form-urlencoded'",
            "integration.request.path.tenantId": "context.authorizer.tenantId",
        },
    )["IntegrationId"]
    plane.create_integration_response(
        ApiId=api.api_id,
        IntegrationId=integration,
        IntegrationResponseKey="$default",
        TemplateSelectionExpression="$integration.response.statuscode",
        ResponseTemplates={"200": "## queued", "$default": (TEMPLATES / "not_queued.vtl").read_text().strip()},
    )
    api.add_answering_route(key, integration)


def add_mock_route(api: LocalApi, key: str, request: str) -> None:
    """A route as `modules/websocket_api/ping.tf` makes it, with another template for the request."""
    plane = api.control_plane
    integration = plane.create_integration(
        ApiId=api.api_id,
        IntegrationType="MOCK",
        PassthroughBehavior="NEVER",
        TemplateSelectionExpression="\\$default",
        RequestTemplates={"$default": request},
    )["IntegrationId"]
    plane.create_integration_response(
        ApiId=api.api_id,
        IntegrationId=integration,
        IntegrationResponseKey="$default",
        TemplateSelectionExpression="\\$default",
        ResponseTemplates={"$default": '{"action":"pong"}'},
    )
    api.add_answering_route(key, integration)


@pytest.fixture(scope="module")
def queues(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Queues]:
    """The local AWS, its queues, and a gateway that takes the largest message as one frame.

    The role may send to every queue but `silo-closed`.
    """
    with launched(tmp_path_factory.mktemp("local-aws")) as aws:
        arns = [f"arn:aws:sqs:{REGION}:{ACCOUNT}:{queue}.fifo" for queue in ("pooled", "silo-gold", "silo-small")]
        send = {"Effect": "Allow", "Action": "sqs:SendMessage", "Resource": arns}
        add_role(aws.endpoint, "sender", {"Service": "apigateway.amazonaws.com"}, send)
        api = LocalApi.create(aws.endpoint, tmp_path_factory.mktemp("notes"))
        sqs = client("sqs", aws.endpoint)
        for queue, size in SIZES.items():
            attributes = {
                "FifoQueue": "true",
                "DeduplicationScope": "messageGroup",
                "FifoThroughputLimit": "perMessageGroupId",
                "MaximumMessageSize": str(size),
            }
            sqs.create_queue(QueueName=f"{queue}.fifo", Attributes=attributes)
        add_queue_route(api, "PooledSQS", "pooled")
        add_queue_route(api, "SiloSQS", "silo-{tenantId}")
        add_mock_route(api, "ping", '{"statusCode":200}')
        add_mock_route(api, "broken", '{"statusCode":"200"}')
        with running_gateway(api, "--frame-bytes", "131072") as gateway:
            yield Queues(gateway)


@pytest.mark.parametrize("text", HOSTILE)
async def test_the_queue_gets_the_clients_message_unchanged(queues: Queues, text: str) -> None:
    """The body to the byte, the ten attributes, the session's group; and the client hears nothing."""
    body = json.dumps({"action": "PooledSQS", "message": text}, ensure_ascii=False, indent=1) + "\n "
    async with queues.gateway.connected(**query("gold")) as connected:
        await connected.socket.send_str(body)
        (message,) = queues.received("pooled", 1)
        next_frame = await connected.ask(action="echo")
    assert message["Body"] == body
    attributes = {name: value["StringValue"] for name, value in message["MessageAttributes"].items()}
    assert message["Attributes"]["MessageGroupId"] == "gold:session-1"
    assert message["Attributes"]["MessageDeduplicationId"] == attributes.pop("requestId")
    assert attributes == SETTINGS | {"tenantId": "gold", "connectionId": connected.connection_id}
    assert next_frame["requestContext"]["routeKey"] == "echo"


@pytest.mark.emulator_contract
async def test_a_message_of_the_largest_size_arrives_whole(queues: Queues) -> None:
    """120 KB of what grows most when it is encoded."""
    body = json.dumps({"action": "SiloSQS", "message": "&=%+ \N{GRINNING FACE}" * 13_500}, ensure_ascii=False)
    async with queues.gateway.connected(**query("gold")) as connected:
        await connected.socket.send_str(body)
        (message,) = queues.received("silo-gold", 1)
    assert message["Body"] == body


@pytest.mark.emulator_contract
async def test_frames_of_a_session_arrive_in_the_queue_in_order(queues: Queues) -> None:
    """Without waiting for one another."""
    async with queues.gateway.connected(**query("gold")) as connected:
        for number in range(200):
            await connected.socket.send_json({"action": "PooledSQS", "message": number})
        messages = queues.received("pooled", 200)
    assert [json.loads(message["Body"])["message"] for message in messages] == list(range(200))


@pytest.mark.parametrize(
    ("tenant", "message"),
    [("nobody", "x"), ("small", "x" * 2_000), ("closed", "x"), ("../pooled", "x"), ("g" * 64, "x")],
)
async def test_a_failed_send_is_answered_with_an_error_frame(queues: Queues, tenant: str, message: str) -> None:
    """The tenant has no silo, the message is too long for it, the role may not send to it, the id is none."""
    async with queues.gateway.connected(**query(tenant)) as connected:
        frame = await connected.ask(action="SiloSQS", message=message)
    assert frame.keys() == {"error", "connectionId", "requestId"}
    assert frame["error"]["code"] == "NOT_QUEUED"
    assert frame["connectionId"] == connected.connection_id


@pytest.mark.emulator_contract
async def test_a_mock_integration_answers_by_itself(queues: Queues) -> None:
    """Whatever else the frame holds; one whose template makes no integer status is an error."""
    async with queues.gateway.connected(**query("gold")) as connected:
        assert await connected.ask(action="ping", message="x") == {"action": "pong"}
        assert (await connected.ask(action="broken"))["message"] == "Internal server error"


@pytest.mark.emulator_contract
def test_a_mock_integration_has_no_method(queues: Queues) -> None:
    """Terraform would take it away again and again otherwise."""
    api = queues.gateway.api
    made = api.control_plane.create_integration(ApiId=api.api_id, IntegrationType="MOCK")
    api.control_plane.delete_integration(ApiId=api.api_id, IntegrationId=made["IntegrationId"])
    assert "IntegrationMethod" not in made


@pytest.mark.emulator_contract
async def test_a_session_without_its_settings_is_refused_by_the_queue(queues: Queues) -> None:
    """SQS takes no empty attribute."""
    async with queues.gateway.connected(tenantId="gold") as connected:
        frame = await connected.ask(action="PooledSQS", message="x")
    assert frame["error"]["code"] == "NOT_QUEUED"


@pytest.mark.emulator_contract
def test_an_integration_keeps_its_configuration(queues: Queues) -> None:
    """Terraform would set them again and again otherwise."""
    api = queues.gateway.api
    made = api.control_plane.create_integration(
        ApiId=api.api_id, IntegrationType="AWS", PassthroughBehavior="NEVER", CredentialsArn="arn:aws:iam::1:role/a"
    )
    integration = made["IntegrationId"]
    api.control_plane.update_integration(
        ApiId=api.api_id, IntegrationId=integration, TemplateSelectionExpression="\\$default"
    )
    kept = api.control_plane.get_integration(ApiId=api.api_id, IntegrationId=integration)
    api.control_plane.delete_integration(ApiId=api.api_id, IntegrationId=integration)
    assert (kept["CredentialsArn"], kept["PassthroughBehavior"], kept["TemplateSelectionExpression"]) == (
        "arn:aws:iam::1:role/a",
        "NEVER",
        "\\$default",
    )
