"""Announce recorded broadcasts on the topic, which passes them to every cell."""

from collections.abc import Callable

from loudhailer.broadcast.messages import Announcement
from loudhailer.broadcast.model import Priority, Summary
from loudhailer.broadcast.payload import Payload
from loudhailer.broadcast.port import BroadcastStore, Topic
from loudhailer.observability import count, logger


class Announcer:
    """Announces broadcasts; they expire `lifetime_seconds` later."""

    def __init__(
        self, broadcasts: BroadcastStore, topic: Topic, *, lifetime_seconds: int, clock: Callable[[], float]
    ) -> None:
        self._broadcasts = broadcasts
        self._topic = topic
        self._lifetime_seconds = lifetime_seconds
        self._clock = clock

    def __call__(self, summary: Summary, frame: str, *, priority: Priority = Priority.NORMAL) -> None:
        """Return once the topic has the broadcast and that is noted; TransientError otherwise."""
        has_cells = summary.cells is not None
        expires_at = int(self._clock()) + self._lifetime_seconds
        announcement = Announcement(
            broadcast_id=summary.broadcast_id,
            audience=summary.audience,
            payload=Payload.of(frame),
            published_at=summary.published_at,
            expires_at=expires_at,
            priority=priority,
            cells=None if summary.cells is None else frozenset(summary.cells),
            content_hash=summary.content_hash if has_cells else None,
        )
        self._topic.publish(announcement.to_wire(), group=announcement.group)
        self._broadcasts.mark_announced(summary.broadcast_id, ends_at=expires_at if has_cells else None)
        count("BroadcastPublished")
        logger.info("broadcast published", broadcast_id=summary.broadcast_id, bytes=len(frame.encode()))
