"""The stream of `connections` is folded into the partitions' counts, each change once.

A batch becomes one update per partition, on condition that the partition's checkpoint still is the one that was read;
it moves the checkpoint to the last change. What stands at or below the checkpoint has been counted: a batch that comes
again, split otherwise, or overlapping, changes nothing twice. In this order:

1. connections that are gone leave their sessions: again and again if need be, it is the same;
2. for each partition, the count and the checkpoint move;
3. the tenants' totals are released, for what step 2 counted and nothing else;
4. the probes among the changes are noted: `reconcile` put them, to learn that all before them is counted and released.

A crash between 2 and 3 leaves a total too high, never too low; `reconcile` repairs it.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from loudhailer import ids
from loudhailer.connections.model import PROBE, ConnectionKey
from loudhailer.errors import InvalidFieldError, TransientError
from loudhailer.ids import ConnectionId, Partition, ProbeId, SessionId, TenantId
from loudhailer.limits.port import LimitStore
from loudhailer.observability import count, logger
from loudhailer.partitions.port import PartitionStore
from loudhailer.sessions.port import SessionStore

_ATTEMPTS = 5

_DIGITS = 40
"""Sequence numbers have up to 40 digits: padded, they compare as strings.
https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_streams_StreamRecord.html"""

_DELTAS = {"INSERT": 1, "MODIFY": 0, "REMOVE": -1}


class _Change(NamedTuple):
    sequence: str
    delta: int
    connection_id: ConnectionId
    session_id: SessionId | None
    probe: ProbeId | None

    @property
    def is_probe(self) -> bool:
        """Whether the row was no connection's: it is counted as others are, and was never reserved."""
        return self.connection_id == PROBE


@dataclass(frozen=True, slots=True)
class _Settled:
    """What became of a partition's changes."""

    partition: Partition
    opened: int = 0
    closed: int = 0
    is_known: bool = True
    is_done: bool = True


class Accounting:
    """Counts one batch of a stream shard.

    `each` is `map`, or one that works on several partitions at the same time.
    """

    def __init__(
        self,
        partitions: PartitionStore,
        sessions: SessionStore,
        limits: LimitStore,
        *,
        each: Callable[[Callable[[Partition], _Settled], Iterable[Partition]], Iterable[_Settled]],
    ) -> None:
        self._partitions = partitions
        self._sessions = sessions
        self._limits = limits
        self._each = each

    def __call__(self, event: Mapping[str, Any]) -> dict[str, Any]:
        """The partial batch response: the first record of those partitions whose changes are not counted, if any."""
        records = event["Records"]
        changes = _fold(records)
        if not changes:
            return _response(None)
        try:
            seen = self._partitions.checkpoints(changes.keys())
            gone = _gone(changes, seen)
            left = self._sessions.forget_all(gone)
        except TransientError:
            logger.exception("nothing is counted yet; the batch comes again")
            return _response(_first_of(changes.keys(), records))

        # What others write all the time delays its own partitions, and nobody else's.
        blocked = {connection.partition for session in left for connection in gone[session]}
        count("SessionNotForgotten", len(left))

        def settle(partition: Partition) -> _Settled:
            if partition in blocked:
                return _Settled(partition, is_done=False)
            return self._settle(partition, changes[partition], seen.get(partition))

        settled = list(self._each(settle, changes))
        self._release(settled)
        self._note_probes(settled, changes)
        count("ConnectionOpened", sum(partition.opened for partition in settled))
        count("ConnectionClosed", sum(partition.closed for partition in settled))
        if unknown := [partition.partition for partition in settled if not partition.is_known]:
            count("PartitionMissing", len(unknown))
            logger.error("connections changed in partitions that have no row", partitions=unknown)
        return _response(_first_of({partition.partition for partition in settled if not partition.is_done}, records))

    def _settle(self, partition: Partition, changes: Sequence[_Change], seen: str | None) -> _Settled:
        try:
            return self._count(partition, changes, seen)
        except TransientError:
            logger.exception("partition not counted; its changes come again", partition=partition)
            return _Settled(partition, is_done=False)

    def _count(self, partition: Partition, changes: Sequence[_Change], seen: str | None) -> _Settled:
        for _ in range(_ATTEMPTS):
            fresh = [change for change in changes if seen is None or change.sequence > seen]
            if not fresh:
                return _Settled(partition)
            if seen is None:
                # A probe may come into a partition that is removed in the same minute.
                return _Settled(partition, is_known=all(change.is_probe for change in fresh))
            delta = sum(change.delta for change in fresh)
            last = max(change.sequence for change in fresh)
            if self._partitions.advance(partition, seen=seen, checkpoint=last, delta=delta):
                opened = sum(change.delta > 0 and not change.is_probe for change in fresh)
                closed = sum(change.delta < 0 and not change.is_probe for change in fresh)
                return _Settled(partition, opened, closed)
            seen = self._partitions.checkpoints([partition]).get(partition)
        raise TransientError(f"another writer moved the checkpoint in {_ATTEMPTS} attempts")

    def _release(self, settled: Iterable[_Settled]) -> None:
        closed: Counter[TenantId] = Counter()
        for partition in settled:
            closed[ids.tenant_of(partition.partition)] += partition.closed
        for tenant, connections in closed.items():
            if connections:
                try:
                    self._limits.release(tenant, connections)
                except TransientError:
                    count("TotalNotReleased", connections)
                    logger.exception("total not released; reconcile repairs it", tenant_id=tenant)

    def _note_probes(self, settled: Iterable[_Settled], changes: Mapping[Partition, Iterable[_Change]]) -> None:
        """Notes the last probe of each partition, whether it is counted now or was before."""
        for partition in settled:
            probes = [change.probe for change in changes[partition.partition] if change.probe is not None]
            if probes and partition.is_done:
                try:
                    self._partitions.note_probe(partition.partition, probes[-1])
                except TransientError:
                    logger.exception("probe not noted; reconcile puts another one", partition=partition.partition)


