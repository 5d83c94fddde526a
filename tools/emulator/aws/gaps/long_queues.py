"""Ten messages are received from a long queue as quickly as from a short one.

AWS: a standard queue takes almost any number of messages and of calls a second.
https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/standard-queues.html

MiniStack looks at each message of the queue three times before it gives ten away. For the 5,000 messages of a crowd
that ends together, that takes 5 ms, in which no other request is answered. It is repeated for the next ten.

Patched: `_collect_msgs`, which is given those messages of a standard queue alone that it is to give away. And
`_expire_retained`, which looks for messages that are too old once a second: a queue keeps its messages for a minute at
least.
"""

# ruff: noqa: SLF001 (MiniStack's internals are what this is about)

import math
import time
from itertools import islice
from typing import Any

from ministack.services import sqs

from tools.emulator.aws.gaps import Gap
from tools.emulator.aws.options import Options
from tools.emulator.aws.patching import Patch

type StoredQueue = dict[str, Any]

_EXPIRY_SECONDS = 1.0
_STOCK_COLLECT = sqs._collect_msgs
_STOCK_EXPIRE = sqs._expire_retained


def gap(_options: Options) -> Gap:
    """Look at no more messages than are received."""
    return Gap(
        patches=(
            Patch(
                "ministack.services.sqs:_collect_msgs",
                "308a6eb1b3d4c8ad5e5e63b0abb0e8ae9556d70f8c8126bfa221b0b3dbf6360a",
                _collect_msgs,
            ),
            Patch(
                "ministack.services.sqs:_expire_retained",
                "c0da3361632bea2795ae6a11153306fba2fbd9fb38fa218979f1c80758a9a0c5",
                _Expiry().expire,
            ),
        ),
    )


def _collect_msgs(queue: StoredQueue, most: int, visibility_timeout: int) -> list[dict[str, Any]]:
    if not queue["is_fifo"]:
        now = time.time()
        ready = islice((message for message in queue["messages"] if message.get("visible_at", 0) <= now), most)
        queue = {**queue, "messages": list(ready)}
    messages: list[dict[str, Any]] = _STOCK_COLLECT(queue, most, visibility_timeout)
    return messages


class _Expiry:
    """When each queue was looked through for messages that are too old."""

    def __init__(self) -> None:
        self._looked: dict[str, float] = {}

    def expire(self, queue: StoredQueue) -> None:
        """Drop them, if that was not done within the last second."""
        now = time.monotonic()
        if now - self._looked.get(queue["url"], -math.inf) >= _EXPIRY_SECONDS:
            self._looked[queue["url"]] = now
            _STOCK_EXPIRE(queue)
