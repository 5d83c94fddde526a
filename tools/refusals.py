"""Sentences for what AWS and the HTTP API refuse: what happened to which call, and the operator's next step."""

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
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
_OTHER_CREDENTIALS = (
    "Use credentials that may; for a release, those of a role that `loudhailer release context ENVIRONMENT` names."
)
_SET_THE_CLOCK = "Set it, with `timedatectl set-ntp true` say, and try again."
_CHECK_THE_KEYS = (
    "Look at the secret access key, which may be that of another access key, and at proxies; or sign in anew."
)
_WAIT = "The quota is of the account in its Region, and others use it, too. Wait a minute, and try again."
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

# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-troubleshooting.html and, for all services,
# https://docs.aws.amazon.com/IAM/latest/APIReference/CommonErrors.html
_EXPIRED = {"ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired"}
_UNKNOWN = {"InvalidAccessKeyId", "InvalidClientTokenId", "InvalidToken", "UnrecognizedClientException"}
_CLOCK = {"RequestExpired", "RequestInTheFuture", "RequestTimeTooSkewed"}
_SIGNATURE = {
    *("IncompleteSignature", "IncompleteSignatureException", "InvalidSignatureException"),
    *("MissingAuthenticationToken", "MissingAuthenticationTokenException", "SignatureDoesNotMatch"),
}
_THROTTLED = {"RequestLimitExceeded", "Throttling", "ThrottlingException", "TooManyRequestsException"}
_WRONG_TIME = ("Signature expired", "Signature not yet current")
_EXPIRED_TEXT = "security token included in the request is expired"
_UNKNOWN_TEXT = "security token included in the request is invalid"
_DENIED = {"AccessDenied", "AccessDeniedException", "AuthorizationError", "Forbidden", "UnauthorizedOperation"}


def refusal_of(error: BaseException, *, as_operator: bool = False) -> OperatorError | None:
    """Return the sentence for an error of a call, or for the one of AWS that caused it; None for any other error.

    `as_operator` is for a command on an environment: it runs in the operator's role, which the remedy names.
    """
    permitted = _TAKE_THE_ROLE if as_operator else _OTHER_CREDENTIALS
    if isinstance(error.__cause__, (ClientError, BotoCoreError)):
        return refusal_of(error.__cause__, as_operator=as_operator)
    if isinstance(error, ClientError):
        return _of_answer(error, permitted)
    if isinstance(error, ApiError):
        return _of_api(error, permitted)
    if isinstance(error, TimeoutError) and error.errno is not None:
        return of_the_system(error)
    for kinds, problem, remedy in _KINDS:
        if isinstance(error, kinds):
            return OperatorError(problem.format(_stripped(error)), remedy)
    return None


def _of_answer(error: ClientError, permitted: str) -> OperatorError:
    code, text = str(error.response["Error"].get("Code", "")), str(error.response["Error"].get("Message", ""))
    call = error.operation_name
    if code in _CLOCK or text.startswith(_WRONG_TIME):
        by = _deviation(error.response.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("date", ""))
        return OperatorError(
            f"The clock of this machine is wrong{by}, so AWS refused {call}: {_sentence(text or code)}", _SET_THE_CLOCK
        )
    for codes, problem, remedy in (
        (_EXPIRED, "The AWS credentials have expired.", _SIGN_IN),
        (
            _UNKNOWN,
            "AWS does not know these credentials ({code}), or the account has not enabled the Region.",
            _SIGN_IN,
        ),
        (_SIGNATURE, "AWS does not accept the signature of {call} ({code}).", _CHECK_THE_KEYS),
        (_DENIED, "These AWS credentials may not call {call}: {text}", permitted),
        (_THROTTLED, "AWS throttles {call}: {text}", _WAIT),
    ):
        if code in codes:
            return OperatorError(problem.format(call=call, code=code, text=_sentence(text or code)), remedy)
    return OperatorError(f"AWS refused {call}: {_sentence(text or code)}", _LOOK)


def _deviation(date: str) -> str:
    """The difference of this machine's clock from the time of an answer; empty if that is missing or agrees."""
    try:
        difference = datetime.now(UTC) - parsedate_to_datetime(date)
    except (TypeError, ValueError):
        return ""
    minutes = round(abs(difference) / timedelta(minutes=1))
    return f" by {minutes:,} minutes" if minutes else ""


def _of_api(error: ApiError, permitted: str) -> OperatorError:
    if error.status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
        return _of_gateway(error, permitted)
    match error.body:
        case {"error": {"field": str(field), "message": str(message)}}:
            return OperatorError(f"The HTTP API refused the request: {field} {_sentence(message)}")
        case {"error": {"message": str(message)}} | {"message": str(message)} | {"error": str(message)}:
            return OperatorError(f"The HTTP API answered with status {error.status:d}: {_sentence(message)}", _LOOK)
    return OperatorError(f"The HTTP API answered with status {error.status:d}.", _LOOK)


def _of_gateway(error: ApiError, permitted: str) -> OperatorError:
    """The sentence for a call that API Gateway has not let in, mostly by IAM."""
    text = str(error.body.get("message", "")) if isinstance(error.body, dict) else ""
    if text.startswith(_WRONG_TIME):
        return OperatorError(f"The clock of this machine is wrong: {_sentence(text)}", _SET_THE_CLOCK)
    if _EXPIRED_TEXT in text:
        return OperatorError("The AWS credentials have expired.", _SIGN_IN)
    if _UNKNOWN_TEXT in text:
        return OperatorError("AWS does not know these credentials.", _SIGN_IN)
    return OperatorError(f"The HTTP API does not let these credentials in (status {error.status:d}).", permitted)


def _sentence(text: Any) -> str:
    """The text with a full stop."""
    return f"{_stripped(text)}."


def _stripped(text: Any) -> str:
    return " ".join(str(text).split()).rstrip(".")
