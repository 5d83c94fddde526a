"""A connection and its key."""

from dataclasses import dataclass
from typing import NamedTuple

from loudhailer.ids import (
    ConnectionId,
    Partition,
    PlayerId,
    SessionId,
    TenantId,
    nth_partition,
    number_of,
    tenant_of,
)

CONNECTION_SECONDS = 7_500
"""Lifetime of a row: the 2 hours that API Gateway lets a connection live, and 5 minutes more.
https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-execution-service-websocket-limits-table.html"""


YOUNG_SECONDS = 30
"""Seconds after `$connect` writes a connection's row in which the handshake may not be complete. Until then a 410 may
only mean that API Gateway does not know the connection yet."""


PROBE = ConnectionId("probe")
"""The connection id of a probe's row, see `ConnectionStore.probe`; API Gateway's ids are longer."""


class ConnectionKey(NamedTuple):
    """The full key of a connection's row."""

    partition: Partition
    connection_id: ConnectionId

    def in_session(self) -> str:
        """The key as its session's `connectionIds` holds it, without the tenant: `{n:05d}#{connectionId}`."""
        return f"{number_of(self.partition):05d}#{self.connection_id}"


def key_in_session(tenant: TenantId, element: str) -> ConnectionKey:
    """Read a key from an element of a session's `connectionIds`."""
    number, _, connection = element.partition("#")
    return ConnectionKey(nth_partition(tenant, int(number)), ConnectionId(connection))


@dataclass(frozen=True, slots=True)
class Connection:
    """A client that is connected; times are epoch seconds.

    `subscribes` marks a connection that may have subscriptions: they end with its row.
    """

    key: ConnectionKey
    session_id: SessionId
    connected_at: int
    expires_at: int
    player_id: PlayerId | None = None
    subscribes: bool = False

    @property
    def tenant_id(self) -> TenantId:
        """The tenant that the connection's partition belongs to."""
        return tenant_of(self.key.partition)


class Speaker(NamedTuple):
    """The author of a frame in a room or a channel, as its row or its session says."""

    connection_id: ConnectionId
    player_id: PlayerId | None
