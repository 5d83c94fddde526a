"""The roles that a request passes on to a service."""

import json
from typing import Any

import pytest

from tools.emulator.aws.passed_roles import PassedRole, passed_roles

ROLE = "arn:aws:iam::111111111111:role/one"
ANOTHER = "arn:aws:iam::111111111111:role/two"
LAMBDA = [PassedRole(ROLE, "lambda.amazonaws.com")]
GATEWAY = [PassedRole(ROLE, "apigateway.amazonaws.com")]
EVENTS = [PassedRole(ROLE, "events.amazonaws.com")]
LOGS = {"op": "replace", "path": "/cloudwatchRoleArn", "value": ROLE}


@pytest.mark.parametrize(
    ("service", "operation", "request_", "passed"),
    [
        ("lambda", "POST /2015-03-31/functions", {"FunctionName": "f", "Role": ROLE}, LAMBDA),
        ("lambda", "PUT /2015-03-31/functions/f/configuration", {"Role": ROLE}, LAMBDA),
        ("lambda", "PUT /2015-03-31/functions/f/configuration", {"Timeout": 3}, []),
        ("lambda", "POST /2015-03-31/functions/f/invocations", {"Role": ROLE}, []),
        ("lambda", "POST /2015-03-31/event-source-mappings", {"FunctionName": "f"}, []),
        ("apigateway", "POST /v2/apis/a/integrations", {"credentialsArn": ROLE}, GATEWAY),
        ("apigateway", "PATCH /v2/apis/a/integrations/i", {"credentialsArn": ROLE}, GATEWAY),
        ("apigateway", "POST /v2/apis/a/integrations", {"credentialsArn": "arn:aws:iam::*:user/*"}, []),
        ("apigateway", "POST /v2/apis/a/authorizers", {"authorizerCredentialsArn": ROLE}, GATEWAY),
        ("apigateway", "POST /v2/apis", {"credentialsArn": ROLE}, GATEWAY),
        ("apigateway", "PATCH /account", {"patchOperations": [LOGS]}, GATEWAY),
        ("apigateway", "PATCH /account", {"patchOperations": [LOGS | {"path": "/other"}, None]}, []),
        ("events", "POST AWSEvents.PutTargets", {"Targets": [{"Id": "1"}, {"RoleArn": ROLE}, 1]}, EVENTS),
        ("events", "POST AWSEvents.PutRule", {"Name": "r", "RoleArn": ROLE}, EVENTS),
        ("events", "POST AWSEvents.DeleteRule", {"Name": "r", "RoleArn": ROLE}, []),
        ("sqs", "POST AmazonSQS.SendMessage", {"Role": ROLE, "RoleArn": ROLE}, []),
        ("lambda", "POST /2015-03-31/functions", [ROLE], []),
    ],
)
def test_every_operation_that_passes_a_role_is_recognised(
    service: str, operation: str, request_: Any, passed: list[PassedRole]
) -> None:
    """Each operation that a stack uses, and those beside it that pass none."""
    method, _, where = operation.partition(" ")
    path, target = (where, "") if where.startswith("/") else ("/", where)
    assert passed_roles(service, method, path, target, json.dumps(request_).encode()) == passed


def test_each_role_of_a_request_is_found() -> None:
    """The caller needs the permission for all of them."""
    request = {"Targets": [{"RoleArn": ROLE}, {"RoleArn": ANOTHER}]}
    found = passed_roles("events", "POST", "/", "AWSEvents.PutTargets", json.dumps(request).encode())
    assert [role.arn for role in found] == [ROLE, ANOTHER]


@pytest.mark.parametrize("body", [b"", b"no JSON", b"\xff"])
def test_a_request_without_json_passes_no_role(body: bytes) -> None:
    """The service itself refuses it."""
    assert passed_roles("lambda", "POST", "/2015-03-31/functions", "", body) == []
