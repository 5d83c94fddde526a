"""The search for the recipients of a broadcast, in key order, and the chunks that they are fixed in."""

from collections import deque
from collections.abc import Callable, Collection, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future
from contextlib import closing
from itertools import islice
from math import ceil
from typing import TYPE_CHECKING, Protocol, override

from loudhailer.broadcast.audience import InRoom, OfPlayer, OfSession
from loudhailer.broadcast.model import Chunk
from loudhailer.broadcast.scope import Scope
from loudhailer.connections.devices.port import DeviceStore
from loudhailer.connections.members import ConnectionsAndMembers
from loudhailer.connections.model import YOUNG_SECONDS, ConnectionKey
from loudhailer.ids import ChunkId, ConnectionId, Partition, SessionId, TenantId, audience_of

if TYPE_CHECKING:
    from loudhailer.broadcast.recipients import Recipients

_PARTITIONS_AHEAD = 4
"""Partitions whose first page is read before it is needed: memory is bounded by as many pages, of 1 MB at most."""

LARGEST_CHUNK = 500
"""Beside 128 KB of data no more ids fit into 256 KiB."""

_SMALLEST_CHUNK = 100
"""Least recipients of a chunk, which costs a row, two messages and a share of an invocation."""

_CHUNKS_A_LANE = 2
"""Number of chunks that each lane gets at least, if there are enough recipients: then no lane is idle for long."""

type Recipient = tuple[Partition, ConnectionId, int]
"""A connection's key, and when it was made: recipients sort as chunks do."""

type Page = list[Recipient]


def size_of_chunks(recipients: int | None, *, lanes: int, most: int) -> int:
    """Return the number of recipients of each chunk: few enough that all lanes have work, and `most` at most.

    Args:
        recipients: number of recipients of the whole broadcast; None if it is not known.
        lanes: the number of lanes that post it.
        most: the recipients that a chunk may have.
    """
    if recipients is None:
        return most
    return min(most, max(_SMALLEST_CHUNK, ceil(recipients / (_CHUNKS_A_LANE * lanes))))


def overlaps(scope: Scope) -> bool:
    """Tell whether a connection may be in a scope several times: in partitions of several patterns of a channel."""
    return isinstance(scope, tuple) and len({audience_of(partition) for partition in scope}) > 1


def each_once(recipients: Iterable[Recipient], seen: set[ConnectionId]) -> Page:
    """Return the recipients that are not among those seen, each once, and add them to these."""
    found: Page = []
    for recipient in recipients:
        if recipient[1] not in seen:
            seen.add(recipient[1])
            found.append(recipient)
    return found


class Connected(Protocol):
    """The part of a session that the search reads."""

    @property
    def connections(self) -> Collection[ConnectionKey]:
        """The keys of its connections."""


class SessionLookup(Protocol):
    """The sessions."""

    def get(self, tenant: TenantId, session: SessionId) -> Connected | None:
        """Return the session; None if there is no such session."""


class PartitionReader(Protocol):
    """The connections in partitions."""

    def in_partition(
        self, partition: Partition, *, after: ConnectionId | None, not_expired_at: int
    ) -> Iterator[list[tuple[ConnectionId, int]]]:
        """See `ConnectionStore.in_partition`."""


