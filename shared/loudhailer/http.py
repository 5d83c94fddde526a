"""JSON answers of the functions behind the HTTP API.

Payload format 2.0: https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html
"""

from collections.abc import Mapping
from typing import Any

from loudhailer import codec

type Response = dict[str, Any]
"""A function's answer: `statusCode`, `headers` and `body`."""

_JSON = {"content-type": "application/json", "cache-control": "no-store"}


def respond(status: int, body: object, headers: Mapping[str, str] | None = None) -> Response:
    """Answer with JSON that no cache keeps; `headers` are added."""
    return {"statusCode": status, "headers": {**(headers or {}), **_JSON}, "body": codec.encode_text(body)}


def respond_invalid(status: int, field: str, message: str) -> Response:
    """Answer that a field of the request is missing or illegal."""
    return respond(status, invalid_body(field, message))


def invalid_body(field: str, message: str) -> dict[str, Any]:
    """Return the body of such an answer."""
    return {"error": {"field": field, "message": message}}
