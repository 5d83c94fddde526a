"""Add the changes in a stream of connections, or of members of channels, to the partitions' counts, exactly once.

A batch becomes one update per partition, on condition that the partition's checkpoint is unchanged since it was read.
The update moves the checkpoint to the last change. A change at or below the checkpoint has been counted: a batch that
is repeated, split differently or overlapping counts nothing twice. In this order:

1. connections that are gone leave their sessions: again and again if need be, it is the same;
2. for each partition, the count and the checkpoint move;
3. the tenants' totals are released, for what step 2 counted and nothing else;
4. the probes among the changes are noted: `reconcile` put them, to learn that all before them is counted and released.

A crash between 2 and 3 leaves a total too high, never too low; `reconcile` repairs it. Members of channels are in no
session and in no total: steps 1 and 3 do nothing for them.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

from loudhailer import ids
from loudhailer.connections.model import PROBE, ConnectionKey
from loudhailer.errors import TransientError
from loudhailer.ids import ConnectionId, Partition, ProbeId, SessionId, TenantId
from loudhailer.limits.port import LimitStore
from loudhailer.observability import count, logger
from loudhailer.partitions.port import PartitionStore
from loudhailer.sessions.port import SessionStore
from loudhailer.streams.records import StreamRecord, batch_response, parsed

_ATTEMPTS = 5

_DELTAS = {"INSERT": 1, "MODIFY": 0, "REMOVE": -1}


class _Change(NamedTuple):
    """A change of a connection's row; `delta` is its effect on the count of its partition."""

    partition: Partition
    connection_id: ConnectionId
    session_id: SessionId | None
    delta: int
    sequence_number: str
    order: str
    probe: ProbeId | None

    @property
    def is_probe(self) -> bool:
        """True if the row was a probe's: it is counted as others are, and was never reserved."""
        return self.connection_id == PROBE

    @classmethod
    def of(cls, record: StreamRecord) -> Self:
        """Read the change from a stream record."""
        return cls(
            partition=ids.recipients_partition(record.keys["partition"]["S"]),
            connection_id=record.keys["connectionId"]["S"],
            session_id=record.old.get("sessionId", {}).get("S"),
            delta=_DELTAS[record.event],
            sequence_number=record.sequence_number,
            order=record.order,
            probe=record.old.get("probe", {}).get("S"),
        )


@dataclass(frozen=True, slots=True)
class _Counted:
    """Result of counting a partition's changes."""

    partition: Partition
    opened: int = 0
    closed: int = 0
    is_known: bool = True
    is_done: bool = True


class Accounting:
    """Counts one batch of a stream shard; the executor counts its partitions in parallel.

    Members of channels are in no session and in no total: there are no sessions and no limits then.
    """

    def __init__(
        self,
        partitions: PartitionStore,
        sessions: SessionStore | None,
        limits: LimitStore | None,
        *,
        executor: Executor,
    ) -> None:
        self._partitions = partitions
        self._sessions = sessions
        self._limits = limits
        self._executor = executor

    def __call__(self, event: Mapping[str, Any]) -> dict[str, Any]:
        """Return the partial batch response: the first record of a partition that could not be counted, if any."""
        changes = list(parsed(event["Records"], _Change.of))
        of_partition: defaultdict[Partition, list[_Change]] = defaultdict(list)
        for change in changes:
            of_partition[change.partition].append(change)
        if not changes:
            return batch_response(None)
        try:
            seen = self._partitions.checkpoints(of_partition.keys())
            gone = _gone(changes, seen)
            not_forgotten = self._sessions.forget_all(gone) if self._sessions else set()
        except TransientError:
            logger.exception("nothing is counted yet; the batch will be delivered again")
            return batch_response(changes[0].sequence_number)

        # A partition that others write to all the time delays only itself.
        blocked = {connection.partition for session in not_forgotten for connection in gone[session]}
        count("SessionNotForgotten", len(not_forgotten))

        def count_changes(partition: Partition) -> _Counted:
            if partition in blocked:
                return _Counted(partition, is_done=False)
            return self._try_to_count(partition, of_partition[partition], seen.get(partition))

        results = list(self._executor.map(count_changes, of_partition))
        self._release(results)
        self._note_probes(results, of_partition)
        opened, closed = sum(one.opened for one in results), sum(one.closed for one in results)
        if self._sessions is None:
            count("MemberJoined", opened)
            count("MemberLeft", closed)
        else:
            count("ConnectionOpened", opened)
            count("ConnectionClosed", closed)
        if unknown := [partition.partition for partition in results if not partition.is_known]:
            count("PartitionMissing", len(unknown))
            logger.error("rows changed in partitions that have no row", partitions=unknown)
        again = {partition.partition for partition in results if not partition.is_done}
        return batch_response(next((change.sequence_number for change in changes if change.partition in again), None))

    def _try_to_count(self, partition: Partition, changes: Sequence[_Change], seen: str | None) -> _Counted:
        try:
            return self._count(partition, changes, seen)
        except TransientError:
            logger.exception("partition not counted; its changes will be delivered again", partition=partition)
            return _Counted(partition, is_done=False)

    def _count(self, partition: Partition, changes: Sequence[_Change], seen: str | None) -> _Counted:
        for _ in range(_ATTEMPTS):
            fresh = [change for change in changes if seen is None or change.order > seen]
            if not fresh:
                return _Counted(partition)
            if seen is None:
                # A probe may come into a partition that is removed in the same minute.
                return _Counted(partition, is_known=all(change.is_probe for change in fresh))
            delta = sum(change.delta for change in fresh)
            last = max(change.order for change in fresh)
            if self._partitions.advance(partition, seen=seen, checkpoint=last, delta=delta):
                opened = sum(change.delta > 0 and not change.is_probe for change in fresh)
                closed = sum(change.delta < 0 and not change.is_probe for change in fresh)
                return _Counted(partition, opened, closed)
            seen = self._partitions.checkpoints([partition]).get(partition)
        raise TransientError(f"another writer moved the checkpoint in {_ATTEMPTS} attempts")

    def _release(self, results: Iterable[_Counted]) -> None:
        if self._limits is None:
            return
        closed: Counter[TenantId] = Counter()
        for partition in results:
            closed[ids.tenant_of(partition.partition)] += partition.closed
        for tenant, connections in closed.items():
            if connections:
                try:
                    self._limits.release(tenant, connections)
                except TransientError:
                    count("TotalNotReleased", connections)
                    logger.exception("total not released; reconcile repairs it", tenant_id=tenant)

    def _note_probes(self, results: Iterable[_Counted], changes: Mapping[Partition, Iterable[_Change]]) -> None:
        """Note each partition's last probe, even if an earlier invocation has counted it."""
        for partition in results:
            probes = [change.probe for change in changes[partition.partition] if change.probe is not None]
            if probes and partition.is_done:
                try:
                    self._partitions.note_probe(partition.partition, probes[-1])
                except TransientError:
                    logger.exception("probe not recorded; reconcile puts another one", partition=partition.partition)


def _gone(
    changes: Iterable[_Change], seen: Mapping[Partition, str]
) -> dict[tuple[TenantId, SessionId], list[ConnectionKey]]:
    """The connections that closed since the checkpoints, by their sessions."""
    gone: defaultdict[tuple[TenantId, SessionId], list[ConnectionKey]] = defaultdict(list)
    for change in changes:
        if change.delta < 0 and change.session_id and change.order > seen.get(change.partition, ""):
            key = ConnectionKey(change.partition, change.connection_id)
            gone[ids.tenant_of(change.partition), change.session_id].append(key)
    return gone
