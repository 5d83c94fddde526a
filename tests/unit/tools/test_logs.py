"""The functions' logs as an operator reads them."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from operator import itemgetter
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders

from tools.errors import OperatorError
from tools.operations.logs import LogEvent, LogReader, chosen, rendered
from tools.stack.access import AccountAccess

FUNCTIONS = {"publish": "p-publish", "swarm": "p-swarm"}


class GroupMissingError(Exception):
    """CloudWatch Logs' ResourceNotFoundException."""


@dataclass
class Logs:
    """CloudWatch Logs, as far as the reader uses it."""

    groups: dict[str, list[tuple[int, str]]] = field(default_factory=dict)
    pages_read: int = 0

    @property
    def exceptions(self) -> Any:
        """The client's error classes."""
        return type("Exceptions", (), {"ResourceNotFoundException": GroupMissingError})

    def get_paginator(self, _operation: str) -> "Logs":
        """Pages of two events."""
        return self

    def paginate(self, *, logGroupName: str, startTime: int) -> Iterator[dict[str, Any]]:  # noqa: N803 - AWS's names
        """The events of a group from a time on, oldest first."""
        if logGroupName not in self.groups:
            raise GroupMissingError
        events = [
            {"timestamp": at, "logStreamName": "one", "message": f"{message}\n"}
            for at, message in sorted(self.groups[logGroupName], key=itemgetter(0))
            if at >= startTime
        ]
        for first in range(0, len(events), 2):
            self.pages_read += 1
            yield {"events": events[first : first + 2]}


def reader(client: Any) -> LogReader:
    """A reader of both functions."""
    return LogReader(client, FUNCTIONS)


def test_events_of_several_functions_are_merged_by_time() -> None:
    """All pages of all groups; a group that does not exist is an empty one."""
    client = Logs(
        {"/aws/lambda/p-publish": [(1, "a"), (3, "c"), (5, "e")], "/aws/lambda/p-swarm": [(2, "b"), (4, "d")]}
    )
    assert [event.message for event in reader(client).since(2)] == ["b", "c", "d", "e"]
    del client.groups["/aws/lambda/p-swarm"]
    assert [event.message for event in reader(client).since(0)] == ["a", "c", "e"]


def test_lines_of_one_millisecond_stay_in_their_order() -> None:
    """A traceback would be unreadable otherwise."""
    client = Logs({"/aws/lambda/p-publish": [(1, "Traceback"), (1, "  File"), (1, "Error")]})
    assert [event.message for event in reader(client).since(0)] == ["Traceback", "  File", "Error"]


