"""The streams of the tables, and the mappings by which Lambda reads them.

The records of a partition key are on one shard, in order. A batch that fails is delivered again from its first failure
on, in halves if the function ended with an error. A record that is an hour old is given up: then a message goes to the
queue for failures, if there is one, and the shard continues.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from zlib import crc32

from tests.simulation import faults
from tests.support.dynamodb.engine import Write

if TYPE_CHECKING:
    from tests.simulation.system import SimulatedSystem

_SHARDS = 2
_OLDEST_SECONDS = 3_600.0
_STALLS = (5.0, 60.0, 400.0, 4_000.0)
"""Seconds for which a stream may be stopped; records that are an hour old by then are given up."""

_REPEATS = (0.0, 60.0, 1_500.0, 3_000.0)
"""After how many seconds a shard delivers a batch again that was handled, since Lambda had not noted that."""


@dataclass
class SimulatedRecord:
    """A change of a row."""

    sequence: int
    write: Write
    at: float
    key: str

    @property
    def name(self) -> str:
        """The name of the event."""
        return "INSERT" if self.write.old is None else "REMOVE" if self.write.new is None else "MODIFY"

    @property
    def delta(self) -> int:
        """Number of rows by which it changes the table."""
        return (self.write.old is None) - (self.write.new is None)


@dataclass
class _Shard:
    records: list[SimulatedRecord] = field(default_factory=list)
    working: bool = False
    retries: int = 0
    size: int = 0
    due: float = float("inf")
    stalled_until: float = 0.0


class Mapping:
    """One function's reading of a table's stream.

    `wanted` is the filter of the mapping; a record that is `oldest` seconds old is given up.
    """

    def __init__(
        self,
        system: "SimulatedSystem",
        function: str,
        keys: tuple[str, ...],
        *,
        batch_size: int,
        window: float = 0.0,
        failures: str | None = None,
        oldest: float = _OLDEST_SECONDS,
        wanted: Callable[[SimulatedRecord], bool] = lambda _: True,
    ) -> None:
        self.function = function
        self._system = system
        self._keys = keys
        self._batch_size = batch_size
        self._window = window
        self._failures = failures
        self._oldest = oldest
        self._wanted = wanted
        self._shards = [_Shard() for _ in range(_SHARDS)]
        self._stalled_until = 0.0

    def put(self, record: SimulatedRecord) -> None:
        """Take the record of a change."""
        if not self._wanted(record):
            return
        shard = self._shards[crc32(record.write.key[0].encode()) % _SHARDS]
        shard.records.append(record)
        now = self._system.scheduler.now
        if self._system.dice.strikes(faults.STREAM_STALLS):
            self._stalled_until = max(self._stalled_until, now + self._system.scheduler.random.choice(_STALLS))
        if now < max(self._stalled_until, shard.stalled_until):
            self._system.scheduler.at(now + self._oldest, self.give_up_old)
        self._look(shard, now + self._window)

    def waiting(self) -> Iterator[SimulatedRecord]:
        """The records that are not acknowledged yet."""
        return (record for shard in self._shards for record in shard.records)

    def is_empty(self) -> bool:
        """Tell whether all records are handled or given up."""
        return not any(shard.records for shard in self._shards)

    def give_up_old(self) -> None:
        """Give up what is an hour old, as the mapping does whether the function works or not."""
        for shard in self._shards:
            while (
                not shard.working and shard.records and self._system.scheduler.now - shard.records[0].at >= self._oldest
            ):
                self._give_up(shard, 1)

    def _look(self, shard: _Shard, when: float) -> None:
        when = max(when, self._stalled_until, shard.stalled_until, self._system.lost_until)
        if shard.working or when >= shard.due:
            return
        shard.due = when
        self._system.scheduler.at(when + self._system.latency(), lambda: self._poll(shard))

    def _poll(self, shard: _Shard) -> None:
        now = self._system.scheduler.now
        if now < shard.due or shard.working:
            return
        shard.due = float("inf")
        if now < self._system.lost_until:
            self._look(shard, now)
            return
        self.give_up_old()
        if not shard.records:
            return
        batch = shard.records[: shard.size or self._batch_size]
        shard.working = True
        self._system.invoke(
            self.function,
            {"Records": [self._event(record) for record in batch]},
            lambda answer: self._done(shard, batch, answer),
            batch,
            key=f"{batch[0].key} {self.function} {shard.retries}",
        )

    def _done(self, shard: _Shard, batch: list[SimulatedRecord], answer: Any) -> None:
        shard.working = False
        failures = [] if answer is None else answer["batchItemFailures"]
        if answer is not None and not failures:
            if self._system.dice.strikes(faults.STREAM_REPEATS):
                shard.stalled_until = self._system.scheduler.now + self._system.scheduler.random.choice(_REPEATS)
                for record in shard.records:
                    self._system.scheduler.at(record.at + self._oldest, self.give_up_old)
            else:
                self._over(shard, len(batch))
            shard.retries, shard.size = 0, 0
        else:
            sequences = [str(record.sequence) for record in batch]
            handled = sequences.index(failures[0]["itemIdentifier"]) if failures else 0
            self._over(shard, handled)
            unhandled = len(batch) - handled
            shard.retries = 0 if handled else shard.retries + 1
            if answer is None and unhandled > 1:
                shard.size, shard.retries = (unhandled + 1) // 2, 0
            else:
                shard.size = unhandled
            self.give_up_old()
        if shard.records:
            pause = min(2.0**shard.retries, 60.0) if shard.retries or answer is None else 0.0
            self._look(shard, self._system.scheduler.now + pause)

    def _over(self, shard: _Shard, handled: int) -> None:
        over, shard.records = shard.records[:handled], shard.records[handled:]
        for record in over:
            self._system.watch.record_over(self.function, record, given_up=False)

    def _give_up(self, shard: _Shard, many: int) -> None:
        over, shard.records = shard.records[:many], shard.records[many:]
        for record in over:
            self._system.watch.record_over(self.function, record, given_up=True)
        if self._failures is not None:
            self._system.queues[self._failures].put("given up")

    def _event(self, record: SimulatedRecord) -> dict[str, Any]:
        _, key, old, new = record.write
        change: dict[str, Any] = {
            "Keys": {name: {"S": value} for name, value in zip(self._keys, key, strict=False)},
            "SequenceNumber": str(record.sequence),
            "ApproximateCreationDateTime": int(record.at),
        }
        if old is not None:
            change["OldImage"] = old
        if new is not None:
            change["NewImage"] = new
        return {"eventID": f"e{record.sequence}", "eventName": record.name, "dynamodb": change}
