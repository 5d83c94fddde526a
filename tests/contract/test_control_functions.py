"""The control functions' handlers, as Lambda runs them, on real tables: one client's life from session to close."""

import importlib
import json
import sys
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from loudhailer.codec import decode
from loudhailer.ids import TenantId
from loudhailer.tenants.dynamodb import DynamoTenantStore
from loudhailer.tenants.model import Tenant
from tests.support.aws import ACCOUNT, SECRET
from tests.support.checkout import module_of
from tests.support.tables import KEYS, TableKind

FUNCTIONS = ("authorizer", "connect", "disconnect", "default_route", "accounting", "session_api", "reconcile")
CONTEXT = SimpleNamespace(
    function_name="test",
    memory_limit_in_mb=256,
    invoked_function_arn=f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:test",
    aws_request_id="r1",
    get_remaining_time_in_millis=lambda: 30_000,
)
STAGE = f"arn:aws:execute-api:us-east-1:{ACCOUNT}:a1b2c3d4e5/live"
WHO = {"tenantId": "acme", "sessionId": "s1"}

pytestmark = pytest.mark.filterwarnings("ignore:No application metrics to publish")


class Deployment:
    """The handlers, wired to tables of their own."""

    def __init__(self, dynamodb: Any, tables: dict[TableKind, str]) -> None:
        self._dynamodb = dynamodb
        self._tables = tables
        self._handlers = {name: importlib.import_module(module_of(name, "handler")).handler for name in FUNCTIONS}
        self._sequence = 0

    def invoke(self, function: str, event: dict[str, Any]) -> Any:
        """Return the function's answer."""
        return self._handlers[function](event, CONTEXT)

    def http(self, route: str, **query: str) -> Any:
        """The body of `session_api`'s reply."""
        event = {"routeKey": route, "queryStringParameters": query, "pathParameters": query, "requestContext": {}}
        return decode(self.invoke("session_api", event)["body"])

    def handshake(self, connection: str) -> tuple[int, dict[str, Any]]:
        """The status of a handshake, and the context that the connection has from then on."""
        request = {"connectionId": connection}
        policy = self.invoke(
            "authorizer",
            {"methodArn": f"{STAGE}/$connect", "queryStringParameters": WHO, "requestContext": request},
        )
        if policy["policyDocument"]["Statement"][0]["Effect"] == "Deny":
            return 403, {}
        context = {name: str(value) for name, value in policy["context"].items()}
        answer = self.invoke("connect", {"requestContext": {**request, "authorizer": context}})
        return answer["statusCode"], context

    def rows(self, kind: TableKind) -> list[dict[str, Any]]:
        """All items of a table."""
        items: list[dict[str, Any]] = self._dynamodb.scan(TableName=self._tables[kind])["Items"]
        return items

    def account(self, event_name: str, item: dict[str, Any]) -> Any:
        """Have `accounting` count one change of a connection's row."""
        self._sequence += 1
        keys = {name: item[name] for name in KEYS["connections"]}
        change = {"Keys": keys, "SequenceNumber": str(self._sequence), "OldImage": item}
        return self.invoke(
            "accounting", {"Records": [{"eventID": f"e{self._sequence}", "eventName": event_name, "dynamodb": change}]}
        )


