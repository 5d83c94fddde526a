"""Order of a standard queue's messages when tenants share it, as fair queues of SQS have it.

A message's group is its tenant; one without a group is a tenant of its own. A tenant whose messages took more than a
tenth of the consumers' time lately is noisy. Messages of quiet tenants are delivered before its own:
https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-fair-queues-detailed.html
AWS says that its thresholds are approximate, and does not say what lately is: half a minute here.
"""

import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterable
from typing import Any

_NOISY_SHARE = 0.1
_LATELY_SECONDS = 30.0


class FairShare:
    """Remembers how long the messages of each group took."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._took: deque[tuple[float, str | None, float]] = deque()

    def took(self, groups: Iterable[str | None], seconds: float) -> None:
        """Note that a batch of messages of these groups took so long."""
        members = list(groups)
        self._took += [(self._clock(), group, seconds / len(members)) for group in members]

    def arrange(self, messages: list[dict[str, Any]]) -> None:
        """Put those of quiet tenants first; otherwise messages keep their order."""
        noisy = self._noisy()
        if noisy:
            messages.sort(key=lambda message: message.get("group_id") in noisy)

    def _noisy(self) -> set[str]:
        while self._took and self._took[0][0] < self._clock() - _LATELY_SECONDS:
            self._took.popleft()
        spent: defaultdict[str | None, float] = defaultdict(float)
        for _, group, seconds in self._took:
            spent[group] += seconds
        everyone = sum(spent.values())
        return {group for group, seconds in spent.items() if group and seconds > _NOISY_SHARE * everyone}
