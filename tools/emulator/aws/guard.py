"""Filters requests to the local AWS: only a person or a function of the stack may send them.

Refused with 403 is a request that

- names another host than this server: a web page whose own name leads to 127.0.0.1
- comes from a web page of another origin, but for the HTTP APIs' own paths, which AWS serves to any page as well
- has no signature made with a secret of this local AWS, but for those paths; see `tools.emulator.perimeter.signature`
- is an order to MiniStack or to the launcher, under `/_`, and not signed by an account's root

Refused with 413 is a request that is larger than any that AWS, or a local stack, is sent: it is not read to its end.

No answer but an HTTP API's own tells a browser to show it to other origins' pages.
"""

import json
import re
from html import escape
from http import HTTPStatus
from typing import Final
from urllib.parse import parse_qs, unquote_to_bytes

from tools.emulator.aws.asgi import Application, AsgiMessage, Receive, Send
from tools.emulator.perimeter.pages import PageFilter
from tools.emulator.perimeter.signature import (
    ArrivedRequest,
    FindSigningKey,
    Signature,
    is_root,
    is_valid,
    read_signature,
)

_HTTP_APIS: Final = re.compile(r"/_aws/execute-api/[a-z0-9]+/")
"""The id and the slash are needed: MiniStack takes any other path for one of a service, S3 or STS say."""

_CONNECTIONS: Final = "/@connections/"
_ORDERS: Final = "/_"
_OF_AWS: Final = "/_aws/"
_CORS: Final = b"access-control-"
_FORM: Final = b"application/x-www-form-urlencoded"
_FORM_BYTES: Final = 65_536

_API_BYTES: Final = 10 * 1024 * 1024
"""The largest payload of an HTTP API.
https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-quotas.html"""

_SERVICE_BYTES: Final = 100 * 1024 * 1024
"""More than the largest request that is sent to a local stack: 50 MB of a function's code, in base64."""

_MISSING: Final = "MissingAuthenticationToken", "Request is missing Authentication Token"
_UNKNOWN: Final = "UnrecognizedClientException", "The security token included in the request is invalid."
_MISMATCH: Final = (
    "SignatureDoesNotMatch",
    "The signature is wrong or old. The secret access key of a local stack is in its state directory, in stack.json.",
)
_TOO_LARGE: Final = "RequestEntityTooLargeException", "Request Entity Too Large", HTTPStatus.REQUEST_ENTITY_TOO_LARGE
_NOT_ROOT: Final = "AccessDenied", "Only an account's root may give this order."


class _RefusedError(Exception):
    """A request that is not let in; code and message say why."""

    def __init__(self, code: str, message: str, status: HTTPStatus = HTTPStatus.FORBIDDEN) -> None:
        super().__init__(message)
        self.code = code
        self.status = status


class _ClientLeftError(Exception):
    """The client closed its socket in the middle of a request."""


