"""Sentences for what AWS and the HTTP API refuse."""

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, NoCredentialsError, UnauthorizedSSOTokenError

from loudhailer.errors import TransientError
from tools.client.http import ApiError, UnreachableError
from tools.refusals import refusal_of


def answer(code: str, message: str = "no") -> ClientError:
    """An error that AWS has answered."""
    return ClientError({"Error": {"Code": code, "Message": message}}, "GetItem")


@pytest.mark.parametrize(
    ("error", "problem", "remedy"),
    [
        (NoCredentialsError(), "There are no AWS credentials.", "aws sso login"),
        (UnauthorizedSSOTokenError(), "The AWS credentials cannot be renewed: ", "aws sso login"),
        (answer("ExpiredToken"), "The AWS credentials have expired.", "aws sso login"),
        (answer("InvalidClientTokenId"), "AWS does not know these credentials", "aws sso login"),
        (answer("AccessDeniedException"), "These AWS credentials may not call GetItem: no.", "operator_role_arn"),
        (answer("Oops", "It is full."), "AWS refused GetItem: It is full.", "loudhailer status"),
        (EndpointConnectionError(endpoint_url="https://x"), "AWS cannot be reached: Could not connect", "network"),
        (
            ApiError(403, {"message": "Forbidden"}),
            "does not let these credentials in (status 403)",
            "operator_role_arn",
        ),
        (
            ApiError(404, {"error": {"field": "audience.tenantId", "message": "is unknown"}}),
            "The HTTP API refused the request: audience.tenantId is unknown.",
            "",
        ),
        (ApiError(500, {"message": "Internal Server Error"}), "status 500: Internal Server Error.", "logs"),
        (ApiError(502, "<html>"), "The HTTP API answered with status 502.", "logs"),
        (UnreachableError("cannot connect"), "cannot connect", "loudhailer status"),
        (TimeoutError(), "No answer came in time.", "logs"),
    ],
)
def test_each_refusal_is_a_sentence_with_its_fix(error: Exception, problem: str, remedy: str) -> None:
    """No dict of Python's, no class's name."""
    found = refusal_of(error)
    assert found is not None
    assert problem in found.problem
    assert found.problem.endswith(".")
    assert "{" not in found.problem
    assert remedy in found.remedy


def test_the_cause_of_an_adapters_error_decides() -> None:
    """An adapter says that a call failed; only AWS's answer says why."""
    error = TransientError("GetItem failed")
    error.__cause__ = answer("ExpiredTokenException")
    found = refusal_of(error)
    assert found is not None
    assert found.problem == "The AWS credentials have expired."


def test_an_error_of_the_code_has_no_sentence() -> None:
    """It is to be seen with its traceback."""
    assert refusal_of(KeyError("x")) is None
