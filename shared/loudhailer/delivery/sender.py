"""Ports of senders: one frame to very many connections, or its own frames to each of a few, in order."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from loudhailer.delivery.outcome import Outcome
from loudhailer.delivery.throttling import FEW_TRIES
from loudhailer.ids import ConnectionId


class Sender(Protocol):
    """Posts to connections."""

    def post(
        self,
        endpoint: str,
        connections: Sequence[ConnectionId],
        payload: bytes,
        *,
        seconds: float,
        tries: int = FEW_TRIES,
    ) -> list[Outcome]:
        """Post the payload to each connection, once or as often as is worth while within `seconds`.

        Args:
            endpoint: the API's management endpoint, `https://{api}.execute-api.{region}.amazonaws.com/{stage}`.
            connections: whom to post to.
            payload: the frame, UTF-8.
            seconds: how long this may take; what is not answered by then is UNSENT.
            tries: after so many answers of 429 a connection is not tried again.

        Returns:
            One outcome for each connection, in their order; never an exception for what happens to a post.
        """


class Closer(Protocol):
    """Closes connections."""

    def close(self, endpoint: str, connections: Sequence[ConnectionId], *, seconds: float) -> list[Outcome]:
        """Close the connections, side by side, with DELETE @connections; what fails is tried again in place.

        A 429 is the account's quota here, since a close does not need the client's buffer.

        Returns:
            One outcome for each, in their order: DELIVERED is closed, GONE was gone before.
        """


class Lookup(Protocol):
    """Looks whether connections are open."""

    def look_up(self, endpoint: str, connections: Sequence[ConnectionId], *, seconds: float) -> list[Outcome]:
        """Ask for each connection, side by side, with GET @connections; what fails is tried again in place.

        Returns:
            One outcome for each, in their order: DELIVERED is open, GONE is gone.
        """


class OrderedSender(Closer, Lookup, Protocol):
    """Posts to connections side by side, and to each of them one frame after the other."""

    def post_in_order(
        self, endpoint: str, frames: Mapping[ConnectionId, Sequence[bytes]], *, seconds: float
    ) -> dict[ConnectionId, list[Outcome]]:
        """Post each connection its frames; the next one only when the gateway has taken the one before.

        5xx, timeouts and resets are tried again in place, a little later each time, for as long as there is time; so a
        frame may arrive twice. 429 is tried again a few times, see `Throttling`: a client that does not read holds up
        neither the others nor the end of the call.

        Args:
            endpoint: the API's management endpoint, `https://{api}.execute-api.{region}.amazonaws.com/{stage}`.
            frames: for each connection what it gets, UTF-8, in order.
            seconds: how long this may take.

        Returns:
            For each connection one outcome for each of its frames: DELIVERED up to the first that ended otherwise,
            UNSENT after that one. It is SLOW or THROTTLED if it is not worth another try now, FAILED or THROTTLED if
            that was its last answer when the time was over, and UNSENT if there was none. Never an exception for what
            happens to a post.
        """
