"""Reading of a proxy function's answer by the gateway."""

from typing import Any

import pytest

from tools.emulator.gateway.integration import IntegrationFailure, Reply, read_proxy_answer
from tools.emulator.gateway.invocation import Invocation, InvocationStatus


def returned(payload: Any) -> Reply | IntegrationFailure:
    """The answer for a function's result."""
    return read_proxy_answer(Invocation(InvocationStatus.RETURNED, payload))


def test_status_body_and_headers_are_the_functions() -> None:
    """Only the status is needed."""
    assert returned({"statusCode": 200}) == Reply(200)
    assert returned({"statusCode": "429", "body": "limit", "headers": {"A": 1}}) == Reply(429, "limit", {"A": "1"})
    assert returned({"statusCode": 200, "body": None, "headers": None}) == Reply(200)


def test_a_base64_body_is_decoded() -> None:
    """As the function says it is."""
    assert returned({"statusCode": 200, "body": "aGk=", "isBase64Encoded": True}) == Reply(200, "hi")


@pytest.mark.parametrize(
    "payload",
    [
        None,
        "ok",
        {},
        {"statusCode": "many"},
        {"statusCode": 1000},
        {"statusCode": None},
        {"statusCode": 200, "body": {"an": "object"}},
        {"statusCode": 200, "headers": []},
        {"statusCode": 200, "body": "not base64!", "isBase64Encoded": True},
    ],
)
def test_a_malformed_answer_is_a_502(payload: Any) -> None:
    """Internal server error, as API Gateway says it."""
    failure = returned(payload)
    assert isinstance(failure, IntegrationFailure)
    assert (failure.status, failure.message) == (502, "Internal server error")


@pytest.mark.parametrize(
    ("status", "code", "message"),
    [
        (InvocationStatus.FAILED, 502, "Internal server error"),
        (InvocationStatus.TIMED_OUT, 504, "Endpoint request timed out"),
        (InvocationStatus.THROTTLED, 500, "Internal server error"),
        (InvocationStatus.UNAVAILABLE, 500, "Internal server error"),
    ],
)
def test_a_function_that_does_not_answer_is_a_failure(status: InvocationStatus, code: int, message: str) -> None:
    """Another try is worth it only when it was not called at all."""
    failure = read_proxy_answer(Invocation(status))
    assert isinstance(failure, IntegrationFailure)
    assert (failure.status, failure.message, failure.again) == (
        code,
        message,
        status in {InvocationStatus.THROTTLED, InvocationStatus.UNAVAILABLE},
    )
