"""`POST /_local_aws/save` writes down the state of the local AWS; every other request goes to AWS's services.

It answers 204 when the state lies in the state directory. Otherwise the body says why not: 409 if the state is not one
that other stacks could start from, 500 if it could not be written.
"""

from collections.abc import Awaitable, Callable
from typing import Any

type _Message = dict[str, Any]
type _Receive = Callable[[], Awaitable[_Message]]
type _Send = Callable[[_Message], Awaitable[None]]
type Application = Callable[[_Message, _Receive, _Send], Awaitable[None]]

SAVE_PATH = "/_local_aws/save"

_SAVED, _NOT_FOR_OTHERS, _FAILED = 204, 409, 500


class NotSavedError(Exception):
    """The state is not one that other stacks could start from; the message says why."""


class Administration:
    """An ASGI application that saves the state when it is asked to, and lets another one answer everything else."""

    def __init__(self, application: Application, save: Callable[[], None]) -> None:
        self._application = application
        self._save = save

    async def __call__(self, scope: _Message, receive: _Receive, send: _Send) -> None:
        """Answer one request."""
        if scope["type"] != "http" or scope["path"] != SAVE_PATH or scope["method"] != "POST":
            await self._application(scope, receive, send)
            return
        status, reason = self._saved()
        await send({"type": "http.response.start", "status": status, "headers": [(b"content-type", b"text/plain")]})
        await send({"type": "http.response.body", "body": reason.encode()})

    def _saved(self) -> tuple[int, str]:
        try:
            self._save()
        except NotSavedError as error:
            return _NOT_FOR_OTHERS, str(error)
        except Exception as error:  # noqa: BLE001 - MiniStack's stores may raise anything while they change
            return _FAILED, f"The state cannot be written: {error}."
        return _SAVED, ""
