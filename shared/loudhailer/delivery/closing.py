"""Close connections, and report the result for each."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from loudhailer.delivery.outcome import Outcome
from loudhailer.delivery.sender import Closer
from loudhailer.ids import ConnectionId
from loudhailer.observability import count, logger


@dataclass(frozen=True, slots=True)
class Closing[K]:
    """Results of closing connections, by their caller's keys.

    Attributes:
        closed: the connections that are closed now.
        gone: the connections that were gone before, or whose handshake is not over.
        open: the connections that may be open still, with the reason.
    """

    closed: Sequence[K]
    gone: Sequence[K]
    open: Mapping[K, Outcome]

    @property
    def over(self) -> list[K]:
        """The connections that are closed now or were gone before."""
        return [*self.closed, *self.gone]


def close[K](closer: Closer, endpoint: str, wanted: Mapping[K, ConnectionId], *, seconds: float) -> Closing[K]:
    """Close connections in parallel, within so many seconds; nothing is counted or logged."""
    if not wanted:
        return Closing((), (), {})
    answers = closer.close(endpoint, list(wanted.values()), seconds=seconds)
    outcomes = dict(zip(wanted, answers, strict=True))
    return Closing(
        [key for key, outcome in outcomes.items() if outcome is Outcome.DELIVERED],
        [key for key, outcome in outcomes.items() if outcome is Outcome.GONE],
        {key: outcome for key, outcome in outcomes.items() if outcome not in {Outcome.DELIVERED, Outcome.GONE}},
    )


def note_closed(connections: Collection[ConnectionId]) -> None:
    """Count and log connections that were closed because they missed something."""
    if connections:
        count("ConnectionClosed", len(connections))
        logger.warning("connections that missed something are closed", connection_ids=sorted(connections))
