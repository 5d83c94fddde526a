"""The store of the players' inboxes, as use cases need it.

Every method may raise TransientError: the store did not answer, and the same call may succeed later.
"""

from collections.abc import Collection, Iterator, Sequence
from typing import Protocol

from loudhailer.ids import ConnectionId
from loudhailer.inbox.model import DirectMessage, Inbox, MessageId


class InboxStore(Protocol):
    """The direct messages that wait for their receivers."""

    def put(self, message: DirectMessage) -> None:
        """Put the message into its inbox; a stored message is not changed."""

    def oldest(self, inbox: Inbox, limit: int) -> list[DirectMessage]:
        """Return the first messages of the inbox, expired ones included, by id, read consistently.

        At most `limit`, and no more than one page of a query.
        """

    def count(self, inbox: Inbox) -> Iterator[int]:
        """Yield the number of messages in each page of the inbox, expired ones included, read consistently."""

    def has(self, inbox: Inbox, message_id: MessageId) -> bool:
        """Tell whether the message is in the inbox, read consistently."""

    def note_taken(self, message: DirectMessage, by: Collection[ConnectionId]) -> None:
        """Note connections that have the message; a missing message is ignored."""

    def delete(self, messages: Sequence[DirectMessage]) -> None:
        """Delete the messages; missing ones are ignored."""
