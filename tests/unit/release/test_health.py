"""Which lines of a new version's log tell that it does not work."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, cast

import pytest

from tools.release.health import ErrorLog
from tools.release.traffic import Shift

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
    """What is found in these events."""
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
    """Of the function, of its start, or of Lambda about it."""
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
