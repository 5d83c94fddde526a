"""`POST /broadcast` and `POST /broadcasts` over the HTTP API, and the direct invocation `{"message": ...}`."""

import base64
from typing import Any

from functions.broadcast.publish.batch import LARGEST_BODY, BatchTooLargeError, BroadcastAnswer, PublishBatch
from functions.broadcast.publish.publish import (
    ChannelsNotYetError,
    ContentConflictError,
    MessageTooLargeError,
    Publish,
    UnknownTenantError,
)
from loudhailer import codec, http
from loudhailer.codec import JsonText
from loudhailer.deadline import Deadline
from loudhailer.errors import InvalidFieldError

BATCH = "POST /broadcasts"
"""The route of several broadcasts in one request."""

_STATUS = {
    UnknownTenantError: 404,
    ContentConflictError: 409,
    MessageTooLargeError: 413,
    BatchTooLargeError: 413,
    ChannelsNotYetError: 503,
}


def respond(publish: Publish, event: dict[str, Any]) -> dict[str, Any]:
    """The answer to an event: of the HTTP API (payload format 2.0), or the request itself when invoked directly.

    https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html
    """
    if "requestContext" not in event:
        return publish(_invocation(event), everyone_by_default=True).to_wire()
    try:
        answer = answer_of(publish, _object(_body(event), "message"))
    except InvalidFieldError as error:
        answer = _refusal(error)
    return http.respond(answer.status, answer.body)


def respond_to_batch(publish: PublishBatch, event: dict[str, Any], deadline: Deadline) -> dict[str, Any]:
    """The answer to `POST /broadcasts`: 200 with an answer to each of them, or a refusal of all."""
    try:
        answers = publish(_broadcasts(_body(event)), deadline)
    except InvalidFieldError as error:
        refusal = _refusal(error)
        return http.respond(refusal.status, refusal.body)
    return http.respond(200, {"results": [answer.to_wire() for answer in answers]})


def answer_of(publish: Publish, request: dict[str, Any]) -> BroadcastAnswer:
    """Publish one broadcast, whose `message` is a `JsonText`; a refusal is an answer, too."""
    try:
        return BroadcastAnswer(202, publish(request).to_wire())
    except InvalidFieldError as error:
        return _refusal(error)


def _refusal(error: InvalidFieldError) -> BroadcastAnswer:
    return BroadcastAnswer(_STATUS.get(type(error), 400), http.invalid_body(error.field, str(error)))


def _body(event: dict[str, Any]) -> str | bytes:
    body = event.get("body") or ""
    return base64.b64decode(body) if event.get("isBase64Encoded") else body


def _object(body: str | bytes, verbatim: str) -> dict[str, Any]:
    try:
        return codec.decode_object(body, verbatim={verbatim})
    except codec.NotJsonError as error:
        raise InvalidFieldError("body", str(error)) from error


def _broadcasts(body: str | bytes) -> list[JsonText]:
    """Return the broadcasts of a batch, each as it was written."""
    size = len(body if isinstance(body, bytes) else body.encode(errors="surrogatepass"))
    if size > LARGEST_BODY:
        raise BatchTooLargeError("body", f"has {size} bytes; {LARGEST_BODY} are the most")
    request = _object(body, "broadcasts")
    if unknown := sorted(request.keys() - {"broadcasts"}):
        raise InvalidFieldError(unknown[0][:64], "is not a field of a batch")
    if "broadcasts" not in request:
        raise InvalidFieldError("broadcasts", "is missing")
    try:
        return codec.elements(request["broadcasts"])
    except codec.NotJsonError as error:
        raise InvalidFieldError("broadcasts", str(error)) from error


def _invocation(event: dict[str, Any]) -> dict[str, Any]:
    """Read the request from an event that Lambda's runtime has decoded, so its message is encoded as JSON again."""
    if "message" not in event:
        return event
    try:
        return {**event, "message": codec.json_text(event["message"])}
    except codec.NotJsonError as error:
        raise InvalidFieldError("message", str(error)) from error
