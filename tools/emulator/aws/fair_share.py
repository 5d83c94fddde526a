"""Order of a standard queue's messages when tenants share it, as fair queues of SQS have it.

A message's group is its tenant; one without a group is a tenant of its own. A tenant is noisy if its messages took
more than a tenth of the consumers' time lately. It is noisy, too, if thirty of its messages, a tenth of all, are in
flight.
Messages of quiet tenants are delivered first. Among noisy tenants the one with the fewest messages in flight comes
first. A tenant is quiet again once none of its messages is left.
https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-fair-queues-detailed.html
AWS says that its thresholds are approximate, and does not say what lately is: half a minute here.
"""

import time
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterable
from typing import Any

_NOISY_SHARE = 0.1
_MANY_IN_FLIGHT = 30
_LATELY_SECONDS = 30.0


class FairShare:
    """Remembers how long the messages of each group took; `wall_clock` is that of the messages' times."""

    def __init__(
        self, clock: Callable[[], float] = time.monotonic, wall_clock: Callable[[], float] = time.time
    ) -> None:
        self._clock = clock
        self._wall_clock = wall_clock
        self._took = deque[tuple[float, str | None, float]]()

    def took(self, groups: Iterable[str | None], seconds: float) -> None:
        """Note that a batch of messages of these groups took so long."""
        members = list(groups)
        self._took += [(self._clock(), group, seconds / len(members)) for group in members]

    def arrange(self, messages: list[dict[str, Any]]) -> None:
        """Put the messages into the order in which they are delivered, all of a queue, those in flight among them."""
        now = self._wall_clock()
        flying = Counter[str | None](
            message.get("group_id") for message in messages if message["receive_count"] and message["visible_at"] > now
        )
        self._forget_all_but({message.get("group_id") for message in messages})
        noisy = self._noisy(flying)
        if noisy:
            messages.sort(key=lambda message: _rank(message.get("group_id"), noisy, flying))

    def _forget_all_but(self, present: set[str | None]) -> None:
        """Forget old times, and tenants without any message left."""
        begin = self._clock() - _LATELY_SECONDS
        self._took = deque(
            taken for taken in self._took if taken[0] >= begin and (taken[1] is None or taken[1] in present)
        )

    def _noisy(self, flying: Counter[str | None]) -> set[str | None]:
        spent: defaultdict[str | None, float] = defaultdict(float)
        for _, group, seconds in self._took:
            spent[group] += seconds
        most, many = _NOISY_SHARE * sum(spent.values()), max(_MANY_IN_FLIGHT, _NOISY_SHARE * flying.total())
        noisy = {group for group, seconds in spent.items() if seconds > most}
        noisy |= {group for group, number in flying.items() if number >= many}
        return noisy - {None}


def _rank(group: str | None, noisy: set[str | None], flying: Counter[str | None]) -> tuple[bool, int]:
    return (True, flying[group]) if group in noisy else (False, 0)
