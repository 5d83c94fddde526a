"""In-memory twin of the store of inboxes."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from threading import Lock
from typing import override

from loudhailer.errors import TransientError
from loudhailer.ids import ConnectionId
from loudhailer.inbox.model import DirectMessage, Inbox, MessageId
from loudhailer.inbox.port import InboxStore


class MemoryInboxStore(InboxStore):
    """Keeps messages in a dictionary; `down` makes it fail."""

    def __init__(self) -> None:
        self.rows: dict[tuple[Inbox, MessageId, int], DirectMessage] = {}
        self.down = False
        self._lock = Lock()

    @override
    def put(self, message: DirectMessage) -> None:
        self._answer()
        with self._lock:
            self.rows.setdefault(_key(message), message)

    @override
    def oldest(self, inbox: Inbox, limit: int) -> list[DirectMessage]:
        self._answer()
        with self._lock:
            return [self.rows[key] for key in sorted(self.rows) if key[0] == inbox][:limit]

    def count(self, inbox: Inbox) -> Iterator[int]:
        """See `InboxStore.count`: each message is a page."""
        self._answer()
        return (1 for of, *_ in self.rows if of == inbox)

    @override
    def has(self, inbox: Inbox, message_id: MessageId) -> bool:
        self._answer()
        return (inbox, message_id, 0) in self.rows

    @override
    def note_taken(self, message: DirectMessage, by: Collection[ConnectionId]) -> None:
        self._answer()
        with self._lock:
            if row := self.rows.get(_key(message)):
                self.rows[_key(message)] = replace(row, taken_by=row.taken_by.union(by))

    @override
    def delete(self, messages: Sequence[DirectMessage]) -> None:
        self._answer()
        with self._lock:
            for message in messages:
                self.rows.pop(_key(message), None)

    def _answer(self) -> None:
        if self.down:
            raise TransientError("the table is down")


def _key(message: DirectMessage) -> tuple[Inbox, MessageId, int]:
    return message.inbox, message.message_id, message.moves
