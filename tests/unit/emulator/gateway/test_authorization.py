"""Results of a handshake, by the authorizer's answer."""

from typing import Any

import pytest

from tests.unit.emulator.gateway.stand_ins import StandInClient
from tools.emulator.gateway.api import FunctionRef, RequestAuthorizer, Stage
from tools.emulator.gateway.authorization import AuthorizationRefusal, identity_is_complete, read_authorizer_answer
from tools.emulator.gateway.events import authorizer_event
from tools.emulator.gateway.invocation import Invocation, InvocationStatus

FUNCTION = FunctionRef("123456789012", "us-east-1", "authorizer", "live")
ARN = "arn:aws:execute-api:us-east-1:123456789012:abcdef123/default/$connect"


def result(effect: str = "Allow", **members: Any) -> dict[str, Any]:
    """An authorizer's result."""
    statement = {"Effect": effect, "Action": "execute-api:Invoke", "Resource": ARN}
    return {"principalId": "me", "policyDocument": {"Version": "2012-10-17", "Statement": [statement]}, **members}


def answer(
    payload: Any, status: InvocationStatus = InvocationStatus.RETURNED, size: int = 100
) -> dict[str, str] | AuthorizationRefusal:
    """Return the gateway's reading of it."""
    return read_authorizer_answer(StandInClient().connection, Invocation(status, payload, size))


def status_of(payload: Any, status: InvocationStatus = InvocationStatus.RETURNED, size: int = 100) -> int:
    """The status of the refusal."""
    refusal = answer(payload, status, size)
    assert isinstance(refusal, AuthorizationRefusal)
    return refusal.status


def test_the_context_reaches_events_as_strings() -> None:
    """The example of "Output from an API Gateway Lambda authorizer": every value is stringified."""
    context = {"stringKey": "value", "numberKey": 1, "booleanKey": True, "fraction": 0.5}
    assert answer(result(context=context)) == {
        "stringKey": "value",
        "numberKey": "1",
        "booleanKey": "true",
        "fraction": "0.5",
        "principalId": "me",
    }


def test_an_authorizer_without_a_context_yields_its_principal() -> None:
    """The principal is always there."""
    assert answer(result()) == {"principalId": "me"}


def test_a_deny_is_403_and_distinguishes_explicit_from_implicit() -> None:
    """The two messages of API Gateway."""
    explicit, implicit = answer(result("Deny")), answer(result() | {"policyDocument": {"Statement": []}})
    assert isinstance(explicit, AuthorizationRefusal)
    assert isinstance(implicit, AuthorizationRefusal)
    assert (explicit.status, implicit.status) == (403, 403)
    assert explicit.message == "User is not authorized to access this resource with an explicit deny"
    assert implicit.message == "User is not authorized to access this resource"


def test_the_error_unauthorized_is_401_and_any_other_is_500() -> None:
    """The one error message that API Gateway knows."""
    assert status_of({"errorMessage": "Unauthorized", "errorType": "Exception"}, InvocationStatus.FAILED) == 401
    assert status_of({"errorMessage": "unauthorized", "errorType": "Exception"}, InvocationStatus.FAILED) == 500
    assert status_of("exited", InvocationStatus.FAILED) == 500


@pytest.mark.parametrize(
    "status", [InvocationStatus.TIMED_OUT, InvocationStatus.THROTTLED, InvocationStatus.UNAVAILABLE]
)
def test_an_authorizer_that_does_not_answer_is_a_500(status: InvocationStatus) -> None:
    """Nobody is let in by a failure."""
    assert status_of(None, status) == 500


@pytest.mark.parametrize(
    "payload",
    [
        None,
        [],
        "Allow",
        {"principalId": "me"},
        {"policyDocument": result()["policyDocument"]},
        result() | {"principalId": 5},
        result(context={"list": []}),
        result(context={"object": {}}),
        result(context={"nothing": None}),
    ],
)
def test_a_malformed_result_is_a_500(payload: Any) -> None:
    """A context holds strings, numbers and booleans only."""
    assert status_of(payload) == 500


def test_a_result_over_8_kb_is_a_500() -> None:
    """AWS's fixed limit."""
    assert status_of(result(), size=8 * 1024 + 1) == 500


@pytest.mark.parametrize(
    ("source", "complete"),
    [
        ("route.request.querystring.tenantId", True),
        ("route.request.querystring.tenantid", False),
        ("route.request.querystring.empty", False),
        ("route.request.header.headerauth1", True),
        ("route.request.header.Other", False),
        ("stageVariables.StageVar1", True),
        ("stageVariables.other", False),
        ("context.apiId", True),
        ("context.identity.sourceIp", True),
        ("context.other", False),
        ("route.request.multivalueheader.X", False),
    ],
)
def test_an_identity_source_must_have_a_value(source: str, complete: bool) -> None:  # noqa: FBT001 - a table of cases
    """Missing or empty is a 401, without a call."""
    client = StandInClient(stage=Stage("default", {"StageVar1": "v"}), query="tenantId=t&empty=")
    event = authorizer_event(client.connection, 0.0)
    assert identity_is_complete(RequestAuthorizer(FUNCTION, (source,)), event) is complete
    assert identity_is_complete(RequestAuthorizer(FUNCTION, ()), event)
