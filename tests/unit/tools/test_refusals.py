"""Sentences for what AWS and the HTTP API refuse."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from types import SimpleNamespace
from typing import Any

import pytest
import typer
from botocore.exceptions import ClientError, EndpointConnectionError, NoCredentialsError, UnauthorizedSSOTokenError

from loudhailer.errors import TransientError
from tools.client.http import ApiError, UnreachableError
from tools.commands import Commands
from tools.refusals import refusal_of


def answer(code: str, message: str = "no") -> ClientError:
    """An error that AWS has answered."""
    return ClientError({"Error": {"Code": code, "Message": message}}, "GetItem")


EXPIRED = "Signature expired: 20261201T020000Z is now earlier than 20261201T023000Z (20261201T023500Z - 5 min.)"
EARLY = "Signature not yet current: 20261201T030000Z is still later than 20261201T024000Z (20261201T023500Z + 5 min.)"


@pytest.mark.parametrize(
    ("error", "problem", "remedy"),
    [
        (NoCredentialsError(), "There are no AWS credentials.", "aws sso login"),
        (UnauthorizedSSOTokenError(), "The AWS credentials cannot be renewed: ", "aws sso login"),
        (answer("ExpiredToken"), "The AWS credentials have expired.", "aws sso login"),
        (answer("InvalidClientTokenId"), "AWS does not know these credentials", "aws sso login"),
        (answer("UnrecognizedClientException"), "AWS does not know these credentials", "aws sso login"),
        (answer("SignatureDoesNotMatch"), "AWS does not accept the signature of GetItem", "secret access key"),
        (answer("InvalidSignatureException"), "AWS does not accept the signature of GetItem", "secret access key"),
        (answer("IncompleteSignature"), "AWS does not accept the signature of GetItem", "secret access key"),
        (
            answer("RequestTimeTooSkewed"),
            "The clock of this machine is wrong, so AWS refused GetItem: no.",
            "timedatectl",
        ),
        (answer("RequestExpired"), "The clock of this machine is wrong", "timedatectl"),
        (answer("InvalidSignatureException", EXPIRED), "The clock of this machine is wrong", "timedatectl"),
        (answer("SignatureDoesNotMatch", EARLY), "The clock of this machine is wrong", "timedatectl"),
        (answer("AccessDeniedException"), "These AWS credentials may not call GetItem: no.", "operator_role_arn"),
        (answer("ThrottlingException", "Rate exceeded"), "AWS throttles GetItem: Rate exceeded.", "Wait a minute"),
        (answer("Oops", "It is full."), "AWS refused GetItem: It is full.", "loudhailer status"),
        (EndpointConnectionError(endpoint_url="https://x"), "AWS cannot be reached: Could not connect", "network"),
        (
            ApiError(403, {"message": "Forbidden"}),
            "does not let these credentials in (status 403)",
            "operator_role_arn",
        ),
        (ApiError(403, {"message": EXPIRED}), "The clock of this machine is wrong: Signature expired", "timedatectl"),
        (
            ApiError(403, {"message": "The security token included in the request is expired"}),
            "The AWS credentials have expired.",
            "aws sso login",
        ),
        (
            ApiError(403, {"message": "The security token included in the request is invalid."}),
            "AWS does not know these credentials.",
            "aws sso login",
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
    found = refusal_of(error, as_operator=True)
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


@pytest.mark.parametrize("hours", [2, -2])
def test_a_wrong_clock_is_reported_with_its_deviation(hours: int) -> None:
    """The time of AWS's answer tells it."""
    headers = {"date": format_datetime(datetime.now(UTC) + timedelta(hours=hours), usegmt=True)}
    response: Any = {"Error": {"Code": "RequestTimeTooSkewed"}, "ResponseMetadata": {"HTTPHeaders": headers}}
    found = refusal_of(ClientError(response, "GetObject"))
    assert found is not None
    assert "The clock of this machine is wrong by 120 minutes, so AWS refused GetObject" in found.problem


@pytest.mark.parametrize("error", [answer("AccessDenied"), ApiError(403, {"message": "Forbidden"})])
def test_the_operators_role_is_named_to_commands_that_run_in_it_alone(error: Exception) -> None:
    """A release runs in CI's roles, a probe in a role of its own, and the operator's has none of their rights."""
    operator, other = refusal_of(error, as_operator=True), refusal_of(error)
    assert operator is not None
    assert other is not None
    assert "operator_role_arn" in operator.remedy
    assert "operator" not in other.remedy
    assert "release context" in other.remedy


@pytest.mark.parametrize("on_aws", [True, False])
def test_a_command_on_an_environment_runs_as_the_operator(*, on_aws: bool, capfd: pytest.CaptureFixture[str]) -> None:
    """The other ones do not take the option `--environment`."""

    def prepare(context: typer.Context) -> None:
        context.obj = SimpleNamespace(aws="production" if on_aws else None)

    def refuse() -> None:
        raise answer("AccessDenied")

    app = typer.Typer(cls=Commands)
    app.callback()(prepare)
    app.command("refuse")(refuse)
    with pytest.raises(SystemExit):
        app(["refuse"])
    assert ("operator_role_arn" in capfd.readouterr().err) is on_aws


def test_an_error_of_the_code_has_no_sentence() -> None:
    """It is to be seen with its traceback."""
    assert refusal_of(KeyError("x")) is None
