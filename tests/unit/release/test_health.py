"""Findings of the synthetic broadcast, and lines of a new version's log that tell that it does not work."""

import asyncio
import json
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, cast

import pytest

from loudhailer.broadcast.report import Report
from loudhailer.broadcast.shards import shard_of
from loudhailer.ids import BroadcastId, ChunkId
from tools.client.http import ApiError
from tools.release.health import ErrorLog, SyntheticBroadcast
from tools.stack.traffic import Shift

SHIFT = Shift("loudhailer-dev-swarm", "1", "7")
STREAM = f"{datetime.now(UTC):%Y/%m/%d}/[7]abcdef"


@dataclass
class Logs:
    """Stands for CloudWatch Logs: these events, in any stream that is asked for."""

    events: list[tuple[str, str]]

    def get_paginator(self, _operation: str) -> "Logs":
        """See boto3."""
        return self

    def paginate(self, **_: Any) -> Iterator[dict[str, Any]]:
        """See boto3."""
        yield {"events": [{"logStreamName": stream, "message": line} for stream, line in self.events]}


def problems(*events: tuple[str, str]) -> list[str]:
    """Return what is found in these events."""
    log = ErrorLog(cast("Any", Logs([*events])))
    return log.problems([SHIFT], datetime.now(UTC))


@pytest.mark.parametrize(
    "line",
    [
        json.dumps({"level": "ERROR", "message": "message failed and will be delivered again"}),
        json.dumps({"level": "CRITICAL", "message": "x"}),
        "[ERROR] Runtime.ImportModuleError: Unable to import module",
        "Traceback (most recent call last):",
        "2026-11-26T15:00:00.000Z 0c1f Task timed out after 10.00 seconds",
        "RequestId: 0c1f Error: Runtime exited with error: signal: killed",
    ],
)
def test_an_error_is_a_problem(line: str) -> None:
    """An error may be the function's, its start's, or Lambda's about it."""
    (problem,) = problems((STREAM, line))
    assert problem.startswith("version 7 of loudhailer-dev-swarm logs: ")


@pytest.mark.parametrize(
    "line",
    [
        json.dumps({"level": "INFO", "message": "ERROR is only a word here"}),
        json.dumps({"level": "WARNING", "message": "x"}),
        json.dumps({"_aws": {}, "MessageFailed": [0.0]}),
        "[]",
        "START RequestId: 0c1f Version: 7",
        "REPORT RequestId: 0c1f Duration: 1.00 ms",
    ],
)
def test_other_lines_are_none(line: str) -> None:
    """Whatever words they contain."""
    assert problems((STREAM, line)) == []


def test_an_error_of_another_version_is_none() -> None:
    """The stream says whose it is; version 77 is not version 7."""
    line = json.dumps({"level": "ERROR"})
    assert problems((STREAM.replace("[7]", "[1]"), line), (STREAM.replace("[7]", "[77]"), line)) == []


def test_a_few_lines_are_enough() -> None:
    """A version that fails always fills its log."""
    assert len(problems(*[(STREAM, json.dumps({"level": "ERROR"}))] * 100)) == 5


HUB, BLUE = "111111111111", "222222222222"
SHARDS = 4


@dataclass
class Deployment:
    """Stands for the API and the socket: who delivers a broadcast is told by its shard and turn."""

    deliver: Callable[[int, int], str | None]
    sent: Counter[int] = field(default_factory=Counter)
    delivered_by: dict[str, str | None] = field(default_factory=dict)
    audiences: list[set[str]] = field(default_factory=list)
    members: tuple[int, ...] = (0,)

    async def publish(self, audience: dict[str, Any], _message: Any, broadcast_id: BroadcastId) -> str:
        """See `HttpApi`."""
        self.audiences.append({*audience})
        shard = shard_of(broadcast_id, ChunkId("0.0"), SHARDS)
        self.sent[shard] += 1
        self.delivered_by[broadcast_id] = self.deliver(shard, self.sent[shard])
        return broadcast_id

    async def arrived(self, broadcast_id: str, _members: object, _timeout: float) -> bool:
        """See `Crowd`."""
        return self.delivered_by[broadcast_id] is not None

    async def finished_report(self, broadcast_id: str, _timeout: float) -> Report:
        """See `HttpApi`."""
        account = self.delivered_by[broadcast_id]
        return Report.from_wire(
            {
                "status": "finished" if account else "delivering",
                "expected": 1,
                "dispatched": 1,
                "delivered": 1 if account else 0,
                "gone": 0,
                "failed": 0,
                "inFlight": 0 if account else 1,
                "publishedAt": 1_000,
                "finishedAt": 2_000 if account else None,
                "byAccount": {account: 1} if account else {},
                "cancelled": False,
                "expired": False,
            }
        )


def found_by_broadcasts(deployment: Deployment, *through: int, account: str | None = None) -> list[str]:
    """Return what broadcasts through these shards find."""
    stand_in = cast("Any", deployment)
    return asyncio.run(SyntheticBroadcast(stand_in, stand_in, SHARDS, through, account, stand_in).problems())


def test_a_broadcast_goes_through_each_shard_that_is_looked_at() -> None:
    """One each, and through no other."""
    deployment = Deployment(lambda _shard, _turn: HUB)
    assert found_by_broadcasts(deployment, 1, 3) == []
    assert deployment.sent == {1: 1, 3: 1}


def test_accounts_are_checked_side_by_side() -> None:
    """Each by a broadcast to its own socket; the hub by one to the tenant, as all broadcasts go."""
    deployment = Deployment(lambda _shard, _turn: BLUE)
    assert found_by_broadcasts(deployment, 1) == found_by_broadcasts(deployment, 2, account=BLUE) == []
    assert deployment.audiences == [{"tenantId"}, {"tenantId", "sessionId"}]


def test_a_shard_that_delivers_nothing_is_named() -> None:
    """The others are well, and that one is not tried again."""
    deployment = Deployment(lambda shard, _turn: None if shard == 3 else BLUE)
    assert found_by_broadcasts(deployment, 2, 3, account=BLUE) == [
        "the synthetic broadcast through shard 3 did not arrive",
        "the report of the synthetic broadcast through shard 3 stays delivering",
    ]
    assert deployment.sent == {2: 1, 3: 1}


def test_what_another_account_delivers_says_nothing_about_this_one() -> None:
    """The cell may read the shard, too: the account must have delivered one of several."""
    shared = Deployment(lambda _shard, turn: BLUE if turn == 3 else HUB)
    assert found_by_broadcasts(shared, 2, account=BLUE) == []
    assert shared.sent == {2: 3}
    assert found_by_broadcasts(Deployment(lambda _shard, _turn: HUB), 2, account=BLUE) == [
        f"account {BLUE} delivered none of 20 synthetic broadcasts through shard 2"
    ]


def test_an_api_that_refuses_is_a_problem() -> None:
    """In a sentence, with what it answered."""

    def refuse(_shard: int, _turn: int) -> str:
        raise ApiError(403, {"message": "Forbidden"})

    assert found_by_broadcasts(Deployment(refuse), 0) == [
        "the synthetic broadcast through shard 0 was answered HTTP 403: {'message': 'Forbidden'}"
    ]
