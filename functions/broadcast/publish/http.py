"""`POST /broadcast` over the HTTP API, and the direct invocation `{"message": ...}`."""

import base64
from typing import Any

from functions.broadcast.publish.publish import (
    ChannelsNotYetError,
    ContentConflictError,
    MessageTooLargeError,
    Publish,
    UnknownTenantError,
)
from loudhailer import codec, http
from loudhailer.errors import InvalidFieldError

_STATUS = {UnknownTenantError: 404, ContentConflictError: 409, MessageTooLargeError: 413, ChannelsNotYetError: 503}


def respond(publish: Publish, event: dict[str, Any]) -> dict[str, Any]:
    """The answer to an event: of the HTTP API (payload format 2.0), or the request itself when invoked directly.

    https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html
    """
    if "requestContext" not in event:
        return publish(_invocation(event), everyone_by_default=True).to_wire()
    try:
        return http.respond(202, publish(_request(event)).to_wire())
    except InvalidFieldError as error:
        return http.respond_invalid(_STATUS.get(type(error), 400), error.field, str(error))


def _request(event: dict[str, Any]) -> dict[str, Any]:
    body = event.get("body") or ""
    try:
        return codec.decode_object(
            base64.b64decode(body) if event.get("isBase64Encoded") else body, verbatim={"message"}
        )
    except codec.NotJsonError as error:
        raise InvalidFieldError("body", str(error)) from error


def _invocation(event: dict[str, Any]) -> dict[str, Any]:
    """Read the request from an event that Lambda's runtime has decoded, so its message is encoded as JSON again."""
    if "message" not in event:
        return event
    try:
        return {**event, "message": codec.json_text(event["message"])}
    except codec.NotJsonError as error:
        raise InvalidFieldError("message", str(error)) from error
