"""The stores of the players' inboxes, and of the messages that clients may send again.

Every method may raise TransientError: the store did not answer, and the same call may succeed later.
"""

from collections.abc import Collection, Iterator, Sequence
from typing import Protocol

from loudhailer.conversation.model import Attempt, DirectMessage, Inbox, MessageId, Sent
from loudhailer.ids import ConnectionId


class InboxStore(Protocol):
    """The direct messages that wait for their receivers."""

    def put(self, message: DirectMessage) -> None:
        """Puts the message into its inbox; one that is there already stays as it is."""

    def oldest(self, inbox: Inbox, limit: int) -> list[DirectMessage]:
        """The first messages of the inbox, expired ones too, in the order of their ids, read consistently.

        At most `limit`; fewer, but not none, where there are more than one page of a query holds.
        """

    def count(self, inbox: Inbox) -> Iterator[int]:
        """The numbers of messages in each page of the inbox, expired ones too, read consistently when it is reached."""

    def has(self, inbox: Inbox, message_id: MessageId) -> bool:
        """Tell whether the message is in the inbox, read consistently."""

    def note_taken(self, message: DirectMessage, by: Collection[ConnectionId]) -> None:
        """Notes connections that have the message; one that is not there is fine."""

    def delete(self, messages: Sequence[DirectMessage]) -> None:
        """Deletes the messages; those that are not there are fine."""


class SentStore(Protocol):
    """The messages that clients gave an id, for an hour from their first attempt on."""

    def begin(self, attempt: Attempt, *, now: int) -> Sent:
        """The progress of the message since its first attempt; `now` in epoch seconds.

        It is open to one request alone, and for 15 seconds: longer than a function may take. Then, if it was not
        finished, it is open to the next one with the same content.
        """

    def release(self, attempt: Attempt) -> None:
        """Leaves the message to the next attempt, as of its first one."""

    def finish(self, attempt: Attempt) -> None:
        """Notes that the message was carried out."""
