"""A tenant's settings of channels: patterns, and what holds for the channels that match them.

The first pattern that matches a channel decides.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from loudhailer import ids
from loudhailer.ids import Channel, Pattern

type ChannelSettingWire = dict[str, Any]
"""`{"pattern","history":{"messages","seconds","from"}}`, as rows and `GET /tenant` have it; `{"pattern"}` without
history."""


@dataclass(frozen=True, slots=True)
class Retention:
    """The bounds of a channel's history.

    Attributes:
        messages: its latest messages, so many.
        seconds: those of them that are not older.
        begins_at: when it begins, in epoch seconds. Before, messages get no offsets.
    """

    messages: int
    seconds: int
    begins_at: int


@dataclass(frozen=True, slots=True)
class ChannelSetting:
    """The setting of channels that match a pattern; without history their messages get no offsets."""

    pattern: Pattern
    history: Retention | None = None

    def to_wire(self) -> ChannelSettingWire:
        """The setting as JSON has it."""
        wire: ChannelSettingWire = {"pattern": self.pattern}
        if self.history is not None:
            kept = self.history
            wire["history"] = {"messages": kept.messages, "seconds": kept.seconds, "from": kept.begins_at}
        return wire

    @classmethod
    def from_wire(cls, wire: Mapping[str, Any]) -> "ChannelSetting":
        """Read what `to_wire` has made."""
        kept = wire.get("history")
        history = None if kept is None else Retention(kept["messages"], kept["seconds"], kept["from"])
        return cls(Pattern(wire["pattern"]), history)


def retention_of(settings: Iterable[ChannelSetting], channel: Channel) -> Retention | None:
    """Return what the first matching pattern says of the channel's history; None if it has none."""
    patterns = ids.patterns_of(channel)
    return next((one.history for one in settings if one.pattern in patterns), None)