class PartitionSearch:
    """Finds the recipients in whole partitions."""

    def __init__(self, connections: PartitionReader, *, executor: Executor, clock: Callable[[], float]) -> None:
        self._reader = connections
        self._executor = executor
        self._clock = clock

    def pages(self, scope: Scope, after: ConnectionKey | None = None) -> Generator[Page]:
        """Yield the recipients after the key `after`, in key order, a page at a time.

        The first partition's first page is read alone and used, so that the first chunk does not wait for other pages.
        From then on the next partitions are read while one is processed.

        Raises:
            TypeError: the scope is a room, a player or a session.
        """
        if not isinstance(scope, tuple):
            raise TypeError(f"{type(scope).__name__} is searched by Search alone")
        yield from self._in_partitions(scope, after)

    def at_most(self, scope: Scope, most: int) -> Page | None:
        """Return all recipients in key order; None if there are more than `most`."""
        found: Page = []
        seen: set[ConnectionId] = set()
        with closing(self.pages(scope)) as pages:
            for page in pages:
                found += each_once(page, seen) if overlaps(scope) else page
                if len(found) > most:
                    return None
        return found

    def chunk(self, chunk_id: ChunkId, recipients: Page) -> Chunk:
        """Return a new chunk of the recipients, which is not stored yet."""
        now = int(self._clock())
        grouped: Recipients = {}
        young = 0
        for position, (partition, connection, connected_at) in enumerate(recipients):
            grouped.setdefault(partition, []).append(connection)
            if connected_at > now - YOUNG_SECONDS:
                young |= 1 << position
        return Chunk(chunk_id=chunk_id, recipients=grouped, young=young, young_until=now + YOUNG_SECONDS)

    def _in_partitions(self, partitions: Sequence[Partition], after: ConnectionKey | None) -> Generator[Page]:
        ahead: deque[tuple[Iterator[Page], Future[Page | None]]] = deque()
        unread = (partition for partition in sorted(partitions) if after is None or partition >= after.partition)

        def read(many: int) -> None:
            for partition in islice(unread, many - len(ahead)):
                further = self._in_partition(partition, after)
                ahead.append((further, self._executor.submit(next, further, None)))

        read(1)
        try:
            while ahead:
                further, first = ahead.popleft()
                page = first.result()
                while page is not None:
                    yield page
                    read(_PARTITIONS_AHEAD)
                    page = next(further, None)
                read(_PARTITIONS_AHEAD)
        finally:
            # A reader that stops early leaves unfinished reads, which would delay those of the next request.
            for _, unread_page in ahead:
                unread_page.cancel()

    def _in_partition(self, partition: Partition, after: ConnectionKey | None) -> Iterator[Page]:
        beyond = after.connection_id if after is not None and partition == after.partition else None
        pages = self._reader.in_partition(partition, after=beyond, not_expired_at=int(self._clock()))
        for page in pages:
            yield [(partition, connection, connected_at) for connection, connected_at in page]


class Search(PartitionSearch):
    """Finds the recipients in any scope."""

    def __init__(
        self,
        connections: ConnectionsAndMembers,
        sessions: SessionLookup,
        devices: DeviceStore,
        *,
        executor: Executor,
        clock: Callable[[], float],
    ) -> None:
        super().__init__(connections, executor=executor, clock=clock)
        self._connections = connections
        self._sessions = sessions
        self._devices = devices

    @override
    def pages(self, scope: Scope, after: ConnectionKey | None = None) -> Generator[Page]:
        """See `PartitionSearch.pages`. A room, a player or a session is one page, and `after` is not for it."""
        match scope:
            case InRoom(tenant, room):
                yield self._among(self._connections.in_room(tenant, room))
            case OfPlayer(tenant, player):
                yield self._among(self._devices.of_player(tenant, player))
            case OfSession(tenant, session_id):
                session = self._sessions.get(tenant, session_id)
                yield self._among(list(session.connections) if session else [])
            case _:
                yield from super().pages(scope, after)

    @override
    def at_most(self, scope: Scope, most: int) -> Page | None:
        """See `PartitionSearch.at_most`."""
        if isinstance(scope, InRoom):
            members = self._connections.in_room(scope.tenant, scope.room, most=most + 1)
            return self._among(members) if len(members) <= most else None
        return super().at_most(scope, most)

    def _among(self, keys: Sequence[ConnectionKey]) -> Page:
        connected_at = self._connections.connected_at(keys)
        return sorted((key.partition, key.connection_id, at) for key, at in connected_at.items())
