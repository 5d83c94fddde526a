"""Orders to the local AWS itself; every other request goes to AWS's services.

- `POST /_local_aws/save` writes down the state. It answers 204 when the state directory has it. Otherwise the
  body says why not: 409 if the state is not one that other stacks could start from, 500 if it could not be written.
- `POST /_local_aws/signing-key` with `{"credential"}`, as an `Authorization` header has it, says what its requests are
  signed with: `{"account", "key", "expiresAt"}`, or 404 if nobody has the access key. The gateway checks signatures so.

The guard before it lets in only an account's root.
"""

import json
import math
from collections.abc import Callable
from typing import NamedTuple

from tools.emulator.aws.asgi import Application, AsgiMessage, Receive, Send
from tools.emulator.perimeter.signature import FindSigningKey, read_claim

SAVE_PATH = "/_local_aws/save"
SIGNING_KEY_PATH = "/_local_aws/signing-key"

_OK, _SAVED, _BAD_REQUEST, _UNKNOWN, _NOT_FOR_OTHERS, _FAILED = 200, 204, 400, 404, 409, 500


class NotSavedError(Exception):
    """The state is not one that other stacks could start from; the message says why."""


class _Answer(NamedTuple):
    status: int
    content_type: bytes
    body: str


class Administration:
    """An ASGI application that obeys orders, and lets another one answer everything else."""

    def __init__(self, application: Application, save: Callable[[], None], signing_key: FindSigningKey) -> None:
        self._application = application
        self._save = save
        self._signing_key = signing_key

    async def __call__(self, scope: AsgiMessage, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http" or scope["method"] != "POST":
            await self._application(scope, receive, send)
        elif scope["path"] == SAVE_PATH:
            await _send_answer(send, self._saved())
        elif scope["path"] == SIGNING_KEY_PATH:
            await _send_answer(send, self._found((await receive())["body"]))
        else:
            await self._application(scope, receive, send)

    def _saved(self) -> _Answer:
        try:
            self._save()
        except NotSavedError as error:
            return _Answer(_NOT_FOR_OTHERS, b"text/plain", str(error))
        except Exception as error:  # noqa: BLE001 - MiniStack's stores may raise anything while they change
            return _Answer(_FAILED, b"text/plain", f"The state cannot be written: {error}.")
        return _Answer(_SAVED, b"text/plain", "")

    def _found(self, body: bytes) -> _Answer:
        try:
            claim = read_claim(json.loads(body)["credential"].encode())
        except (ValueError, KeyError, TypeError, AttributeError):
            claim = None
        if claim is None:
            return _Answer(_BAD_REQUEST, b"text/plain", "A credential is needed, as an Authorization header has it.")
        key = self._signing_key(claim)
        if key is None:
            return _Answer(_UNKNOWN, b"text/plain", "Nobody has this access key.")
        expires_at = None if key.expires_at == math.inf else key.expires_at
        found = {"account": key.account, "key": key.key.hex(), "expiresAt": expires_at}
        return _Answer(_OK, b"application/json", json.dumps(found))


async def _send_answer(send: Send, answer: _Answer) -> None:
    headers = [(b"content-type", answer.content_type)]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body.encode()})
