"""Refuses requests that the SDK's own validator finds fault with.

The shipped clients skip that check to save CPU, and MiniStack forgives what AWS may not. So the local AWS checks each
request of the services that functions call through the SDK: parameters that are required, their types and their
lengths, as the service's model has them.
https://docs.aws.amazon.com/botocore/latest/reference/config.html: `parameter_validation`
"""

import json
import re
from collections.abc import Mapping
from functools import cache
from typing import Any, Final
from urllib.parse import parse_qsl
from xml.sax.saxutils import escape

from botocore.loaders import Loader
from botocore.model import ListShape, MapShape, OperationNotFoundError, ServiceModel, Shape, StructureShape
from botocore.validate import ParamValidator

from tools.emulator.aws.asgi import Application, AsgiMessage, Receive, Send

_OF_TARGET: Final = {"DynamoDB_20120810": "dynamodb", "AmazonSQS": "sqs"}
"""Services that speak JSON, by the beginning of the header X-Amz-Target."""

_OF_FORMS: Final = {"sns", "sts"}
"""Services that speak the query protocol, by the name in the signature."""

_SCOPE: Final = re.compile(rb"Credential=[^/]+/\d+/[^/]+/([a-z0-9-]+)/aws4_request")
_FORM: Final = b"application/x-www-form-urlencoded"


class RequestShapes:
    """An ASGI application that lets another one answer the requests that have the right shape."""

    def __init__(self, application: Application) -> None:
        self._application = application

    async def __call__(self, scope: AsgiMessage, receive: Receive, send: Send) -> None:
        """Answer one request, whose body comes in one piece."""
        if scope["type"] != "http" or scope["method"] != "POST":
            await self._application(scope, receive, send)
            return
        message = await receive()
        messages = [message]

        async def receive_again() -> AsgiMessage:
            return messages.pop() if messages else await receive()

        headers = dict(scope["headers"])
        found = _problem(headers, message.get("body", b""))
        if found:
            await _refuse(send, headers, found)
        else:
            await self._application(scope, receive_again, send)


def problem_of(service: str, operation: str, parameters: Mapping[str, Any]) -> str:
    """Return the objections of the SDK's validator to the parameters of an operation; empty if they are right."""
    report = ParamValidator().validate(parameters, _input_of(service, operation))
    return report.generate_report() if report.has_errors() else ""


def _problem(headers: Mapping[bytes, bytes], body: bytes) -> str:
    target, _, operation = headers.get(b"x-amz-target", b"").decode().partition(".")
    try:
        if service := _OF_TARGET.get(target):
            return problem_of(service, operation, json.loads(body or b"{}"))
        scope = _SCOPE.search(headers.get(b"authorization", b""))
        if scope and scope[1].decode() in _OF_FORMS and headers.get(b"content-type", b"").startswith(_FORM):
            form = dict(parse_qsl(body.decode(), keep_blank_values=True))
            operation = form.pop("Action", "")
            shape = _input_of(scope[1].decode(), operation)
            return problem_of(scope[1].decode(), operation, _of_form(shape, form, "") or {})
    except (OperationNotFoundError, ValueError):
        return ""  # the service's own check refuses a malformed request
    return ""


def _of_form(shape: Shape, form: Mapping[str, str], name: str) -> Any:
    """The value that a form has for a shape; None if it has none.

    https://smithy.io/2.0/aws/protocols/aws-query-protocol.html
    """
    match shape:
        case StructureShape():
            below = f"{name}." if name else ""
            members = {
                key: _of_form(member, form, below + member.serialization.get("name", key))
                for key, member in shape.members.items()
            }
            return {key: value for key, value in members.items() if value is not None} or None
        case ListShape():
            return _entries(shape.member, form, f"{name}.member") or None
        case MapShape():
            keys = _entries(shape.key, form, f"{name}.entry", f".{shape.key.serialization.get('name', 'key')}")
            values = _entries(shape.value, form, f"{name}.entry", f".{shape.value.serialization.get('name', 'value')}")
            return dict(zip(keys, values, strict=False)) or None
        case Shape(type_name="integer"):
            return int(form[name]) if name in form else None
        case Shape(type_name="boolean"):
            return form[name] == "true" if name in form else None
        case _:
            return form.get(name)


def _entries(shape: Shape, form: Mapping[str, str], name: str, below: str = "") -> list[Any]:
    """The values under `name.1`, `name.2` and so on."""
    entries: list[Any] = []
    while (value := _of_form(shape, form, f"{name}.{len(entries) + 1}{below}")) is not None:
        entries.append(value)
    return entries


@cache
def _model(service: str) -> ServiceModel:
    return ServiceModel(Loader().load_service_model(service, "service-2"))


def _input_of(service: str, operation: str) -> Shape:
    """The shape of an operation's parameters; ValueError for an operation without any."""
    shape = _model(service).operation_model(operation).input_shape
    if shape is None:
        raise ValueError("the operation takes no parameters")
    return shape


async def _refuse(send: Send, headers: Mapping[bytes, bytes], problem: str) -> None:
    text = f"The SDK's validator refuses the request: {problem}"
    if b"x-amz-target" in headers:
        kind, body = b"application/x-amz-json-1.0", json.dumps({"__type": "ValidationException", "message": text})
    else:
        error = f"<Error><Type>Sender</Type><Code>ValidationError</Code><Message>{escape(text)}</Message></Error>"
        kind, body = b"text/xml", f"<ErrorResponse>{error}<RequestId>-</RequestId></ErrorResponse>"
    await send({"type": "http.response.start", "status": 400, "headers": [(b"content-type", kind)]})
    await send({"type": "http.response.body", "body": body.encode()})
