"""The store of connections, as use cases need it.

Every method may raise TransientError: the store did not answer, and the same call may succeed later.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol

from loudhailer.connections.model import Connection, ConnectionKey
from loudhailer.ids import ConnectionId, Partition, ProbeId, RoomKey, TenantId


class ConnectionStore(Protocol):
    """The rows of the connections. `connect` alone adds to them, together with the session."""

    def get(self, key: ConnectionKey) -> Connection | None:
        """The connection as it is now, read consistently; None if there is no such row."""

    def mark_subscriber(self, key: ConnectionKey) -> bool:
        """Mark the connection as one that may have subscriptions; return False, and change nothing, without a row."""

    def in_partition(
        self, partition: Partition, *, after: ConnectionId | None, not_expired_at: int
    ) -> Iterator[list[tuple[ConnectionId, int]]]:
        """Yield pages of a partition's connections that expire after `not_expired_at`, each with its `connectedAt`.

        Ascending by id, from the first one after `after`; each page is read consistently, on demand.
        """

    def in_room(self, tenant: TenantId, room: RoomKey, *, most: int | None = None) -> list[ConnectionKey]:
        """Return the connections in the room, `most` at most, from an index that may lag behind the rows."""

    def connected_at(self, keys: Sequence[ConnectionKey]) -> dict[ConnectionKey, int]:
        """Return the times at which the existing connections were made, read consistently; keys may repeat."""

    def size_and_expired(self, partition: Partition, now: int) -> tuple[int, list[ConnectionKey]]:
        """Return the number of rows, as `size` does, and the keys of the rows that have expired at `now`."""

    def size(self, partition: Partition) -> int:
        """Return the number of the partition's rows, expired ones included, read consistently."""

    def probe(self, partition: Partition, probe: ProbeId, now: int) -> None:
        """Put a row that belongs to no connection, and delete it: its stream record follows all earlier changes.

        The row expires at `now`, so it is never a recipient, and a row that is left behind is deleted like others.
        """

    def delete(self, key: ConnectionKey) -> None:
        """Delete the row; a missing row is ignored."""

    def delete_all(self, keys: Iterable[ConnectionKey]) -> None:
        """Delete the rows in few calls; missing rows are ignored, and keys may repeat.

        After an error, the call may be repeated.
        """

    def delete_if_older(self, key: ConnectionKey, connected_before: int) -> bool:
        """Delete the row if the connection was made before the time; return whether it was deleted."""

    def delete_if_expired(self, key: ConnectionKey, now: int) -> bool:
        """Delete the row if it has expired at `now`; return whether it was deleted."""