def tenant_role(iam: Any, name: str) -> str:
    """A role that does anything for any tenant: that Terraform's do less is tested with those."""
    trust = {"Action": ["sts:AssumeRole", "sts:TagSession"], "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}}
    made = iam.create_role(RoleName=name, AssumeRolePolicyDocument=policy(trust))
    iam.put_role_policy(
        RoleName=name, PolicyName="all", PolicyDocument=policy({"Action": "dynamodb:*", "Resource": "*"})
    )
    return str(made["Role"]["Arn"])


def policy(statement: dict[str, Any]) -> str:
    """A policy with the statement."""
    return json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", **statement}]})


@pytest.fixture
def deployment(
    aws: Callable[[str], Any],
    aws_endpoint: str,
    table: Callable[[TableKind], str],
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Deployment]:
    """All tables with the tenant acme, and the environment that Terraform sets."""
    tables: dict[TableKind, str] = {kind: table(kind) for kind in KEYS}
    for kind, name in tables.items():
        monkeypatch.setenv(f"{kind.upper()}_TABLE", name)
    queue = aws("sqs").create_queue(QueueName=f"{tables['limits']}-failure")["QueueUrl"]
    for name, value in {
        "ACCOUNTING_FAILURE_QUEUE_URL": queue,
        "TENANT_ROLE_ARN": tenant_role(aws("iam"), f"{tables['limits']}-tenant"),
        "CONNECTIONS_PER_PARTITION": "10",
        "MAX_PARTITIONS": "5",
        "CALLBACK_ENDPOINT": "https://abcdefghij.execute-api.us-east-1.amazonaws.com/live",
        "CONNECTS_PER_SECOND": "0",
        "CONNECTS_RESERVE": "0.03",
        "SESSION_SHARE": "0.25",
        "WEBSOCKET_URL": "ws://127.0.0.1:1/a1b2c3d4e5/live",
        "SESSION_AUTH": "none",
        "TENANT_CLAIM": "tenantId",
        "LIST_TENANTS": "true",
        "SPREAD_SESSIONS": "true",
        "SILO_TENANTS": "[]",
        "SHORTEST_SESSION_ID": "1",
        "AWS_ENDPOINT_URL": aws_endpoint,
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": ACCOUNT,
        "AWS_SECRET_ACCESS_KEY": SECRET,
    }.items():
        monkeypatch.setenv(name, value)
    DynamoTenantStore(aws("dynamodb"), tables["tenants"]).put(
        Tenant(
            TenantId("acme"),
            tenant_connections=3,
            connections_per_session=2,
            tenant_per_minute=60,
            session_per_minute=5,
            messages_per_minute=60,
            session_seconds=200,
        )
    )
    yield Deployment(aws("dynamodb"), tables)
    for name in FUNCTIONS:
        del sys.modules[module_of(name, "handler")]


def test_a_client_is_served_from_its_session_to_its_close(deployment: Deployment) -> None:
    """Each function continues where the one before it stopped, and nothing remains at the end."""
    assert deployment.handshake("a=")[0] == 403
    assert deployment.http("PUT /session", **WHO)["webSocketUrl"] == "ws://127.0.0.1:1/a1b2c3d4e5/live"
    status, context = deployment.handshake("a=")
    assert (status, context["partition"]) == (200, "acme#00000")
    (row,) = deployment.rows("connections")
    assert deployment.account("INSERT", row) == {"batchItemFailures": []}
    (partition,) = deployment.rows("partitions")
    assert (partition["connectionCount"], partition["checkpoint"]) == ({"N": "1"}, {"S": "1".zfill(40)})
    request = {"connectionId": "a=", "requestId": "r1", "authorizer": context}
    frame = deployment.invoke("default_route", {"requestContext": request, "body": "hello"})
    assert decode(frame["body"])["error"]["code"] == "NOT_JSON"
    closed = {"Records": [{"messageId": "m1", "body": f"{context['partition']} a="}]}
    assert deployment.invoke("disconnect", closed) == {"batchItemFailures": []}
    assert deployment.rows("connections") == []
    assert deployment.account("REMOVE", row) == {"batchItemFailures": []}
    assert deployment.rows("partitions")[0]["connectionCount"] == {"N": "0"}
    assert deployment.rows("limits")[0]["itemCount"] == {"N": "0"}
    assert "connectionIds" not in deployment.rows("sessions")[0]
    deployment.invoke("reconcile", {"source": "aws.events"})
    assert deployment.http("DELETE /session", **WHO) == {}
    assert deployment.handshake("b=")[0] == 403


def test_a_session_accepts_clients_up_to_its_limit(deployment: Deployment) -> None:
    """The third is answered 429."""
    deployment.http("PUT /session", **WHO)
    assert [deployment.handshake(name)[0] for name in ("a=", "b=", "c=")] == [200, 200, 429]
    assert len(deployment.rows("connections")) == 2
    assert deployment.rows("limits")[0]["itemCount"] == {"N": "2"}


def test_a_flood_of_frames_without_a_route_ends_the_session(deployment: Deployment) -> None:
    """More than ten times the 60 messages of a minute, whichever minute they are in."""
    deployment.http("PUT /session", **WHO)
    _, context = deployment.handshake("a=")
    event = {
        "requestContext": {"connectionId": "a=", "requestId": "r1", "requestTimeEpoch": 1, "authorizer": context},
        "body": '{"action":"fly"}',
    }
    answers = [deployment.invoke("default_route", event) for _ in range(1_230)]
    assert [decode(answer["body"])["error"]["code"] for answer in answers[:599]] == ["UNKNOWN_ACTION"] * 599
    assert {"statusCode": 200} in answers
    assert deployment.rows("sessions") == []


def test_tenants_and_reports_are_answered(deployment: Deployment) -> None:
    """From their tables."""
    assert [item["tenantId"] for item in deployment.http("GET /tenant")["Items"]] == ["acme"]
    assert deployment.http("GET /broadcast/{id}", id="unknown")["error"]["field"] == "broadcastId"
