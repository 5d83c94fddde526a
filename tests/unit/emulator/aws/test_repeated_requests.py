"""Terraform's repetitions get the answer that the first request got."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from tools.emulator.aws.repeated_requests import RepeatedRequests

TERRAFORM = b"APN/1.0 HashiCorp/1.0 Terraform/1.11.4"


def request(invocation: bytes = b"i1", agent: bytes = TERRAFORM, method: str = "POST") -> dict[str, Any]:
    """A request's scope."""
    return {
        "type": "http",
        "method": method,
        "headers": [(b"user-agent", agent), (b"amz-sdk-invocation-id", invocation)],
    }


class Application:
    """Answers each request with a status of its list, the last one for ever; counts the requests."""

    def __init__(self, *statuses: int) -> None:
        self.requests = 0
        self._statuses = statuses
        self.may_answer = asyncio.Event()
        self.may_answer.set()

    async def __call__(self, _scope: object, _receive: object, send: Callable[[Any], Awaitable[None]]) -> None:
        """Answer one request."""
        self.requests += 1
        status = self._statuses[min(self.requests, len(self._statuses)) - 1]
        await self.may_answer.wait()
        await send({"type": "http.response.start", "status": status})
        await send({"type": "http.response.body", "body": str(self.requests).encode()})


async def ask(application: RepeatedRequests, scope: dict[str, Any]) -> tuple[int, bytes]:
    """The answer's status and body."""
    messages: list[dict[str, Any]] = []

    async def send(message: dict[str, Any]) -> None:
        messages.append(message)

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b""}

    await application(scope, receive, send)
    return messages[0]["status"], messages[1]["body"]


def answers(application: Application, *scopes: dict[str, Any]) -> list[tuple[int, bytes]]:
    """The answers to requests that come one after the other."""

    async def one_by_one() -> list[tuple[int, bytes]]:
        served = RepeatedRequests(application)
        return [await ask(served, scope) for scope in scopes]

    return asyncio.run(one_by_one())


def test_a_repeated_request_gets_the_first_answer() -> None:
    """A created resource is not created again."""
    application = Application(201, 409)
    assert answers(application, request(), request()) == [(201, b"1"), (201, b"1")]
    assert application.requests == 1


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (request(b"i1"), request(b"i2")),
        (request(agent=b"Boto3/1.43"), request(agent=b"Boto3/1.43")),
        (request(method="GET"), request(method="GET")),
    ],
)
def test_different_requests_are_answered_separately(first: dict[str, Any], second: dict[str, Any]) -> None:
    """Another invocation, another client, or a question."""
    application = Application(200)
    assert answers(application, first, second) == [(200, b"1"), (200, b"2")]


def test_an_error_is_not_remembered_for_a_repeated_request() -> None:
    """The SDK repeats throttled requests in order to get another answer."""
    assert answers(Application(503, 200), request(), request()) == [(503, b"1"), (200, b"2")]


async def test_a_repeated_request_waits_for_the_pending_answer() -> None:
    """The first connection may be dropped before there is an answer."""
    application = Application(201, 409)
    application.may_answer.clear()
    served = RepeatedRequests(application)
    dropped = asyncio.create_task(ask(served, request()))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    dropped.cancel()
    repeated = asyncio.create_task(ask(served, request()))
    await asyncio.sleep(0)
    application.may_answer.set()
    assert (application.requests, await repeated) == (1, (201, b"1"))
