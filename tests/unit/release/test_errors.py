"""The errors that take a new version back: more than the version before logs."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, cast

import pytest

from tools.release.errors import FEW, PATTERN, ErrorLog, ErrorWatch, is_severe
from tools.stack.traffic import Shift

FUNCTION = "loudhailer-dev-swarm"
SHIFT = Shift(FUNCTION, "6", "7")
NOON = datetime(2026, 11, 30, 12, tzinfo=UTC).timestamp()
ERROR = json.dumps({"level": "ERROR", "message": "message failed and will be delivered again"})


@dataclass
class Logs:
    """A stand-in for CloudWatch Logs: lines of streams at times, which it filters as requested."""

    events: list[tuple[float, str, str]] = field(default_factory=list)
    asked: list[dict[str, Any]] = field(default_factory=list)
    found: int = 0

    def log(self, at: float, line: str, times: int = 1, *, version: str = "7", day: str = "2026/11/30") -> None:
        """Have a version log a line so many times."""
        self.events += [(at, f"{day}/[{version}]abcdef", line)] * times

    def get_paginator(self, _operation: str) -> "Logs":
        """See boto3."""
        return self

    def paginate(self, **asked: Any) -> Iterator[dict[str, Any]]:
        """See boto3: two pages, as the answer may have no end to speak of."""
        self.asked.append(asked)
        events = [
            {"logStreamName": stream, "message": f"{line}\n", "eventId": str(number)}
            for number, (at, stream, line) in enumerate(self.events)
            if asked["startTime"] <= at * 1000 <= asked["endTime"] and is_wanted(line, asked["filterPattern"])
        ]
        self.found += len(events)
        yield {"events": events[::2]}
        yield {"events": events[1::2]}


def is_wanted(line: str, pattern: str) -> bool:
    """Tell whether a line has one of the terms."""
    return any(term.strip('?"') in line for term in pattern.split('" '))


@dataclass
class WatchedShift:
    """A shift that is watched, and its logs."""

    logs: Logs = field(default_factory=Logs)
    now: float = NOON
    stable_since: float = 0

    def __post_init__(self) -> None:
        log = ErrorLog(cast("Any", self.logs))
        self.watch = ErrorWatch(log, [SHIFT], lambda: self.now, self.stable_since)

    def steps(self, *weights: float, seconds: float = 60) -> list[str]:
        """Give the new version these shares, for so long each; the problems at the end of all."""
        for weight in weights:
            self.watch.weigh(weight)
            self.now += seconds
        return self.watch.problems()


@pytest.fixture
def shift() -> WatchedShift:
    """A shift that has just begun."""
    return WatchedShift()


def test_one_error_among_450_000_invocations_is_ignored(shift: WatchedShift) -> None:
    """A release was taken back by one line, whatever the version before logs."""
    shift.logs.log(NOON + 30, ERROR)
    assert shift.steps(0.1, 0.5, 1) == []


def test_a_version_with_an_unchanged_error_rate_stays(shift: WatchedShift) -> None:
    """One in 4,500 of 7,500 invocations a second, before and after: 100 errors a minute by either."""
    for minute in range(-10, 0):
        shift.logs.log(NOON + minute * 60, ERROR, 100, version="6")
    for minute, weight in enumerate((0.1, 0.5, 1)):
        shift.logs.log(NOON + minute * 60 + 30, ERROR, round(100 * weight))
        shift.logs.log(NOON + minute * 60 + 30, ERROR, round(100 * (1 - weight)), version="6")
    assert shift.steps(0.1, 0.5, 1) == []


def test_a_version_with_a_threefold_error_rate_is_rolled_back(shift: WatchedShift) -> None:
    """With both numbers, and a line."""
    for minute in range(-10, 0):
        shift.logs.log(NOON + minute * 60, ERROR, 100, version="6")
    shift.logs.log(NOON + 30, ERROR, 30)
    shift.logs.log(NOON + 30, ERROR, 90, version="6")
    (problem,) = shift.steps(0.1)
    assert problem.startswith(
        f"version 7 of {FUNCTION} logs 30 errors, where version 6 would have logged 10.0; the last: "
    )


def test_a_few_errors_of_a_new_kind_cause_a_rollback(
    shift: WatchedShift,
) -> None:
    """A hundredth of 450,000 invocations are 450 in the first step; six are enough."""
    shift.logs.log(NOON + 1, ERROR, FEW)
    assert shift.steps(0.1, seconds=10) == []
    shift.logs.log(NOON + 11, ERROR)
    assert len(shift.steps(0.1, seconds=10)) == 1


def test_a_version_that_ran_for_two_minutes_is_judged_by_two_minutes() -> None:
    """After a rollback the version before has had all invocations for as long as the apply took."""
    shift = WatchedShift(stable_since=NOON - 120)
    shift.logs.log(NOON - 60, ERROR, 20, version="6")
    shift.logs.log(NOON + 30, ERROR, 20)
    assert shift.steps(1, seconds=120) == []


def test_a_line_that_quotes_a_start_error_is_ignored(shift: WatchedShift) -> None:
    """The type of the error says it, not the text that a function logs."""
    shift.logs.log(NOON + 1, json.dumps({"level": "ERROR", "message": "raise ConfigurationError"}))
    assert shift.steps(0.1) == []


@pytest.mark.parametrize(
    "line",
    [
        "[ERROR] Runtime.ImportModuleError: Unable to import module",
        json.dumps({"level": "ERROR", "errorType": "Runtime.HandlerNotFound", "errorMessage": "no handler"}),
        json.dumps({"level": "ERROR", "errorType": "ConfigurationError", "errorMessage": "bad environment"}),
    ],
)
def test_a_version_that_does_not_start_is_rolled_back_at_once(shift: WatchedShift, line: str) -> None:
    """One line is enough, since no later start would succeed."""
    shift.logs.log(NOON + 1, line)
    (problem,) = shift.steps(0.1)
    assert problem.startswith(f"version 7 of {FUNCTION} does not start: ")


def test_each_look_reads_the_lines_since_the_last_one(shift: WatchedShift) -> None:
    """And five minutes before that, for lines that come late and clocks that are fast; none of them counts twice."""
    shift.logs.log(NOON + 1, ERROR, FEW)
    for _ in range(20):
        assert shift.steps(0.5, seconds=10) == []
    starts = [asked["startTime"] / 1000 - NOON for asked in shift.logs.asked]
    assert starts[:2] == [-300, -300]
    assert starts[-1] == -110
    shift.logs.log(shift.now - 250, ERROR)
    assert len(shift.steps(0.5, seconds=10)) == 1


def test_harmless_lines_are_filtered_by_cloudwatch(shift: WatchedShift) -> None:
    """The one line that matters is found among those of 450,000 invocations."""
    for second in range(60):
        shift.logs.log(NOON + second, json.dumps({"level": "INFO", "message": "done"}), 100)
        shift.logs.log(NOON + second, json.dumps({"_aws": {}, "MessageFailed": [0.0]}), 100)
    shift.logs.log(NOON + 30, ERROR)
    assert shift.steps(0.1) == []
    assert shift.logs.found == 1 * len(shift.logs.asked)


def test_the_previous_version_is_read_only_for_a_comparison(shift: WatchedShift) -> None:
    """Its log is as long as it ran."""
    shift.logs.log(NOON + 1, ERROR, FEW)
    shift.steps(0.1, 0.5, 1)
    assert {asked["logStreamNamePrefix"][11:] for asked in shift.logs.asked} == {"[7]"}


def test_errors_of_other_versions_are_ignored(shift: WatchedShift) -> None:
    """The stream says whose it is; version 77 is not version 7, and an environment may be of the day before."""
    shift.logs.log(NOON + 1, ERROR, 50, version="77")
    shift.logs.log(NOON + 1, ERROR, 50, version="1")
    assert shift.steps(0.1) == []
    shift.logs.log(NOON + 61, ERROR, 50, day="2026/11/29")
    assert len(shift.steps(0.1)) == 1


SEVERE = [
    ERROR,
    json.dumps({"level": "CRITICAL", "message": "x"}),
    json.dumps({"type": "platform.report", "record": {"status": "timeout"}}),
    json.dumps({"type": "platform.initReport", "record": {"status": "error"}}),
    "[ERROR] Runtime.ImportModuleError: Unable to import module",
    "Traceback (most recent call last):",
    "2026-11-26T15:00:00.000Z 0c1f Task timed out after 10.00 seconds",
    "RequestId: 0c1f Error: Runtime exited with error: signal: killed",
]


@pytest.mark.parametrize("line", SEVERE)
def test_every_kind_of_error_is_queried_and_recognised(line: str) -> None:
    """The function writes it, its start does, or Lambda writes it about the function."""
    assert is_severe(line)
    assert is_wanted(line, PATTERN)


@pytest.mark.parametrize(
    "line",
    [
        json.dumps({"level": "INFO", "message": "ERROR is only a word here"}),
        json.dumps({"level": "WARNING", "message": "x"}),
        json.dumps({"_aws": {}, "MessageFailed": [0.0]}),
        json.dumps({"type": "platform.report", "record": {"status": "success"}}),
        json.dumps({"type": "platform.report", "record": {"status": "error"}}),
        json.dumps({"type": "platform.extension", "record": "?"}),
        "[]",
        "START RequestId: 0c1f Version: 7",
        "REPORT RequestId: 0c1f Duration: 1.00 ms",
    ],
)
def test_other_lines_are_not_errors(line: str) -> None:
    """Whatever words they contain."""
    assert not is_severe(line)
