"""The in-memory twins of the senders."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import override

from loudhailer.delivery.outcome import Outcome
from loudhailer.delivery.sender import OrderedSender, Sender
from loudhailer.delivery.throttling import FEW_TRIES
from loudhailer.ids import ConnectionId


class _Ends:
    """The outcomes of posts; `before` is called before the first post of each call.

    Attributes:
        calls: the endpoint of each call, and how many seconds it was given.
    """

    def __init__(self, ends: Mapping[ConnectionId, list[Outcome]] | None = None) -> None:
        self._ends = {connection: list(outcomes) for connection, outcomes in (ends or {}).items()}
        self.calls: list[tuple[str, float]] = []
        self.delivered: list[tuple[ConnectionId, bytes]] = []
        self.before: Callable[[], None] = lambda: None

    def _begin(self, endpoint: str, seconds: float) -> None:
        self.calls.append((endpoint, seconds))
        self.before()

    def _next(self, connection: ConnectionId) -> Outcome:
        outcomes = self._ends.get(connection, [Outcome.DELIVERED])
        return outcomes.pop(0) if len(outcomes) > 1 else outcomes[0]


class MemorySender(_Ends, Sender):
    """Delivers to all except the ones that `ends` names; their outcomes are used up one by one, and the last one stays.

    Attributes:
        tries: how many each call was given.
        starts_within: the seconds in which the posts of each call had to start.
    """

    def __init__(self, ends: Mapping[ConnectionId, list[Outcome]] | None = None) -> None:
        super().__init__(ends)
        self.tries: list[int] = []
        self.starts_within: list[float] = []

    @override
    def post(
        self,
        endpoint: str,
        connections: Sequence[ConnectionId],
        payload: bytes,
        *,
        seconds: float,
        starts_within: float = math.inf,
        tries: int = FEW_TRIES,
    ) -> list[Outcome]:
        self._begin(endpoint, seconds)
        self.tries.append(tries)
        self.starts_within.append(starts_within)
        if starts_within <= 0:
            return [Outcome.UNSENT] * len(connections)
        outcomes = [self._next(connection) for connection in connections]
        self.delivered += [
            (connection, payload)
            for connection, outcome in zip(connections, outcomes, strict=True)
            if outcome is Outcome.DELIVERED
        ]
        return outcomes


class MemoryOrderedSender(_Ends, OrderedSender):
    """Delivers to all except the ones that `ends` names, as `MemorySender` does.

    Attributes:
        closed: the closed connections.
        looked_up: the connections that were looked up.
    """

    def __init__(self, ends: Mapping[ConnectionId, list[Outcome]] | None = None) -> None:
        super().__init__(ends)
        self.closed: list[ConnectionId] = []
        self.looked_up: list[ConnectionId] = []

    @override
    def post_in_order(
        self, endpoint: str, frames: Mapping[ConnectionId, Sequence[bytes]], *, seconds: float
    ) -> dict[ConnectionId, list[Outcome]]:
        self._begin(endpoint, seconds)
        return {connection: self._post_each(connection, wanted) for connection, wanted in frames.items()}

    @override
    def close(self, endpoint: str, connections: Sequence[ConnectionId], *, seconds: float) -> list[Outcome]:
        self._begin(endpoint, seconds)
        outcomes = [self._next(connection) for connection in connections]
        self.closed += [
            connection
            for connection, outcome in zip(connections, outcomes, strict=True)
            if outcome is Outcome.DELIVERED
        ]
        return outcomes

    @override
    def look_up(self, endpoint: str, connections: Sequence[ConnectionId], *, seconds: float) -> list[Outcome]:
        self._begin(endpoint, seconds)
        self.looked_up += connections
        return [self._next(connection) for connection in connections]

    def _post_each(self, connection: ConnectionId, frames: Sequence[bytes]) -> list[Outcome]:
        outcomes = [Outcome.UNSENT] * len(frames)
        for place, frame in enumerate(frames):
            outcomes[place] = self._next(connection)
            if outcomes[place] is not Outcome.DELIVERED:
                break
            self.delivered.append((connection, frame))
        return outcomes
