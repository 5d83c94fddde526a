"""Answers a request that Terraform sends twice as it was answered the first time.

On a busy machine the AWS SDK for Go may get the answer before it has noticed the end of its own request. In AWS the
answer takes longer. It then drops the connection and sends the request again. The resource exists by then, so
AddPermission, for example, answers 409. Terraform's provider repeats it for five minutes before it gives up. A
repetition carries the same `amz-sdk-invocation-id`; an answer that was an error is not given again.
"""

import asyncio
from collections import OrderedDict

from tools.emulator.aws.asgi import Application, AsgiMessage, Receive, Send

_KEPT_ANSWERS = 256
_ERRORS = 400


class RepeatedRequests:
    """An ASGI application that lets another one answer, once for each of Terraform's invocations."""

    def __init__(self, application: Application) -> None:
        self._application = application
        self._answers: OrderedDict[bytes, asyncio.Task[list[AsgiMessage]]] = OrderedDict()

    async def __call__(self, scope: AsgiMessage, receive: Receive, send: Send) -> None:
        """Answer one request."""
        invocation = _invocation(scope)
        if invocation is None:
            await self._application(scope, receive, send)
            return
        answer = self._answers.get(invocation)
        if answer is None or (answer.done() and not _succeeded(answer)):
            answer = asyncio.create_task(self._answer(scope, receive))
            self._answers[invocation] = answer
            if len(self._answers) > _KEPT_ANSWERS:
                self._answers.popitem(last=False)
        # The work continues if this connection is dropped: the repetition waits for it.
        for message in await asyncio.shield(answer):
            await send(message)

    async def _answer(self, scope: AsgiMessage, receive: Receive) -> list[AsgiMessage]:
        messages: list[AsgiMessage] = []

        async def keep(message: AsgiMessage) -> None:
            messages.append(message)

        await self._application(scope, receive, keep)
        return messages


def _invocation(scope: AsgiMessage) -> bytes | None:
    """Return what names the request if Terraform sent it, and sent it to change something."""
    if scope["type"] != "http" or scope["method"] == "GET":
        return None
    headers = dict(scope["headers"])
    if b"Terraform/" not in headers.get(b"user-agent", b""):
        return None
    invocation: bytes | None = headers.get(b"amz-sdk-invocation-id")
    return invocation


def _succeeded(answer: asyncio.Task[list[AsgiMessage]]) -> bool:
    if answer.cancelled() or answer.exception() is not None:
        return False
    return bool(answer.result()) and answer.result()[0].get("status", _ERRORS) < _ERRORS
