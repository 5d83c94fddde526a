"""Announce recorded broadcasts on the topic, which passes them to every cell."""

from collections.abc import Callable
from math import ceil

from loudhailer.broadcast.messages import Announcement
from loudhailer.broadcast.model import Priority, Summary
from loudhailer.broadcast.payload import Payload
from loudhailer.broadcast.port import BroadcastStore, Topic
from loudhailer.observability import count, logger


class Announcer:
    """Announces broadcasts; they expire `lifetime_seconds` later unless they have a deadline."""

    def __init__(
        self, broadcasts: BroadcastStore, topic: Topic, *, lifetime_seconds: int, clock: Callable[[], float]
    ) -> None:
        self._broadcasts = broadcasts
        self._topic = topic
        self._lifetime_seconds = lifetime_seconds
        self._clock = clock

    def __call__(self, summary: Summary, frame: str, *, priority: Priority = Priority.NORMAL) -> None:
        """Return once the topic has the broadcast and that is noted; TransientError otherwise."""
        announcement = self.announcement(summary, frame, priority=priority)
        self._topic.publish(announcement.to_wire(), group=announcement.group)
        self.note(summary, announcement)

    def announcement(self, summary: Summary, frame: str, *, priority: Priority = Priority.NORMAL) -> Announcement:
        """Return the announcement of a recorded broadcast."""
        has_cells = summary.cells is not None
        deadline = summary.ends_at if summary.has_deadline else None
        return Announcement(
            broadcast_id=summary.broadcast_id,
            audience=summary.audience,
            payload=Payload.of(frame),
            published_at=summary.published_at,
            expires_at=ceil(self._clock() + self._lifetime_seconds) if deadline is None else deadline,
            priority=priority,
            cells=None if summary.cells is None else frozenset(summary.cells),
            content_hash=summary.content_hash if has_cells else None,
            has_deadline=deadline is not None,
        )

    def note(self, summary: Summary, announcement: Announcement) -> None:
        """Note that the broadcast is on its way."""
        ends_at = None if summary.cells is None else announcement.expires_at
        self._broadcasts.mark_announced(summary.broadcast_id, ends_at=ends_at)
        count("BroadcastPublished")
        logger.info(
            "broadcast published",
            broadcast_id=summary.broadcast_id,
            bytes=len(announcement.payload.open()),
            express=summary.express,
        )