def test_following_shows_each_event_once_even_a_late_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Events arrive out of order, and equal ones may be two."""
    monkeypatch.setattr("tools.operations.logs.time.sleep", lambda _: None)
    monkeypatch.setattr("tools.operations.logs.time.time", lambda: 10.0)
    group = [(9_000, "a"), (9_000, "a")]
    client = Logs({"/aws/lambda/p-publish": group})
    batches = reader(client).follow(0)
    assert [event.message for event in next(batches)] == ["a", "a"]
    assert list(next(batches)) == []
    group.extend([(8_000, "late"), (9_500, "b"), (9_000, "a")])
    assert [event.message for event in next(batches)] == ["late", "a", "b"]
    assert list(next(batches)) == []


def test_events_are_read_page_by_page() -> None:
    """The first line is shown after one page of each group, however many follow."""
    group = [(number, str(number)) for number in range(100)]
    client = Logs({"/aws/lambda/p-publish": group, "/aws/lambda/p-swarm": group})
    events = reader(client).since(0)
    assert next(events).at == 0
    assert client.pages_read == 2
    assert len([*events]) == 199


def test_a_slow_round_loses_no_event_that_arrives_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    """With many functions a round takes longer than events may be late."""
    clock = [10.0]
    monkeypatch.setattr("tools.operations.logs.time.sleep", lambda _: None)
    monkeypatch.setattr("tools.operations.logs.time.time", lambda: clock[0])
    group: list[tuple[int, str]] = []
    batches = reader(Logs({"/aws/lambda/p-publish": group})).follow(0)
    assert list(next(batches)) == []
    clock[0] = 30.0
    group.append((11_000, "meanwhile"))
    assert [event.message for event in next(batches)] == ["meanwhile"]
    assert list(next(batches)) == []


def test_each_attempt_of_the_sdk_keeps_to_the_quota(monkeypatch: pytest.MonkeyPatch) -> None:
    """A retry counts as a call does, and AWS answers five a second of an account."""
    clock = [100.0]
    sent: list[float] = []

    def sleep(seconds: float) -> None:
        clock[0] += seconds

    def answer(**_: Any) -> AWSResponse:
        sent.append(clock[0])
        throttled = len(sent) % 3
        body = b'{"__type": "ThrottlingException", "message": "Rate exceeded"}' if throttled else b'{"events": []}'
        return AWSResponse(
            "https://logs", 400 if throttled else 200, HTTPHeaders(), SimpleNamespace(stream=lambda: iter([body]))
        )

    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "a")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "b")
    monkeypatch.setattr("tools.stack.access.time.sleep", sleep)
    monkeypatch.setattr("tools.stack.access.time.monotonic", lambda: clock[0])
    client = AccountAccess.of_the_caller("eu-central-1").client("logs")
    client.meta.events.register("before-send", answer)
    assert [*reader(client).since(0)] == []
    assert len(sent) == 6
    assert all(after - before >= 0.2 for before, after in pairwise(sent))


def lines(*messages: str) -> list[str]:
    """The messages as the operator sees them, without the time."""
    events = [LogEvent(0, "publish", "one", message) for message in messages]
    return [line.plain.split(" ", 1)[1] for line in rendered(events)]


def test_a_json_line_becomes_a_sentence_with_its_keys() -> None:
    """Keys that Powertools adds to every line are left out."""
    document = {
        "level": "INFO",
        "location": "handler:12",
        "message": "broadcast published",
        "timestamp": "2026-01-01 00:00:00,000+0000",
        "service": "publish",
        "cold_start": True,
        "broadcast_id": "b1",
    }
    assert lines(json.dumps(document)) == ["publish       INFO broadcast published broadcast_id=b1"]


def test_a_session_id_is_never_shown_in_full() -> None:
    """Even where a function failed to redact it."""
    assert lines(json.dumps({"message": "m", "sessionId": "0123456789", "session_id": "abcdefgh"})) == [
        "publish       m sessionId=0123… session_id=abcd…"
    ]


def test_metrics_are_short() -> None:
    """The embedded metric format is mostly about itself."""
    line = json.dumps({"_aws": {"CloudWatchMetrics": []}, "service": "publish", "Delivered": [500.0], "Gone": 2})
    assert lines(line) == ["publish       metrics service=publish Delivered=500 Gone=2"]


def test_other_lines_are_shown_unchanged_on_one_bounded_line() -> None:
    """A dump of a megabyte must not flood the terminal."""
    assert lines("[1]", "a\nb") == ["publish       [1]", "publish       a b"]
    assert len(lines("x" * 10_000)[0]) < 700


def test_lines_written_by_lambda_are_omitted() -> None:
    """START, END and REPORT say nothing that metrics don't."""
    assert lines("START RequestId: 1", "REPORT RequestId: 1", "END RequestId: 1") == []


def test_a_function_is_chosen_by_its_name() -> None:
    """Or all of them; an unknown name lists those there are."""
    assert chosen(FUNCTIONS, "swarm") == {"swarm": "p-swarm"}
    assert chosen(FUNCTIONS, None) == FUNCTIONS
    with pytest.raises(OperatorError) as caught:
        chosen(FUNCTIONS, "nope")
    assert "publish, swarm" in caught.value.remedy