def _fold(records: Iterable[Mapping[str, Any]]) -> dict[Partition, list[_Change]]:
    """The changes of each partition, in the order of the records; a record that makes no sense is left out."""
    changes: dict[Partition, list[_Change]] = {}
    for record in records:
        try:
            change = record["dynamodb"]
            keys = change["Keys"]
            partition = keys["partition"]["S"]
            delta = _DELTAS[record["eventName"]]
            sequence = change["SequenceNumber"].zfill(_DIGITS)
            session = change.get("OldImage", {}).get("sessionId", {}).get("S")
            if partition not in changes:
                changes[ids.partition(partition)] = []
            probe = change.get("OldImage", {}).get("probe", {}).get("S")
            changes[partition].append(_Change(sequence, delta, keys["connectionId"]["S"], session, probe))
        except (KeyError, TypeError, AttributeError, InvalidFieldError) as error:
            count("RecordSkipped")
            logger.error("record skipped", event_id=record.get("eventID"), reason=repr(error))
    return changes


def _gone(
    changes: Mapping[Partition, Iterable[_Change]], seen: Mapping[Partition, str]
) -> dict[tuple[TenantId, SessionId], list[ConnectionKey]]:
    """The connections that closed since the checkpoints, by their sessions."""
    gone: defaultdict[tuple[TenantId, SessionId], list[ConnectionKey]] = defaultdict(list)
    for partition, of_partition in changes.items():
        tenant, checkpoint = ids.tenant_of(partition), seen.get(partition, "")
        for change in of_partition:
            if change.delta < 0 and change.session_id and change.sequence > checkpoint:
                gone[tenant, change.session_id].append(ConnectionKey(partition, change.connection_id))
    return gone


def _first_of(partitions: Iterable[Partition], records: Iterable[Mapping[str, Any]]) -> str | None:
    """The sequence number of the first record of any of the partitions."""
    wanted = frozenset(partitions)
    for record in records:
        change = record.get("dynamodb", {})
        if change.get("Keys", {}).get("partition", {}).get("S") in wanted:
            return str(change["SequenceNumber"])
    return None


def _response(failed: str | None) -> dict[str, Any]:
    return {"batchItemFailures": [] if failed is None else [{"itemIdentifier": failed}]}
