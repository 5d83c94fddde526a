"""Roles that a request hands to a service: its caller must be allowed `iam:PassRole` on each, for that service.

AWS: https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_use_passrole.html. The operations that ask for it, with
the value of `iam:PassedToService`, are listed for each service:
https://docs.aws.amazon.com/service-authorization/latest/reference/list_lambda.html
https://docs.aws.amazon.com/service-authorization/latest/reference/list_apigateway.html
https://docs.aws.amazon.com/service-authorization/latest/reference/list_apigatewayv2.html
https://docs.aws.amazon.com/service-authorization/latest/reference/list_events.html
An event source mapping passes none: it reads in the role that its function has.
"""

import json
import re
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, NamedTuple


class PassedRole(NamedTuple):
    """A role's ARN, and the principal of the service that gets it."""

    arn: str
    service: str


_FUNCTION = re.compile(r"/[\d-]+/functions(/[^/]+/configuration)?/?")
_PART_OF_API = re.compile(r"/v2/apis(/.*)?")
_ACCOUNT = re.compile(r"/account/?")


def passed_roles(service: str, method: str, path: str, target: str, body: bytes) -> list[PassedRole]:
    """The roles that a request passes on, in the order in which it names them.

    `target` is the operation in the header `X-Amz-Target`, empty where a service has none.
    """
    match service:
        case "lambda" if method in {"POST", "PUT"} and _FUNCTION.fullmatch(path):
            found = _named(_read(body), ("Role",), "lambda.amazonaws.com")
        case "apigateway" if method in {"POST", "PATCH", "PUT"} and _PART_OF_API.fullmatch(path):
            found = _named(_read(body), ("credentialsArn", "authorizerCredentialsArn"), "apigateway.amazonaws.com")
        case "apigateway" if method == "PATCH" and _ACCOUNT.fullmatch(path):
            changes = _each(_read(body), "patchOperations")
            roles = (change for change in changes if change.get("path") == "/cloudwatchRoleArn")
            found = (role for change in roles for role in _named(change, ("value",), "apigateway.amazonaws.com"))
        case "events" if target.endswith((".PutRule", ".PutTargets")):
            request = _read(body)
            takers = [request, *_each(request, "Targets")]
            found = (role for taker in takers for role in _named(taker, ("RoleArn",), "events.amazonaws.com"))
        case _:
            return []
    return list(found)


def _read(body: bytes) -> dict[str, Any]:
    """The request; empty if it is none that a service could read."""
    with suppress(ValueError):
        request = json.loads(body or b"null")
        return request if isinstance(request, dict) else {}
    return {}


def _each(request: dict[str, Any], field: str) -> list[dict[str, Any]]:
    found = request.get(field)
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def _named(request: dict[str, Any], fields: tuple[str, ...], service: str) -> Iterator[PassedRole]:
    for field in fields:
        arn = request.get(field)
        # `arn:aws:iam::*:user/*` stands for the caller itself, and is no role.
        if isinstance(arn, str) and ":role/" in arn:
            yield PassedRole(arn, service)
