"""Sentences for what AWS and the HTTP API refuse: what happened to which call, and the operator's next step."""

from http import HTTPStatus
from typing import Any

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionError,  # noqa: A004 - the SDK's own, of calls
    CredentialRetrievalError,
    HTTPClientError,
    NoCredentialsError,
    PartialCredentialsError,
    SSOError,
    TokenRetrievalError,
)

from loudhailer.errors import InvalidFieldError, LoudhailerError
from tools.client.http import ApiError, UnreachableError
from tools.errors import OperatorError, of_the_system

_SIGN_IN = (
    "Sign in, with `aws sso login --profile PROFILE` or `aws configure` say, and name the profile: "
    "`loudhailer --environment ENVIRONMENT --profile PROFILE` …"
)
_TAKE_THE_ROLE = (
    "Use a profile of the operator's role, which the output operator_role_arn of the stack hub names; "
    "its variable `operators` says who may assume it."
)
_LOOK = "Look at `loudhailer status` and `logs`."

_KINDS: tuple[tuple[tuple[type[BaseException], ...], str, str], ...] = (
    ((NoCredentialsError, PartialCredentialsError), "There are no AWS credentials.", _SIGN_IN),
    (
        (CredentialRetrievalError, SSOError, TokenRetrievalError),
        "The AWS credentials cannot be renewed: {}.",
        _SIGN_IN,
    ),
    (
        (ConnectionError, HTTPClientError),
        "AWS cannot be reached: {}.",
        "Look at your network and the Region; for a local stack, at `loudhailer status`.",
    ),
    ((InvalidFieldError,), "{}.", ""),
    ((TimeoutError,), "No answer came in time.", _LOOK),
    ((UnreachableError,), "The HTTP API cannot be reached: {}.", _LOOK),
    ((LoudhailerError, BotoCoreError), "The stack refused: {}.", _LOOK),
)
"""The problem and the remedy, by the kinds of an error."""

_EXPIRED = {"ExpiredToken", "ExpiredTokenException", "RequestExpired"}
_UNKNOWN = {"InvalidAccessKeyId", "InvalidClientTokenId", "SignatureDoesNotMatch", "UnrecognizedClientException"}
_DENIED = {"AccessDenied", "AccessDeniedException", "AuthorizationError", "Forbidden", "UnauthorizedOperation"}


def refusal_of(error: BaseException) -> OperatorError | None:
    """Return the sentence for an error of a call, or for the one of AWS that caused it; None for any other error."""
    if isinstance(error.__cause__, (ClientError, BotoCoreError)):
        return refusal_of(error.__cause__)
    if isinstance(error, ClientError):
        return _of_answer(error)
    if isinstance(error, ApiError):
        return _of_api(error)
    if isinstance(error, TimeoutError) and error.errno is not None:
        return of_the_system(error)
    for kinds, problem, remedy in _KINDS:
        if isinstance(error, kinds):
            return OperatorError(problem.format(_stripped(error)), remedy)
    return None


def _of_answer(error: ClientError) -> OperatorError:
    code, text = str(error.response["Error"].get("Code", "")), str(error.response["Error"].get("Message", ""))
    call = error.operation_name
    if code in _EXPIRED:
        return OperatorError("The AWS credentials have expired.", _SIGN_IN)
    if code in _UNKNOWN:
        return OperatorError(f"AWS does not know these credentials ({code}).", _SIGN_IN)
    if code in _DENIED:
        return OperatorError(f"These AWS credentials may not call {call}: {_sentence(text or code)}", _TAKE_THE_ROLE)
    return OperatorError(f"AWS refused {call}: {_sentence(text or code)}", _LOOK)


def _of_api(error: ApiError) -> OperatorError:
    if error.status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
        return OperatorError(
            f"The HTTP API does not let these credentials in (status {error.status:d}).", _TAKE_THE_ROLE
        )
    match error.body:
        case {"error": {"field": str(field), "message": str(message)}}:
            return OperatorError(f"The HTTP API refused the request: {field} {_sentence(message)}")
        case {"error": {"message": str(message)}} | {"message": str(message)} | {"error": str(message)}:
            return OperatorError(f"The HTTP API answered with status {error.status:d}: {_sentence(message)}", _LOOK)
    return OperatorError(f"The HTTP API answered with status {error.status:d}.", _LOOK)


def _sentence(text: Any) -> str:
    """The text with a full stop."""
    return f"{_stripped(text)}."


def _stripped(text: Any) -> str:
    return " ".join(str(text).split()).rstrip(".")
