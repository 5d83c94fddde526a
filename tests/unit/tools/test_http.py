"""Reports that are followed, and sessions that wait for their turn; no network."""

import asyncio
from collections.abc import Callable
from typing import Any

import aiohttp
import pytest

from tools.client.http import ApiError, HttpApi, UnreachableError, _turn


def report(status: str, delivered: int) -> dict[str, Any]:
    """The body of `GET /broadcast/{id}`."""
    return {
        "status": status,
        "expected": 9,
        "dispatched": 9,
        "delivered": delivered,
        "gone": 0,
        "failed": 0,
        "inFlight": 9 - delivered,
        "publishedAt": 1,
        "finishedAt": 2 if status == "finished" else None,
        "byAccount": {},
        "cancelled": False,
        "expired": False,
    }


@pytest.fixture
def answer(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[tuple[Any, ...]]]:
    """Let the API answer so, one answer a call and the last one for ever; the calls are listed."""

    def answering(*bodies: Any) -> list[tuple[Any, ...]]:
        calls: list[tuple[Any, ...]] = []

        async def call(_api: HttpApi, *arguments: Any, **named: Any) -> Any:
            calls.append((*arguments, named))
            body = bodies[min(len(calls), len(bodies)) - 1]
            if isinstance(body, ApiError):
                raise body
            return body

        monkeypatch.setattr(HttpApi, "call", call)
        monkeypatch.setattr("tools.client.http._REPORT_POLL_SECONDS", 0.001)
        return calls

    return answering


async def test_a_report_is_followed_until_it_is_finished(answer: Callable[..., list[Any]]) -> None:
    """Each state on the way is shown."""
    answer(report("accepted", 0), report("delivering", 4), report("finished", 9))
    seen: list[int] = []
    last = await HttpApi("http://x").finished_report("b", 5, lambda report: seen.append(report.delivered))
    assert seen == [0, 4, 9]
    assert last.status == "finished"


async def test_an_unfinished_report_is_returned_at_the_end_of_the_wait(answer: Callable[..., list[Any]]) -> None:
    """The caller says what that means."""
    answer(report("delivering", 4))
    last = await HttpApi("http://x").finished_report("b", 0.01)
    assert (last.status, last.in_flight) == ("delivering", 5)


async def test_a_session_without_a_player_sends_no_player(answer: Callable[..., list[Any]]) -> None:
    """An empty player would be an illegal one."""
    calls = answer({"webSocketUrl": "ws://h/live"})
    api = HttpApi("http://x")
    assert await api.open_session("t", "s") == "ws://h/live"
    await api.open_session("t", "s", "p")
    assert [call[-1]["query"] for call in calls] == [
        {"tenantId": "t", "sessionId": "s"},
        {"tenantId": "t", "sessionId": "s", "playerId": "p"},
    ]


async def test_a_client_waits_for_its_turn(answer: Callable[..., list[Any]], monkeypatch: pytest.MonkeyPatch) -> None:
    """It waits as often and as long as the answers say; an error without a turn is the caller's."""
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    monkeypatch.setattr(asyncio, "sleep", sleep)
    calls = answer(ApiError(429, {}, 12.34), ApiError(429, {}, 0.5), {"webSocketUrl": "ws://h/live"})
    assert await HttpApi("http://x").open_session("t", "s") == "ws://h/live"
    assert (len(calls), slept) == (3, [12.34, 0.5])
    answer(ApiError(429, {"limit": "tenantSessions"}))
    with pytest.raises(ApiError):
        await HttpApi("http://x").open_session("t", "s")


@pytest.mark.parametrize(
    ("answer", "header", "seconds"),
    [
        ({"retryAfterMs": 1_234}, "2", 1.234),
        ({"message": "Too Many Requests"}, "2", 2),
        ({"retryAfterMs": 10**12}, "", 3_600),
        ({"retryAfterMs": "soon"}, "Mon, 30 Nov 2026 00:00:00 GMT", None),
        ("Too Many Requests", "", None),
    ],
)
def test_a_turn_is_named_exactly_or_in_whole_seconds(answer: Any, header: str, seconds: float | None) -> None:
    """A client waits no longer than an hour."""
    assert _turn(answer, header) == seconds


async def test_an_api_that_does_not_answer_is_an_error_of_the_clients_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Callers need not know which library calls."""

    def refused(*_: object, **__: object) -> None:
        raise aiohttp.ClientConnectionError("nobody listens")

    monkeypatch.setattr(aiohttp.ClientSession, "request", refused)
    async with HttpApi("http://x") as api:
        with pytest.raises(UnreachableError, match="nobody listens"):
            await api.report("b")


def test_an_error_shows_a_bounded_part_of_the_answer() -> None:
    """A function's traceback may be long."""
    error = ApiError(502, "x" * 10_000)
    assert str(error).startswith("HTTP 502: xxx")
    assert len(str(error)) < 600
