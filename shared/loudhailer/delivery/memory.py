"""The in-memory twin of the sender."""

from collections.abc import Callable, Mapping, Sequence

from loudhailer.delivery.outcome import Outcome
from loudhailer.ids import ConnectionId


class MemorySender:
    """Delivers to all but those that `ends` names; their outcomes are used up one by one, and the last one stays."""

    def __init__(self, ends: Mapping[ConnectionId, list[Outcome]] | None = None) -> None:
        self._ends = {connection: list(outcomes) for connection, outcomes in (ends or {}).items()}
        self.delivered: list[tuple[ConnectionId, bytes]] = []
        self.before: Callable[[], None] = lambda: None

    def post(
        self, endpoint: str, connections: Sequence[ConnectionId], payload: bytes, *, seconds: float
    ) -> list[Outcome]:
        """See `Sender.post`."""
        del endpoint, seconds
        self.before()
        outcomes = [self._next(connection) for connection in connections]
        self.delivered += [
            (connection, payload)
            for connection, outcome in zip(connections, outcomes, strict=True)
            if outcome is Outcome.DELIVERED
        ]
        return outcomes

    def _next(self, connection: ConnectionId) -> Outcome:
        outcomes = self._ends.get(connection, [Outcome.DELIVERED])
        return outcomes.pop(0) if len(outcomes) > 1 else outcomes[0]
