"""The errors that new versions log, judged by how often the versions before them log errors.

Lambda's metric of errors omits batches that failed in part, so the functions' log lines are counted. Nobody counts
their invocations: the alias says which share of them each version gets. So the errors of a version are compared with
the errors that the version before would have logged with the same share and time.

https://docs.aws.amazon.com/lambda/latest/dg/configuring-alias-routing.html
"""

import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from tools.console import shortened
from tools.stack.traffic import Shift

if TYPE_CHECKING:
    from mypy_boto3_logs.client import CloudWatchLogsClient

FEW = 5
"""So many errors of a version are no sign of anything, however few its invocations are."""

TIMES = 2
"""A version may log errors so many times as often as the version before, on top of the few."""

_LONGEST_LINE = 300
_BASELINE_SECONDS = 600
_LATE_SECONDS = 300
"""Lines may come late, and the operator's clock may be five minutes off, which SigV4 accepts. So each look begins so
long before the last one ended, and ends so long after now; a line counts once."""

_SEVERE = {"ERROR", "CRITICAL"}
_CRASHES = ("[ERROR]", "Traceback (most recent call last)", "Task timed out", "Runtime exited")
"""Lines of Lambda and Python in plain text, for when the function itself writes nothing any more."""

_FAILED = {"platform.initReport": {"error", "failure", "timeout"}, "platform.report": {"failure", "timeout"}}
"""The same in JSON, as Lambda's own lines say it, by their type. An error in an invocation has a line of its own.
https://docs.aws.amazon.com/lambda/latest/dg/telemetry-schema-reference.html"""

_CANNOT_START = (
    "Runtime.ImportModuleError",
    "Runtime.HandlerNotFound",
    "Runtime.UserCodeSyntaxError",
    "ConfigurationError",
)
"""Errors that every start of the version ends with: one of them is enough."""

PATTERN = " ".join(f'?"{term}"' for term in ("ERROR", "CRITICAL", *_CRASHES[1:], "platform."))
"""Any of these terms: CloudWatch sends no other line. Lambda's own lines are only warnings and errors. The
meaning of a line is decided here.
https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/FilterAndPatternSyntax.html"""


@dataclass(frozen=True)
class ErrorLog:
    """The severe lines of functions' versions, in CloudWatch Logs."""

    client: "CloudWatchLogsClient"

    def lines(self, function: str, version: str, begin: float, end: float) -> Iterator[tuple[str, str]]:
        """The id and the text of the severe lines of a version from `begin` to `end`, both in epoch seconds.

        A version's streams are called <date>/[<version>]<id>, by the date of the environment's start: streams of the
        day before may still grow. https://docs.aws.amazon.com/lambda/latest/dg/python-context.html
        """
        day = datetime.fromtimestamp(begin, UTC).date() - timedelta(days=1)
        while day <= datetime.fromtimestamp(end, UTC).date():
            prefix = f"{day:%Y/%m/%d}/[{version}]"
            pages = self.client.get_paginator("filter_log_events").paginate(
                logGroupName=f"/aws/lambda/{function}",
                logStreamNamePrefix=prefix,
                filterPattern=PATTERN,
                startTime=int(begin * 1_000),
                endTime=int(end * 1_000),
            )
            for page in pages:
                for event in page["events"]:
                    if event["logStreamName"].startswith(prefix) and is_severe(line := event["message"].rstrip()):
                        yield event["eventId"], line
            day += timedelta(days=1)


@dataclass
class ErrorWatch:
    """Watches the errors of new versions while they take over; one for each shift.

    Attributes:
        stable_since: when the versions before got all invocations, in epoch seconds; 0: long ago.
        exposure: how long new versions had which share of the invocations, in share times seconds; and the old ones.
    """

    log: ErrorLog
    shifts: Sequence[Shift]
    clock: Callable[[], float] = time.time
    stable_since: float = 0.0
    exposure: tuple[float, float] = (0.0, 0.0)
    _weight: float = 0.0
    _errors: dict[str, dict[str, str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._began = self._weighed_at = self._looked_at = self.clock()
        self._baseline = min(_BASELINE_SECONDS, max(1.0, self._began - self.stable_since))
        self.exposure = 0.0, self._baseline

    def weigh(self, weight: float) -> None:
        """Note that the new versions have this share of the invocations from now on."""
        self._expose()
        self._weight = weight

    def problems(self) -> list[str]:
        """Read the lines since the last look; return a sentence for each new version that is not well."""
        self._expose()
        begin, self._looked_at = self._looked_at - _LATE_SECONDS, self.clock()
        found = []
        for shift in self.shifts:
            errors = self._errors.setdefault(shift.function, {})
            errors |= self.log.lines(shift.function, shift.newest, begin, self._looked_at + _LATE_SECONDS)
            if problem := self._problem(shift, [*errors.values()]):
                found.append(problem)
        return found

    def _expose(self) -> None:
        now = self.clock()
        seconds, self._weighed_at = now - self._weighed_at, now
        new, old = self.exposure
        self.exposure = (new + self._weight * seconds, old + (1 - self._weight) * seconds)

    def _problem(self, shift: Shift, errors: Sequence[str]) -> str | None:
        """The version before is asked only when there are more errors than a few."""
        version = f"version {shift.newest} of {shift.function}"
        if fatal := next((line for line in errors if _ends_every_start(line)), None):
            return f"{version} does not start: {shortened(fatal, _LONGEST_LINE)}"
        if len(errors) <= FEW:
            return None
        begin = self._began - self._baseline
        before = len({*self.log.lines(shift.function, shift.stable, begin, self._looked_at)})
        new, old = self.exposure
        expected = before * new / old
        if len(errors) <= FEW + TIMES * expected:
            return None
        return (
            f"{version} logs {len(errors)} errors, where version {shift.stable} would have logged {expected:.1f}; "
            f"the last: {shortened(errors[-1], _LONGEST_LINE)}"
        )


def is_severe(line: str) -> bool:
    """Tell whether a line is about an error, by the function's own level, Lambda's report, or as a crash."""
    try:
        document: Any = json.loads(line)
    except ValueError:
        return any(crash in line for crash in _CRASHES)
    if not isinstance(document, dict):
        return False
    status = _record(document).get("status")
    return document.get("level") in _SEVERE or status in _FAILED.get(str(document.get("type")), ())


def _ends_every_start(line: str) -> bool:
    """Tell whether a severe line is about an error with which every environment of the version ends at its start."""
    try:
        document: Any = json.loads(line)
    except ValueError:
        return any(error in line for error in _CANNOT_START)
    kind = str(document.get("errorType") or _record(document).get("errorType") or "")
    return any(error in kind for error in _CANNOT_START)


def _record(document: dict[str, Any]) -> dict[str, Any]:
    record = document.get("record")
    return record if isinstance(record, dict) else {}
