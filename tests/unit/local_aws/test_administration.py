"""One path of the local AWS is its own; everything else is AWS's."""

import errno
import os
from typing import Any

import pytest

from tools.local_aws.administration import SAVE_PATH, Administration, NotSavedError

SAVE = {"type": "http", "method": "POST", "path": SAVE_PATH}


class Recorder:
    """The application behind, and what saves."""

    def __init__(self, error: Exception | None = None) -> None:
        self.scopes: list[dict[str, Any]] = []
        self.saved = 0
        self._error = error

    async def __call__(self, scope: dict[str, Any], _receive: object, _send: object) -> None:
        """Take a request."""
        self.scopes.append(scope)

    def save(self) -> None:
        """Save, or fail."""
        self.saved += 1
        if self._error is not None:
            raise self._error


async def answer_of(recorder: Recorder, scope: dict[str, Any]) -> tuple[int, bytes] | None:
    """The status and the body that a request is answered with; None if the application behind has it."""
    sent: list[dict[str, Any]] = []

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"{}"}

    await Administration(recorder, recorder.save)(scope, receive, send)
    if not sent:
        return None
    start, body = sent
    return start["status"], body["body"]


async def test_a_request_to_save_saves() -> None:
    """And AWS's services never hear of it."""
    recorder = Recorder()
    assert await answer_of(recorder, SAVE) == (204, b"")
    assert recorder.saved == 1
    assert recorder.scopes == []


@pytest.mark.parametrize(
    ("error", "answer"),
    [
        (NotSavedError("The table tenants has rows."), (409, b"The table tenants has rows.")),
        (
            OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)),
            (500, b"The state cannot be written: [Errno 28] No space left on device."),
        ),
        (
            RuntimeError("dictionary changed size during iteration"),
            (500, b"The state cannot be written: dictionary changed size during iteration."),
        ),
    ],
)
async def test_what_cannot_be_saved_is_answered_with_the_reason(error: Exception, answer: tuple[int, bytes]) -> None:
    """The local AWS runs on."""
    assert await answer_of(Recorder(error), SAVE) == answer


@pytest.mark.parametrize(
    "scope",
    [{**SAVE, "method": "GET"}, {**SAVE, "path": "/"}, {"type": "lifespan"}, {"type": "websocket", "path": SAVE_PATH}],
)
async def test_everything_else_is_for_the_services(scope: dict[str, Any]) -> None:
    """Another method, another path, and what is no request."""
    recorder = Recorder()
    assert await answer_of(recorder, scope) is None
    assert recorder.scopes == [scope]
    assert recorder.saved == 0
