"""The store of messages that clients may send again, as use cases need it.

Every method may raise TransientError: the store did not answer, and the same call may succeed later.
"""

from typing import Protocol

from loudhailer.websocket.sent.model import Attempt, Sent


class SentStore(Protocol):
    """The messages with clients' ids, for an hour from their first attempt."""

    def begin(self, attempt: Attempt, *, now: int) -> Sent:
        """Return the progress of the message since its first attempt; `now` in epoch seconds.

        It is open to one request alone for 15 seconds: longer than a function may take. Then, if it was not finished,
        it is open to the next request with the same content.
        """

    def release(self, attempt: Attempt) -> None:
        """Leave the message to the next attempt, which uses the first attempt's time."""

    def finish(self, attempt: Attempt) -> None:
        """Note that the message was carried out."""
