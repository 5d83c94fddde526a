"""Close the connections of a deleted session, whether a request, its TTL or `reconcile` deleted it.

The deleted row lists the connections. A session that was recreated under the same id has other connections, and keeps
them. No connection can be added after the row is deleted: `connect` adds to a session only while its row exists.

A 410 means that the connection is gone, or that its handshake is not complete: the close of a new connection is
repeated. Then the rows are deleted as well, since API Gateway does not promise a `$disconnect`:
https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-websocket-api-route-keys-connect-disconnect.html

Closing and deleting twice does no harm, so a batch may be delivered again, as a whole or in part.
"""

from collections.abc import Callable, Collection, Mapping
from concurrent.futures import Executor
from itertools import groupby
from typing import Any, NamedTuple, Self

from loudhailer.connections.model import YOUNG_SECONDS, ConnectionKey, key_in_session
from loudhailer.connections.port import ConnectionStore
from loudhailer.deadline import Deadline
from loudhailer.delivery.closing import close
from loudhailer.delivery.sender import OrderedSender
from loudhailer.ids import TenantId, tenant_of
from loudhailer.observability import count, logger
from loudhailer.streams.records import StreamRecord, batch_response, parsed

_PAUSE_SECONDS = 0.5


class EndSession:
    """Closes the connections of one batch of deleted sessions.

    The executor deletes rows in parallel; `connections_of` returns the store of a tenant's connections.
    """

    def __init__(
        self,
        sender: OrderedSender,
        connections_of: Callable[[TenantId], ConnectionStore],
        *,
        endpoint: str,
        executor: Executor,
        clock: Callable[[], float],
        pause: Callable[[float], None],
    ) -> None:
        self._sender = sender
        self._connections_of = connections_of
        self._endpoint = endpoint
        self._executor = executor
        self._clock = clock
        self._pause = pause

    def __call__(self, event: Mapping[str, Any], deadline: Deadline) -> dict[str, Any]:
        """The partial batch response: the first session that still has connections at the deadline, if any.

        Raises:
            TransientError: some rows could not be read or deleted; the whole batch is delivered again.
        """
        removed = list(parsed(event["Records"], _Removed.of))
        remaining = {key for session in removed for key in session.connections}
        count("SessionEnded", len(removed))
        while remaining and (remaining := self._close(remaining, deadline)):
            if deadline.is_over(within=_PAUSE_SECONDS):
                count("SessionNotEnded", sum(not remaining.isdisjoint(session.connections) for session in removed))
                logger.warning("connections of deleted sessions are still open", connections=len(remaining))
                break
            self._pause(_PAUSE_SECONDS)
        failed = (session.sequence_number for session in removed if not remaining.isdisjoint(session.connections))
        return batch_response(next(failed, None))

    def _close(self, connections: Collection[ConnectionKey], deadline: Deadline) -> set[ConnectionKey]:
        """Close the connections and delete their rows; return the ones that may still be open."""
        wanted = {key: key.connection_id for key in sorted(connections)}
        closing = close(self._sender, self._endpoint, wanted, seconds=deadline.seconds_left)
        over = {*closing.closed, *closing.gone} - self._young(closing.gone)
        for _ in self._executor.map(self._delete, over):
            pass
        count("SessionConnectionClosed", len(closing.closed))
        return set(wanted) - over

    def _young(self, connections: Collection[ConnectionKey]) -> set[ConnectionKey]:
        """Return the connections whose handshake may not be complete: they have a row, and are new."""
        old = self._clock() - YOUNG_SECONDS
        return {
            key
            for tenant, keys in groupby(sorted(connections), key=lambda key: tenant_of(key.partition))
            for key, connected_at in self._connections_of(tenant).connected_at(list(keys)).items()
            if connected_at > old
        }

    def _delete(self, key: ConnectionKey) -> None:
        self._connections_of(tenant_of(key.partition)).delete(key)


class _Removed(NamedTuple):
    """A deleted session and its connections."""

    sequence_number: str
    connections: frozenset[ConnectionKey]

    @classmethod
    def of(cls, record: StreamRecord) -> Self | None:
        """Return the session that a record says was deleted; None for another change."""
        tenant, elements = tenant_of(record.old["tenantId"]["S"]), record.old.get("connectionIds", {"SS": []})["SS"]
        if record.event != "REMOVE":
            return None
        return cls(record.sequence_number, frozenset(key_in_session(tenant, element) for element in elements))
