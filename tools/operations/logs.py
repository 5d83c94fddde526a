"""The functions' logs from CloudWatch Logs, merged by time, one readable line for each JSON line."""

import json
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from heapq import merge
from operator import itemgetter
from typing import TYPE_CHECKING, Any, NamedTuple

from rich.text import Text

from tools.console import masked, shortened
from tools.errors import OperatorError

if TYPE_CHECKING:
    from mypy_boto3_logs.client import CloudWatchLogsClient

_OVERLAP_MS = 5_000
"""Events may arrive this much later than others with their time; so far back each reading looks again."""

_POLL_SECONDS = 1.0
_LONGEST_LINE = 600
_SECRET_KEYS = {"sessionId", "session_id"}
_HEADLINE_KEYS = {"level", "message", "timestamp", "service"}
_EMPTY_KEYS = {"cold_start", "function_arn", "function_memory_size", "function_name", "location", "xray_trace_id"}
"""Keys that Powertools adds to each line and that are not shown."""

_PLATFORM_LINES = ("START RequestId", "END RequestId", "REPORT RequestId", "INIT_START")
_COLOURS = {"WARNING": "yellow", "ERROR": "red", "CRITICAL": "bold red", "DEBUG": "dim"}


class LogEvent(NamedTuple):
    """A line that a function has logged; `at` in epoch milliseconds."""

    at: int
    function: str
    stream: str
    message: str


@dataclass(frozen=True)
class LogReader:
    """Reads the log groups of functions, each named by the function's short name."""

    client: "CloudWatchLogsClient"
    functions: Mapping[str, str]

    def since(self, start: int) -> Iterator[LogEvent]:
        """Every event from a time on (epoch milliseconds), oldest first; one page of each group is in memory."""
        # Each group's events are sorted by time:
        # https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_FilterLogEvents.html
        return merge(*(self._events(name, function, start) for name, function in self.functions.items()), key=_time)

    def follow(self, start: int) -> Iterator[Iterator[LogEvent]]:
        """The events from a time on, then the new ones of each second, for ever; each part is read before the next."""
        seen: Counter[LogEvent] = Counter()
        while True:
            recent = int(time.time() * 1000) - _OVERLAP_MS
            window: Counter[LogEvent] = Counter()
            yield self._fresh(start, recent, seen, window)
            start = max(start, recent)
            seen = Counter({event: count for event, count in (seen | window).items() if event.at >= start})
            time.sleep(_POLL_SECONDS)

    def _fresh(self, start: int, recent: int, seen: Counter[LogEvent], window: Counter[LogEvent]) -> Iterator[LogEvent]:
        """The events from a time on that were not seen; `window` notes events that may be read again."""
        for event in self.since(start):
            if event.at >= recent or seen:
                window[event] += 1
            if event not in seen or window[event] > seen[event]:
                yield event

    def _events(self, name: str, function: str, start: int) -> Iterator[LogEvent]:
        pages = self.client.get_paginator("filter_log_events").paginate(
            logGroupName=f"/aws/lambda/{function}", startTime=start
        )
        try:
            for page in pages:
                for event in sorted(page["events"], key=itemgetter("timestamp")):
                    yield LogEvent(event["timestamp"], name, event["logStreamName"], event["message"].rstrip())
        except self.client.exceptions.ResourceNotFoundException:
            return


def chosen(functions: Mapping[str, str], name: str | None) -> dict[str, str]:
    """All functions, or the one of that name; OperatorError with the names there are if there is none."""
    if name is None:
        return dict(functions)
    if name not in functions:
        raise OperatorError(f"There is no function {name}.", f"Choose one of: {', '.join(sorted(functions))}.")
    return {name: functions[name]}


def own(events: Iterable[LogEvent]) -> Iterator[LogEvent]:
    """The events that functions have logged themselves, without Lambda's own lines."""
    return (event for event in events if not event.message.startswith(_PLATFORM_LINES))


def recorded(events: Iterable[LogEvent]) -> Iterator[str]:
    """The events as JSON, one a line, with the text of `rendered`: ids of sessions are cut there."""
    for event in own(events):
        yield json.dumps({"at": event.at, "function": event.function, "text": _told(event.message).plain})


def rendered(events: Iterable[LogEvent]) -> Iterator[Text]:
    """The events as lines to read; Lambda's own lines are left out."""
    for event in own(events):
        moment = datetime.fromtimestamp(event.at / 1000).astimezone()
        line = Text(f"{moment:%H:%M:%S}.{event.at % 1000:03d} ", style="dim")
        line.append(f"{event.function:<13} ", style="cyan not dim")
        line.append(_told(event.message))
        yield line


def _time(event: LogEvent) -> int:
    """Sort by time alone, so that lines of the same millisecond stay in their order."""
    return event.at


def _told(message: str) -> Text:
    try:
        document = json.loads(message)
    except ValueError:
        document = None
    if not isinstance(document, dict):
        return Text(shortened(message, _LONGEST_LINE), style="not dim")
    if "_aws" in document:
        return Text(shortened(f"metrics {_pairs(document, {'_aws'})}", _LONGEST_LINE))
    level = str(document.get("level", ""))
    headline = f"{level} {document.get('message', '')} {_pairs(document, _HEADLINE_KEYS | _EMPTY_KEYS)}"
    return Text(shortened(headline, _LONGEST_LINE), style=_COLOURS.get(level, "not dim"))


def _pairs(document: dict[str, Any], without: set[str]) -> str:
    return " ".join(
        f"{key}={masked(str(value)) if key in _SECRET_KEYS else _plain(value)}"
        for key, value in document.items()
        if key not in without
    )


def _plain(value: Any) -> Any:
    """A metric's value is a list with one element."""
    match value:
        case [int() | float() as number]:
            return f"{number:g}"
    return value
