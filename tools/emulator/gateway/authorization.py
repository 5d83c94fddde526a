"""Asks a REQUEST authorizer whether a client may connect.

https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-websocket-api-lambda-auth.html and
https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-lambda-authorizer-output.html
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from tools.emulator.gateway.api import RequestAuthorizer
from tools.emulator.gateway.connection import OpenConnection
from tools.emulator.gateway.events import GatewayEvent, method_arn
from tools.emulator.gateway.invocation import Invocation, InvocationStatus
from tools.emulator.gateway.policy import Decision, MalformedPolicyError, decide

_RESULT_BYTES = 8 * 1024  # AWS's limit for an authorizer's result


@dataclass(frozen=True, slots=True)
class AuthorizationRefusal:
    """A handshake that is answered with a status, an error type and a message; `cause` is for the log."""

    status: int
    error_type: str
    message: str
    cause: str = ""


UNAUTHORIZED = AuthorizationRefusal(HTTPStatus.UNAUTHORIZED, "UnauthorizedException", "Unauthorized")
EXPLICIT_DENY = AuthorizationRefusal(
    HTTPStatus.FORBIDDEN,
    "AccessDeniedException",
    "User is not authorized to access this resource with an explicit deny",
)
IMPLICIT_DENY = AuthorizationRefusal(
    HTTPStatus.FORBIDDEN, "AccessDeniedException", "User is not authorized to access this resource"
)


def identity_is_complete(authorizer: RequestAuthorizer, event: GatewayEvent) -> bool:
    """Tell whether every identity source has a value; if not, API Gateway answers 401 without the authorizer."""
    return all(_identity(source, event) for source in authorizer.identity_sources)


def _identity(source: str, event: GatewayEvent) -> str | None:
    """The value that `route.request.header.X`, `route.request.querystring.x` and the like name."""
    place, _, name = source.rpartition(".")
    match place:
        case "route.request.header":
            headers = {each.lower(): value for each, value in event["headers"].items()}
            value = headers.get(name.lower())
        case "route.request.querystring":
            value = event["queryStringParameters"].get(name)
        case "stageVariables":
            value = event["stageVariables"].get(name)
        case "context" | "context.identity":
            context = event["requestContext"]
            value = (context["identity"] if place.endswith("identity") else context).get(name)
        case _:
            value = None
    return value


def read_authorizer_answer(connection: OpenConnection, invocation: Invocation) -> dict[str, str] | AuthorizationRefusal:
    """The authorizer's context, for all later events, or why the client may not connect."""
    if invocation.status is InvocationStatus.FAILED and _error_message(invocation.payload) == "Unauthorized":
        return UNAUTHORIZED
    if invocation.status is not InvocationStatus.RETURNED:
        return _failed(f"the authorizer ended as {invocation.status.value}: {invocation.payload}")
    if invocation.size > _RESULT_BYTES:
        return _failed("the authorizer's result is over 8 KB")
    try:
        return _read_result(invocation.payload, method_arn(connection))
    except (MalformedPolicyError, TypeError, ValueError) as error:
        return _failed(f"malformed authorizer result: {error}")


def _read_result(result: Any, arn: str) -> dict[str, str] | AuthorizationRefusal:
    if not isinstance(result, Mapping) or not isinstance(result.get("principalId"), str):
        raise TypeError("principalId is not a string")
    match decide(result.get("policyDocument"), arn):
        case Decision.EXPLICIT_DENY:
            return EXPLICIT_DENY
        case Decision.IMPLICIT_DENY:
            return IMPLICIT_DENY
        case Decision.ALLOW:
            context = result.get("context") or {}
            return {name: _stringified(name, value) for name, value in context.items()} | {
                "principalId": result["principalId"]
            }


def _stringified(name: str, value: Any) -> str:
    """Context values reach integrations as strings; objects, lists and null are not allowed."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool | int | float):
        return json.dumps(value)
    raise TypeError(f"context.{name} is neither a string nor a number nor a boolean")


def _error_message(payload: Any) -> str | None:
    return payload.get("errorMessage") if isinstance(payload, Mapping) else None


def _failed(cause: str) -> AuthorizationRefusal:
    return AuthorizationRefusal(
        HTTPStatus.INTERNAL_SERVER_ERROR, "AuthorizerFailureException", "Internal server error", cause
    )
