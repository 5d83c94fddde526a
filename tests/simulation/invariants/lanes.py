"""Invariant 12: lanes lend their idle share, and nothing twice; the account never refuses their posts."""

from collections import defaultdict
from typing import TYPE_CHECKING

from loudhailer.broadcast.messages import ChunkMessage, message_from_wire
from loudhailer.errors import MalformedMessageError
from tests.simulation.lanes import QUOTA
from tests.simulation.system import TIMEOUTS
from tests.simulation.watch import Observer, holds

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tests.simulation.queues import SimulatedMessage, SimulatedQueue
    from tests.simulation.system import SimulatedInvocation, SimulatedSystem
    from tests.support.dynamodb.engine import Write

LENT = "12: nothing is lent that its owner has marked"
TWICE = "12: no two kinds borrow from each other at once"
OVERDRAWN = "12: all lanes together stay within the account's quota and its bucket"
MARKED = "12: lanes are marked before the first chunk of a source is sent to them"

_SEEN_SECONDS = 0.45
"""Age from which on every lane knows of a mark: what a look found is believed for 0.4 s."""

_IN_FORCE_SECONDS = 1.1
"""Age up to which no lane takes a mark for an old one, whatever the clocks say."""

_FRESH_SECONDS = 0.3
"""Age of a mark when it is written, at most; one that took longer does not count, for others may take it for old."""

_BUCKET = QUOTA / 2
"""Posts that the account's bucket holds: https://docs.aws.amazon.com/apigateway/latest/developerguide/limits.html"""

_AT_ONCE_SECONDS = 0.3
"""A kind that has posted within this time is marked, and each reader sees the mark."""

_QUERY_WAITS_SECONDS = 0.25


class LanesInvariant(Observer):
    """Keeps the account's bucket, and when each kind was marked.

    Posts of a kind at its own share, while it has no valid mark, are not charged: others could not know of them.
    """

    def __init__(self, system: "SimulatedSystem") -> None:
        super().__init__(system)
        self._marked_at: dict[str, float] = {}
        self._borrowed: dict[str, tuple[float, float]] = {}
        self._left, self._filled_at = _BUCKET, system.scheduler.now
        self._marked_by: defaultdict[int, set[str]] = defaultdict(set)

    def written(self, writes: "Sequence[Write]", invocation: "SimulatedInvocation | None") -> None:
        """Note which kind is marked, when, and by which worker."""
        for write in writes:
            if write.table != "lanes" or write.new is None:
                continue
            now = self.system.scheduler.now
            old = {} if write.old == write.new else write.old or {}
            marked = {kind: mark["N"] for kind, mark in write.new.items() if "N" in mark and mark != old.get(kind)}
            self._marked_at |= {kind: now for kind, at in marked.items() if int(at) / 1000 >= now - _FRESH_SECONDS}
            if invocation is not None:
                self._marked_by[invocation.number].update(marked)

    def message_sent(self, queue: "SimulatedQueue", message: "SimulatedMessage") -> None:
        """Check that the lanes of a chunk are marked, unless that failed or took long."""
        invocation = self.system.invocation
        if invocation is None or invocation.function != "query" or queue.name == "dead-letter":
            return
        try:
            chunk = message_from_wire(message.body)
        except MalformedMessageError:
            return
        begun = invocation.deadline - TIMEOUTS["query"]
        took_long = self.system.scheduler.now - begun >= _QUERY_WAITS_SECONDS
        faults = self.system.dice.fired
        if not isinstance(chunk, ChunkMessage) or took_long or (faults and faults[-1].at >= begun):
            return
        holds(
            that=chunk.priority in self._marked_by[invocation.number],
            invariant=MARKED,
            text=f"chunk {chunk.chunk_id} of {chunk.broadcast_id} is sent to lanes of the kind {chunk.priority}",
        )

    def invocation_over(self, invocation: "SimulatedInvocation") -> None:
        """Forget what it marked."""
        self._marked_by.pop(invocation.number, None)

    def posted(self, kind: str, many: int, times: float, shares: "Mapping[str, float]", since: float) -> None:
        """Check what a lane posts, at so many times its own share, since its worker began so many seconds ago."""
        now = self.system.scheduler.now
        self._left = min(_BUCKET, self._left + QUOTA * (now - self._filled_at))
        self._filled_at = now
        ages = {one: now - at for one, at in self._marked_at.items()}
        is_borrowed = times > 1.001
        if is_borrowed:
            self._is_not_lent_twice(kind, times, shares)
        if is_borrowed and since > _SEEN_SECONDS:
            known = {one for one, age in ages.items() if _SEEN_SECONDS < age < _IN_FORCE_SECONDS} | {kind}
            most = 1 / sum(shares[one] for one in known)
            holds(
                that=times <= most + 0.001,
                invariant=LENT,
                text=f"{kind} posts at {times:.2f} times its share, and {sorted(known)} are marked",
            )
        if not is_borrowed and ages.get(kind, _IN_FORCE_SECONDS) >= _IN_FORCE_SECONDS:
            self._left = _BUCKET
            return
        self._left -= many
        holds(that=self._left >= 0, invariant=OVERDRAWN, text=f"the account's bucket lacks {-self._left:.0f} posts")

    def _is_not_lent_twice(self, kind: str, times: float, shares: "Mapping[str, float]") -> None:
        """Check that no kind from whose share it borrows has just borrowed from its share."""
        now = self.system.scheduler.now
        self._borrowed[kind] = now, times
        for other, (at, others) in self._borrowed.items():
            most = 1 / (shares[kind] + shares[other]) + 0.001
            holds(
                that=other == kind or now - at > _AT_ONCE_SECONDS or min(times, others) <= most,
                invariant=TWICE,
                text=f"{kind} posts at {times:.2f} times its share, {other} at {others:.2f} times",
            )
