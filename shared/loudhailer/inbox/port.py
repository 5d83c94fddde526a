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
        """Put the message into its inbox; one that is there already stays as it is."""

    def oldest(self, inbox: Inbox, limit: int) -> list[DirectMessage]:
        """The first messages of the inbox, expired ones too, in the order of their ids, read consistently.

        At most `limit`; fewer, but not none, where there are more than one page of a query holds.
        """

    def count(self, inbox: Inbox) -> Iterator[int]:
        """The numbers of messages in each page of the inbox, expired ones too, read consistently when it is reached."""

    def has(self, inbox: Inbox, message_id: MessageId) -> bool:
        """Tell whether the message is in the inbox, read consistently."""

    def note_taken(self, message: DirectMessage, by: Collection[ConnectionId]) -> None:
        """Note connections that have the message; one that is not there is fine."""

    def delete(self, messages: Sequence[DirectMessage]) -> None:
        """Delete the messages; those that are not there are fine."""
