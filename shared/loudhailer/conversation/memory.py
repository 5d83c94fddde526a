"""The in-memory twins of the inboxes' table, and of the messages that clients may send again."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from threading import Lock

from loudhailer.conversation.model import (
    ATTEMPT_SECONDS,
    REMEMBERED_SECONDS,
    Attempt,
    DirectMessage,
    Inbox,
    MessageId,
    Progress,
    Sent,
)
from loudhailer.conversation.port import InboxStore, SentStore
from loudhailer.errors import TransientError
from loudhailer.ids import ConnectionId


class MemoryInboxStore(InboxStore):
    """Keeps messages in a dictionary; `down` makes it fail."""

    def __init__(self) -> None:
        self.rows: dict[tuple[Inbox, MessageId], DirectMessage] = {}
        self.down = False
        self._lock = Lock()

    def put(self, message: DirectMessage) -> None:
        """See `InboxStore.put`."""
        self._answer()
        with self._lock:
            self.rows.setdefault((message.inbox, message.message_id), message)

    def oldest(self, inbox: Inbox, limit: int) -> list[DirectMessage]:
        """See `InboxStore.oldest`."""
        self._answer()
        with self._lock:
            return [self.rows[key] for key in sorted(self.rows) if key[0] == inbox][:limit]

    def count(self, inbox: Inbox) -> Iterator[int]:
        """See `InboxStore.count`: each message is a page."""
        self._answer()
        return (1 for of, _ in self.rows if of == inbox)

    def has(self, inbox: Inbox, message_id: MessageId) -> bool:
        """See `InboxStore.has`."""
        self._answer()
        return (inbox, message_id) in self.rows

    def note_taken(self, message: DirectMessage, by: Collection[ConnectionId]) -> None:
        """See `InboxStore.note_taken`."""
        self._answer()
        with self._lock:
            if row := self.rows.get((message.inbox, message.message_id)):
                self.rows[message.inbox, message.message_id] = replace(row, taken_by=row.taken_by.union(by))

    def delete(self, messages: Sequence[DirectMessage]) -> None:
        """See `InboxStore.delete`."""
        self._answer()
        with self._lock:
            for message in messages:
                self.rows.pop((message.inbox, message.message_id), None)

    def _answer(self) -> None:
        if self.down:
            raise TransientError("the table is down")


@dataclass
class _Row:
    first: Attempt
    taken_until: int | None
    forgotten_at: int


class MemorySentStore(SentStore):
    """Keeps the messages in a dictionary."""

    def __init__(self) -> None:
        self._rows: dict[str, _Row] = {}
        self._lock = Lock()

    def begin(self, attempt: Attempt, *, now: int) -> Sent:
        """See `SentStore.begin`."""
        with self._lock:
            row = self._rows.get(attempt.key)
            if row is None or row.forgotten_at <= now:
                row = self._rows[attempt.key] = _Row(attempt, now + ATTEMPT_SECONDS, now + REMEMBERED_SECONDS)
                return self._sent(row, Progress.OPEN)
            if row.taken_until is None:
                return self._sent(row, Progress.ACCEPTED)
            if row.first.request_id == attempt.request_id:
                return self._sent(row, Progress.OPEN)
            if row.taken_until > now or row.first.content_hash != attempt.content_hash:
                return self._sent(row, Progress.AT_WORK)
            row.taken_until = now + ATTEMPT_SECONDS
            return self._sent(row, Progress.OPEN)

    def release(self, attempt: Attempt) -> None:
        """See `SentStore.release`."""
        with self._lock:
            if (row := self._rows.get(attempt.key)) is not None and row.taken_until is not None:
                row.taken_until = 0

    def finish(self, attempt: Attempt) -> None:
        """See `SentStore.finish`."""
        with self._lock:
            if (row := self._rows.get(attempt.key)) is not None:
                row.taken_until = None

    @staticmethod
    def _sent(row: _Row, progress: Progress) -> Sent:
        return Sent(progress, row.first.content_hash, row.first.request_id, row.first.received_at)
