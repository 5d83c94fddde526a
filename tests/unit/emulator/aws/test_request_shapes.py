"""Requests that the SDK's validator finds fault with are refused, whatever protocol they come in."""

import json
from typing import Any
from urllib.parse import urlencode

import pytest

from tools.emulator.aws.request_shapes import RequestShapes, problem_of

SIGNED = "AWS4-HMAC-SHA256 Credential=111111111111/20261130/us-east-1/{}/aws4_request, SignedHeaders=host, Signature=0"


async def answer(headers: dict[str, str], body: str) -> tuple[int, str]:
    """Status and body of the answer; 200, with the body that arrived, if the request was let through."""
    sent: list[dict[str, Any]] = []

    async def application(_scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": (await receive())["body"]})

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body.encode(), "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    pairs = [(name.encode(), value.encode()) for name, value in headers.items()]
    await RequestShapes(application)({"type": "http", "method": "POST", "headers": pairs}, receive, send)
    return sent[0]["status"], sent[1]["body"].decode()


async def answer_in_json(target: str, request: dict[str, Any]) -> tuple[int, str]:
    """The answer to a request of a service that speaks JSON."""
    return await answer({"x-amz-target": target}, json.dumps(request))


async def answer_to_form(service: str, form: dict[str, str]) -> tuple[int, str]:
    """The answer to a request of a service that speaks the query protocol."""
    headers = {
        "content-type": "application/x-www-form-urlencoded; charset=utf-8",
        "authorization": SIGNED.format(service),
    }
    return await answer(headers, urlencode(form))


KEY = {"TableName": "sessions", "Key": {"tenantId": {"S": "acme"}}}
ENTRY = {"Id": "0", "MessageBody": "hello", "DelaySeconds": 1}
ROLE = {
    "Action": "AssumeRole",
    "Version": "2011-06-15",
    "RoleArn": "arn:aws:iam::111111111111:role/tenant",
    "RoleSessionName": "session",
    "Tags.member.1.Key": "tenantId",
    "Tags.member.1.Value": "acme",
    "TransitiveTagKeys.member.1": "tenantId",
    "DurationSeconds": "3600",
}
NOTICE = {
    "Action": "Publish",
    "Version": "2010-03-31",
    "Message": "hello",
    "MessageAttributes.entry.1.Name": "kind",
    "MessageAttributes.entry.1.Value.DataType": "String",
    "MessageAttributes.entry.1.Value.StringValue": "broadcast",
}


@pytest.mark.parametrize(
    ("target", "request_"),
    [
        ("DynamoDB_20120810.GetItem", KEY),
        ("DynamoDB_20120810.PutItem", {"TableName": "t", "Item": {"id": {"B": "aGVsbG8="}}}),
        ("AmazonSQS.SendMessageBatch", {"QueueUrl": "http://q", "Entries": [ENTRY]}),
        ("DynamoDB_20120810.Unknown", {}),
        ("AWSEvents.PutRule", {}),
    ],
)
async def test_a_request_in_json_of_the_right_shape_passes_unchanged(target: str, request_: dict[str, Any]) -> None:
    """So does one that is none of the checked services', which says so itself."""
    assert await answer_in_json(target, request_) == (200, json.dumps(request_))


@pytest.mark.parametrize(
    ("target", "request_", "problem"),
    [
        ("DynamoDB_20120810.GetItem", {"TableName": "t"}, 'Missing required parameter in input: "Key"'),
        ("DynamoDB_20120810.GetItem", KEY | {"Colour": "red"}, 'Unknown parameter in input: "Colour"'),
        ("DynamoDB_20120810.GetItem", KEY | {"Key": {"id": {"S": 1}}}, "Invalid type for parameter Key.id.S"),
        ("DynamoDB_20120810.BatchExecuteStatement", {"Statements": []}, "Invalid length for parameter Statements"),
        (
            "AmazonSQS.SendMessageBatch",
            {"QueueUrl": "http://q", "Entries": [{"Id": "0"}]},
            'Missing required parameter in Entries[0]: "MessageBody"',
        ),
    ],
)
async def test_a_request_in_json_of_a_wrong_shape_is_refused(
    target: str, request_: dict[str, Any], problem: str
) -> None:
    """With the error that the SDK's user would have got, had the check not been switched off."""
    status, body = await answer_in_json(target, request_)
    assert status == 400
    assert json.loads(body)["__type"] == "ValidationException"
    assert problem in json.loads(body)["message"]


@pytest.mark.parametrize(("service", "form"), [("sts", ROLE), ("sns", NOTICE), ("iam", {"Action": "CreateRole"})])
async def test_a_form_of_the_right_shape_passes_unchanged(service: str, form: dict[str, str]) -> None:
    """Lists, maps and numbers are read as the SDK writes them."""
    assert await answer_to_form(service, form) == (200, urlencode(form))


@pytest.mark.parametrize(
    ("service", "form", "problem"),
    [
        ("sts", ROLE | {"RoleArn": "short"}, "Invalid length for parameter RoleArn"),
        ("sts", {name: ROLE[name] for name in ROLE if name != "RoleSessionName"}, "RoleSessionName"),
        ("sts", {name: ROLE[name] for name in ROLE if "Value" not in name}, "Missing required parameter in Tags[0]"),
        ("sts", ROLE | {"DurationSeconds": "60"}, "Invalid value for parameter DurationSeconds"),
        (
            "sns",
            {name: NOTICE[name] for name in NOTICE if "DataType" not in name},
            "Missing required parameter in MessageAttributes.kind",
        ),
    ],
)
async def test_a_form_of_a_wrong_shape_is_refused(service: str, form: dict[str, str], problem: str) -> None:
    """In XML, as these services answer."""
    status, body = await answer_to_form(service, form)
    assert status == 400
    assert "<Code>ValidationError</Code>" in body
    assert problem in body


def test_a_problem_names_the_parameter() -> None:
    """Tests of adapters ask without a server."""
    assert problem_of("dynamodb", "GetItem", KEY) == ""
    assert "TableName" in problem_of("dynamodb", "GetItem", {"Key": {}})
