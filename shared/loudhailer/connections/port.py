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

    def in_partition(
        self, partition: Partition, *, after: ConnectionId | None, not_expired_at: int
    ) -> Iterator[list[tuple[ConnectionId, int]]]:
        """The connections of a partition that expire later than `not_expired_at`, with their `connectedAt`, in pages.

        Ascending by id, from the first one beyond `after`; pages are read consistently, and only when they are reached.
        """

    def in_room(self, tenant: TenantId, room: RoomKey) -> list[ConnectionKey]:
        """The connections that joined the room, by an index: it may lag behind the rows."""

    def connected_at(self, keys: Sequence[ConnectionKey]) -> dict[ConnectionKey, int]:
        """When those of the connections that exist were made, read consistently; keys may repeat."""

    def size_and_expired(self, partition: Partition, now: int) -> tuple[int, list[ConnectionKey]]:
        """Return the number of rows, as `size` does, and the keys of the rows that have expired at `now`."""

    def size(self, partition: Partition) -> int:
        """Return the number of the partition's rows, expired ones included, read consistently."""

    def probe(self, partition: Partition, probe: ProbeId, now: int) -> None:
        """Put a row that is no connection's, and delete it: the stream tells of it behind all that was done before.

        The row is over at `now`, so nobody takes it for a recipient, and one that is left behind goes as others do.
        """

    def delete(self, key: ConnectionKey) -> None:
        """Delete the row; one that is not there is fine."""

    def delete_all(self, keys: Iterable[ConnectionKey]) -> None:
        """Delete the rows in few calls; those that are not there are fine, and keys may repeat.

        After an error, all of it again does no harm.
        """

    def delete_if_older(self, key: ConnectionKey, connected_before: int) -> bool:
        """Delete the row if the connection was made before the time; whether it did."""

    def delete_if_expired(self, key: ConnectionKey, now: int) -> bool:
        """Delete the row if its time is over at `now`; whether it did."""
