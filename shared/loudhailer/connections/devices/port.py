"""The store of the players' connections.

Every method may raise TransientError: the store did not answer, and the same call may succeed later.
"""

from collections.abc import Iterable
from typing import Protocol

from loudhailer.connections.model import ConnectionKey
from loudhailer.ids import ConnectionId, PlayerId, TenantId


class DeviceStore(Protocol):
    """The connections of each player. `connect` alone adds to them, together with the connection's row."""

    def of_player(self, tenant: TenantId, player: PlayerId) -> list[ConnectionKey]:
        """All connections of the player that have a row, read consistently; some may be gone."""

    def forget(self, tenant: TenantId, player: PlayerId, connections: Iterable[ConnectionId]) -> None:
        """Delete connections that are gone; missing ones are ignored."""
