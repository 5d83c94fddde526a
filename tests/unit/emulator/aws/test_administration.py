"""Two paths of the local AWS are its own; everything else is AWS's."""

import errno
import json
import os
from typing import Any

import pytest

from tools.emulator.aws.administration import SAVE_PATH, SIGNING_KEY_PATH, Administration, NotSavedError
from tools.emulator.perimeter.signature import Claim, SigningKey

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


def signing_key(claim: Claim) -> SigningKey | None:
    """Know one session's key, and the root's."""
    ends = {"ASIAKNOWN": 1_800_000_000.0, "111111111111": float("inf")}
    if claim.access_key not in ends:
        return None
    return SigningKey("111111111111", claim.scope, ends[claim.access_key])


async def answer_of(recorder: Recorder, scope: dict[str, Any], content: bytes = b"{}") -> tuple[int, bytes] | None:
    """The status and the body that a request is answered with; None if the application behind has it."""
    sent: list[dict[str, Any]] = []

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": content}

    await Administration(recorder, recorder.save, signing_key)(scope, receive, send)
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
async def test_a_failed_save_is_answered_with_the_reason(error: Exception, answer: tuple[int, bytes]) -> None:
    """The local AWS runs on."""
    assert await answer_of(Recorder(error), SAVE) == answer


@pytest.mark.parametrize(
    "scope",
    [{**SAVE, "method": "GET"}, {**SAVE, "path": "/"}, {"type": "lifespan"}, {"type": "websocket", "path": SAVE_PATH}],
)
async def test_other_requests_are_passed_to_the_services(scope: dict[str, Any]) -> None:
    """Another method, another path, and what is no request."""
    recorder = Recorder()
    assert await answer_of(recorder, scope) is None
    assert recorder.scopes == [scope]
    assert recorder.saved == 0


ASK = {**SAVE, "path": SIGNING_KEY_PATH}


@pytest.mark.parametrize(("access_key", "ends"), [("ASIAKNOWN", 1_800_000_000.0), ("111111111111", None)])
async def test_the_gateway_gets_the_signing_key_of_an_access_key(access_key: str, ends: float | None) -> None:
    """For a day, a Region and a service: the secret access key itself stays here."""
    scope = "20260101/us-east-1/execute-api/aws4_request"
    answer = await answer_of(Recorder(), ASK, json.dumps({"credential": f"{access_key}/{scope}"}).encode())
    assert answer is not None
    assert answer[0] == 200
    assert json.loads(answer[1]) == {"account": "111111111111", "key": scope.encode().hex(), "expiresAt": ends}


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (b'{"credential": "ASIANOBODY/20260101/us-east-1/execute-api/aws4_request"}', 404),
        (b'{"credential": "ASIAKNOWN/20260101/us-east-1/execute-api"}', 400),
        (b'{"credential": ""}', 400),
        (b'{"credential": 5}', 400),
        (b"{}", 400),
        (b"[]", 400),
        (b"{", 400),
        (b"\xff", 400),
    ],
)
async def test_an_unknown_key_and_a_malformed_question_get_no_signing_key(content: bytes, status: int) -> None:
    """Neither ends the local AWS."""
    answer = await answer_of(Recorder(), ASK, content)
    assert answer is not None
    assert answer[0] == status