class Guard:
    """An ASGI application that lets another one answer the requests that are let in.

    `trusts_web_identities` lets any caller assume a role with a web identity, for tests of roles that trust an identity
    provider. AWS does so, too, but it checks the identity's token, and MiniStack does not.
    """

    def __init__(
        self, application: Application, port: int, signing_key: FindSigningKey, *, trusts_web_identities: bool = False
    ) -> None:
        self._application = application
        self._pages = PageFilter(port)
        self._signing_key = signing_key
        self._trusts_web_identities = trusts_web_identities

    async def __call__(self, scope: AsgiMessage, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._application(scope, receive, send)
            return
        headers = _joined(scope["headers"])
        signature = read_signature(headers, scope["query_string"])
        is_public = _HTTP_APIS.match(scope["path"]) is not None and _CONNECTIONS not in scope["path"]
        try:
            self._refuse_pages(headers, is_public=is_public)
            if not is_public or signature is not None or _claims_a_signature(headers, scope["query_string"]):
                body = await self._let_in(scope, receive, headers, signature)
            else:
                body = await _body(receive, _API_BYTES)
            receive = _received(body, receive)
        except _RefusedError as error:
            await _refuse(send, headers, signature, error)
        except _ClientLeftError:
            return
        else:
            await self._application(scope, receive, send if is_public else _without_cors(send))

    def _refuse_pages(self, headers: dict[bytes, bytes], *, is_public: bool) -> None:
        refusal = self._pages.host_refusal(headers) or (None if is_public else self._pages.page_refusal(headers))
        if refusal is not None:
            raise _RefusedError("AccessDenied", refusal)

    async def _let_in(
        self, scope: AsgiMessage, receive: Receive, headers: dict[bytes, bytes], signature: Signature | None
    ) -> bytes:
        """Return the body of a request whose signature is valid; _RefusedError for any other."""
        if signature is None:
            if self._trusts_web_identities and _may_bring_web_identity(scope, headers):
                body = await _body(receive, _FORM_BYTES, _MISSING)
                if parse_qs(body).get(b"Action") == [b"AssumeRoleWithWebIdentity"]:
                    return body
            raise _RefusedError(*_MISSING)
        key = self._signing_key(signature.claim)
        if key is None:
            raise _RefusedError(*_UNKNOWN)
        # Knowing a key's id, such as an account's, does not mean knowing its secret.
        body = await _body(receive, _SERVICE_BYTES)
        method, raw_path = scope["method"].encode(), scope["raw_path"]
        if not is_valid(signature, key.key, ArrivedRequest(method, raw_path, scope["query_string"], headers, body)):
            raise _RefusedError(*_MISMATCH)
        path: str = scope["path"]
        if path.startswith(_ORDERS) and not path.startswith(_OF_AWS) and not is_root(signature.claim.access_key):
            raise _RefusedError(*_NOT_ROOT)
        return body


def _claims_a_signature(headers: dict[bytes, bytes], query: bytes) -> bool:
    """Tell whether MiniStack might take the request for a signed one, whatever the form of the signature."""
    names = unquote_to_bytes(query).lower()  # names may come quoted
    return headers.get(b"authorization", b"").startswith(b"AWS") or b"x-amz-" in names or b"awsaccesskeyid" in names


def _joined(raw: list[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    """The headers by name; values of one that is delivered again are joined by commas, as they are signed."""
    headers: dict[bytes, bytes] = {}
    for name, value in raw:
        headers[name] = headers[name] + b"," + value if name in headers else value
    return headers


def _may_bring_web_identity(scope: AsgiMessage, headers: dict[bytes, bytes]) -> bool:
    return (
        (scope["method"], scope["path"], scope["query_string"]) == ("POST", "/", b"")
        and headers.get(b"content-type", b"").startswith(_FORM)
        and b"x-amz-target" not in headers
    )


async def _body(
    receive: Receive, most: int, refusal: tuple[str, str] | tuple[str, str, HTTPStatus] = _TOO_LARGE
) -> bytes:
    """The body of a request; it is refused as soon as it has more than so many bytes."""
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise _ClientLeftError
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > most:
            raise _RefusedError(*refusal)
        if not message.get("more_body", False):
            return b"".join(parts)


def _received(body: bytes, receive: Receive) -> Receive:
    """A `receive` that gives the body that was read already, then what comes."""
    messages = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive_again() -> AsgiMessage:
        return messages.pop() if messages else await receive()

    return receive_again


def _without_cors(send: Send) -> Send:
    async def send_to_own_origin(message: AsgiMessage) -> None:
        if message["type"] == "http.response.start":
            headers = [(name, value) for name, value in message["headers"] if not name.lower().startswith(_CORS)]
            message = {**message, "headers": headers}
        await send(message)

    return send_to_own_origin


async def _refuse(send: Send, headers: dict[bytes, bytes], signature: Signature | None, error: _RefusedError) -> None:
    """Answer as AWS's SDKs read it: in XML if that is what the service speaks, else in JSON."""
    code, message = error.code, escape(str(error), quote=False)
    kind = b"text/xml"
    if signature is not None and signature.claim.service == "s3":
        body = f"<Error><Code>{code}</Code><Message>{message}</Message></Error>"
    elif headers.get(b"content-type", b"").startswith(_FORM):
        error_element = f"<Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error>"
        body = f"<ErrorResponse>{error_element}<RequestId>-</RequestId></ErrorResponse>"
    else:
        kind, body = b"application/json", json.dumps({"__type": code, "message": str(error)})
    answer = [(b"content-type", kind), (b"x-amzn-errortype", code.encode())]
    await send({"type": "http.response.start", "status": error.status, "headers": answer})
    await send({"type": "http.response.body", "body": body.encode()})
