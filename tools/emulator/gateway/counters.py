"""Counters of the gateway since it started, as `GET /_gateway/stats` shows them."""

from collections import Counter
from dataclasses import dataclass, field, fields
from typing import Any


@dataclass(slots=True)
class Counters:
    """Plain numbers: the data plane adds to them on its hottest path."""

    frames_sent: int = 0
    frames_received: int = 0
    frames_throttled: int = 0
    posts_reset: int = 0
    disconnects_delivered: int = 0
    disconnects_failed: int = 0
    disconnects_dropped: int = 0
    handshakes: Counter[int] = field(default_factory=Counter)
    posts: Counter[int] = field(default_factory=Counter)
    close_codes: Counter[int] = field(default_factory=Counter)
    invocations: Counter[str] = field(default_factory=Counter)

    def snapshot(self) -> dict[str, Any]:
        """The counters as JSON values; counts by status have the status as a string key."""
        return {each.name: _plain(getattr(self, each.name)) for each in fields(self)}


def _plain(value: int | Counter[Any]) -> int | dict[str, int]:
    return value if isinstance(value, int) else {str(key): count for key, count in sorted(value.items())}
