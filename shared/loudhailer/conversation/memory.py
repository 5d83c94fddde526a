"""The in-memory twin of the inboxes' table."""

from collections.abc import Sequence
from threading import Lock

from loudhailer.conversation.model import DirectMessage, Inbox, MessageId
from loudhailer.conversation.port import InboxStore
from loudhailer.errors import TransientError


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

    def count(self, inbox: Inbox, limit: int) -> int:
        """See `InboxStore.count`."""
        return len(self.oldest(inbox, limit))

    def delete(self, messages: Sequence[DirectMessage]) -> None:
        """See `InboxStore.delete`."""
        self._answer()
        with self._lock:
            for message in messages:
                self.rows.pop((message.inbox, message.message_id), None)

    def _answer(self) -> None:
        if self.down:
            raise TransientError("the table is down")
