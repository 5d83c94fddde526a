"""What `post_message` needs of a sender."""

from collections.abc import Sequence
from typing import Protocol

from loudhailer.delivery.outcome import Outcome
from loudhailer.ids import ConnectionId


class Sender(Protocol):
    """Posts to connections."""

    def post(
        self, endpoint: str, connections: Sequence[ConnectionId], payload: bytes, *, seconds: float
    ) -> list[Outcome]:
        """Posts the payload to each connection, once or as often as is worth while within `seconds`.

        Args:
            endpoint: the API's management endpoint, `https://{api}.execute-api.{region}.amazonaws.com/{stage}`.
            connections: whom to post to.
            payload: the frame, UTF-8.
            seconds: how long this may take; what is not answered by then is UNSENT.

        Returns:
            One outcome for each connection, in their order; never an exception for what happens to a post.
        """
