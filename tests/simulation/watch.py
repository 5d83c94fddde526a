"""Events for the invariants: every row that is written, every message, every record, every frame."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from loudhailer.aws.rows import Item
    from tests.simulation.gateway import SimulatedClient
    from tests.simulation.queues import SimulatedMessage, SimulatedQueue
    from tests.simulation.streams import SimulatedRecord
    from tests.simulation.system import SimulatedInvocation, SimulatedSystem
    from tests.support.dynamodb.engine import Write


UNEXPECTED = "0: a function meets no error but those that it knows"


class BrokenError(BaseException):
    """An invariant does not hold: its name, and the fault. No `except Exception` of the functions sees it."""

    def __init__(self, invariant: str, text: str) -> None:
        super().__init__(f"{invariant}: {text}")
        self.invariant = invariant


def holds(*, that: bool, invariant: str, text: str) -> None:
    """Raise BrokenError unless it holds."""
    if not that:
        raise BrokenError(invariant, text)


class Observer:
    """A group of invariants: it looks at what it needs to see, and leaves out the rest."""

    def __init__(self, system: "SimulatedSystem") -> None:
        self.system = system

    def was_there(self, row: "Item") -> None:
        """See a connection's row that was there, and counted, before the run began."""

    def written(self, writes: "Sequence[Write]", invocation: "SimulatedInvocation | None") -> None:
        """See what an operation wrote, all of it."""

    def record_made(self, record: "SimulatedRecord") -> None:
        """See a change come into a stream."""

    def record_over(self, function: str, record: "SimulatedRecord", *, given_up: bool) -> None:
        """See that a function will not be given a change any more: it acknowledged it, or it was given up."""

    def message_sent(self, queue: "SimulatedQueue", message: "SimulatedMessage") -> None:
        """See a message come into a queue."""

    def message_gone(self, queue: "SimulatedQueue", message: "SimulatedMessage", why: str) -> None:
        """See a message leave a queue: `deleted`, `expired` or `moved`."""

    def invocation_over(self, invocation: "SimulatedInvocation") -> None:
        """See a function end, whatever ended it."""

    def opened(self, client: "SimulatedClient") -> None:
        """See a handshake end well."""

    def sent(self, client: "SimulatedClient", frame: "Mapping[str, Any]") -> None:
        """See a client send a frame."""

    def received(self, client: "SimulatedClient", frame: str) -> None:
        """See a client get a frame."""

    def reported(self, broadcast: str, report: Any, begun: float) -> None:
        """Note a report, with the time at which its reader began."""

    def redriven(self, broadcast: str) -> None:
        """See an operator send something of a broadcast again."""

    def posted(self, kind: str, many: int, times: float, shares: "Mapping[str, float]", since: float) -> None:
        """See what a lane of a kind posts: so many frames, at so many times its share, since its worker began."""

    def erased(self, tenant: str) -> None:
        """Check that a tenant is erased when the command reports it."""

    def at_rest(self, *, healed: bool) -> None:
        """Look at everything when nothing is under way; `healed` once `reconcile` has had its time."""


class Watch:
    """Tells the observers."""

    def __init__(self, system: "SimulatedSystem") -> None:
        self.system = system
        self.observers: list[Observer] = []

    def was_there(self, row: "Item") -> None:
        """See `Observer.was_there`."""
        for observer in self.observers:
            observer.was_there(row)

    def written(self, writes: "Sequence[Write]", invocation: "SimulatedInvocation | None") -> None:
        """See `Observer.written`."""
        for observer in self.observers:
            observer.written(writes, invocation)

    def record_made(self, record: "SimulatedRecord") -> None:
        """See `Observer.record_made`."""
        for observer in self.observers:
            observer.record_made(record)

    def record_over(self, function: str, record: "SimulatedRecord", *, given_up: bool) -> None:
        """See `Observer.record_over`."""
        for observer in self.observers:
            observer.record_over(function, record, given_up=given_up)

    def message_sent(self, queue: "SimulatedQueue", message: "SimulatedMessage") -> None:
        """See `Observer.message_sent`."""
        for observer in self.observers:
            observer.message_sent(queue, message)

    def message_deleted(self, queue: "SimulatedQueue", message: "SimulatedMessage") -> None:
        """See `Observer.message_gone`."""
        self._gone(queue, message, "deleted")

    def message_expired(self, queue: "SimulatedQueue", message: "SimulatedMessage") -> None:
        """See `Observer.message_gone`."""
        self._gone(queue, message, "expired")

    def message_moved(self, queue: "SimulatedQueue", message: "SimulatedMessage") -> None:
        """See `Observer.message_gone`."""
        self._gone(queue, message, "moved")

    def _gone(self, queue: "SimulatedQueue", message: "SimulatedMessage", why: str) -> None:
        for observer in self.observers:
            observer.message_gone(queue, message, why)

    def invocation_over(self, invocation: "SimulatedInvocation") -> None:
        """See `Observer.invocation_over`."""
        for observer in self.observers:
            observer.invocation_over(invocation)

    def opened(self, client: "SimulatedClient") -> None:
        """See `Observer.opened`."""
        for observer in self.observers:
            observer.opened(client)

    def sent(self, client: "SimulatedClient", frame: "Mapping[str, Any]") -> None:
        """See `Observer.sent`."""
        for observer in self.observers:
            observer.sent(client, frame)

    def received(self, client: "SimulatedClient", frame: str) -> None:
        """See `Observer.received`."""
        for observer in self.observers:
            observer.received(client, frame)

    def reported(self, broadcast: str, report: Any, begun: float) -> None:
        """See `Observer.reported`."""
        for observer in self.observers:
            observer.reported(broadcast, report, begun)

    def redriven(self, broadcast: str) -> None:
        """See `Observer.redriven`."""
        for observer in self.observers:
            observer.redriven(broadcast)

    def posted(self, kind: str, many: int, times: float, shares: "Mapping[str, float]", since: float) -> None:
        """See `Observer.posted`."""
        for observer in self.observers:
            observer.posted(kind, many, times, shares, since)

    def erased(self, tenant: str) -> None:
        """See `Observer.erased`."""
        for observer in self.observers:
            observer.erased(tenant)

    def at_rest(self, *, healed: bool) -> None:
        """See `Observer.at_rest`."""
        for observer in self.observers:
            observer.at_rest(healed=healed)
