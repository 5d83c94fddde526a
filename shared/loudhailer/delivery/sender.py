"""Ports of senders: one frame to very many connections, or a few connections' own frames in order."""

import math
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
        starts_within: float = math.inf,
        tries: int = FEW_TRIES,
    ) -> list[Outcome]:
        """Post the payload to each connection, and repeat failed posts within `seconds`.

        Args:
            endpoint: the API's management endpoint, `https://{api}.execute-api.{region}.amazonaws.com/{stage}`.
            connections: the connections to post to.
            payload: the frame, UTF-8.
            seconds: time limit; posts that are not answered by then are UNSENT.
            starts_within: posts that have not started by then are UNSENT; posts in flight are waited for.
            tries: number of 429 answers after which a connection is not tried again.

        Returns:
            One outcome for each connection, in the same order. A failed post is an outcome, never an exception.
        """


class Closer(Protocol):
    """Closes connections."""

    def close(self, endpoint: str, connections: Sequence[ConnectionId], *, seconds: float) -> list[Outcome]:
        """Close the connections in parallel with DELETE @connections; failed requests are repeated.

        Here a 429 means that the account's quota is used up, since a close does not need the client's buffer.

        Returns:
            One outcome for each, in the same order: DELIVERED for closed, GONE for gone before.
        """


class Lookup(Protocol):
    """Looks whether connections are open."""

    def look_up(self, endpoint: str, connections: Sequence[ConnectionId], *, seconds: float) -> list[Outcome]:
        """Look up the connections in parallel with GET @connections; failed requests are repeated.

        Returns:
            One outcome for each, in the same order: DELIVERED for open, GONE for gone.
        """


class OrderedSender(Closer, Lookup, Protocol):
    """Posts to connections side by side, and to each of them one frame after the other."""

    def post_in_order(
        self, endpoint: str, frames: Mapping[ConnectionId, Sequence[bytes]], *, seconds: float
    ) -> dict[ConnectionId, list[Outcome]]:
        """Post each connection's frames; a frame is posted when API Gateway has accepted the one before.

        A 5xx, a timeout or a reset is repeated with growing delays until time runs out, so a frame may arrive twice. A
        429 is repeated a few times, see `Throttling`: a client that does not read delays neither other clients nor the
        end of the call.

        Args:
            endpoint: the API's management endpoint, `https://{api}.execute-api.{region}.amazonaws.com/{stage}`.
            frames: for each connection its frames, UTF-8, in order.
            seconds: time limit.

        Returns:
            For each connection, one outcome for each of its frames: DELIVERED up to the first failure, and UNSENT after
                it. The failure is SLOW or THROTTLED if another try is not worthwhile now; FAILED or THROTTLED if that
                was the last answer when time ran out; and UNSENT without an answer. A failed post is an outcome, never
                an exception.
        """
