"""A FIFO queue gives out the messages of one group after the other, and keeps to what AWS takes for a group.

A receive returns "as many messages with the same message group ID as possible", then may add those of other groups; a
group of which a message is in flight gives none:
https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/FIFO-queues-understanding-logic.html
The ids of a group and of a duplicate have at most 128 characters, letters, digits and punctuation; a message has at
most ten attributes, none of them empty:
https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html
https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-message-metadata.html

MiniStack takes messages in the order they were sent, so that every batch holds up every group, and checks none of this.
For each message it also looks at all that were sent in five minutes before.

Patched: which messages a FIFO queue gives out, what it forgets of duplicates, and what is sent to any queue.
"""

# ruff: noqa: SLF001 (MiniStack's internals are what this is about)

import re
import time
from collections.abc import Iterable
from itertools import takewhile
from typing import Any

from ministack.services import sqs

from tools.emulator.aws.gaps import Gap
from tools.emulator.aws.options import Options
from tools.emulator.aws.patching import Patch

type StoredMessage = dict[str, Any]

_IDS = ("MessageGroupId", "MessageDeduplicationId")
_LEGAL_ID = re.compile(r"[!-~]{1,128}")
_MOST_ATTRIBUTES = 10
_STOCK_DISPATCH = sqs._dispatch
_STOCK_SEND = sqs._act_send_message


def gap(_options: Options) -> Gap:
    """Deliver messages by group, and refuse the groups that AWS refuses."""
    return Gap(
        patches=(
            Patch(
                "ministack.services.sqs:_collect_fifo",
                "dc84c5a1db0be8078b048edfd7f3154437098fd8219ad19fa2d0a12afe1da257",
                _collect,
            ),
            Patch(
                "ministack.services.sqs:_prune_dedup",
                "798b8a9933ba110742728888c3900b7b7fa75a4eeb7d881895bc2247767b404f",
                _forget,
            ),
            Patch(
                "ministack.services.sqs:_act_send_message",
                "3abd766508c885c6556ecfb378ba579d18d3781c7cf28c09784917db23da505f",
                _send,
            ),
            Patch(
                "ministack.services.sqs:_dispatch",
                "6a429fdb61ebdc5a50778ac2505ca08cfe009a98a6054b537507529c307dfa5b",
                _dispatch,
            ),
        ),
    )


def ready_groups(messages: Iterable[StoredMessage], now: float) -> list[list[StoredMessage]]:
    """The visible messages of each group that has none in flight; the group that has waited longest comes first."""
    groups: dict[str | None, list[StoredMessage]] = {}
    in_flight = set()
    for message in messages:
        group = message.get("group_id")
        if message.get("visible_at", 0) <= now:
            groups.setdefault(group, []).append(message)
        elif message.get("receive_count", 0):
            in_flight.add(group)
    return [waiting for group, waiting in groups.items() if group not in in_flight]


def _collect(queue: dict[str, Any], most: int, visibility_seconds: int, now: float) -> list[StoredMessage]:
    ready = (message for group in ready_groups(queue["messages"], now) for message in group)
    received = [message for message, _ in zip(ready, range(most), strict=False)]
    for message in received:
        sqs._ensure_msg_fields(message)
        message["receipt_handle"] = sqs.new_uuid()
        message["visible_at"] = now + visibility_seconds
        message["receive_count"] += 1
        message["first_receive_at"] = message["first_receive_at"] or now
    return received


def _forget(queue: dict[str, Any]) -> None:
    """Forget messages older than five minutes: they are in the order in which they were sent."""
    sent, now = queue["dedup_cache"], time.time()
    for key in [*takewhile(lambda key: sent[key]["expire"] <= now, sent)]:
        del sent[key]


async def _dispatch(action: str, data: dict[str, Any], queue_url: str) -> Any:
    if action == "SendMessage":  # looked up in a table, where a patch does not reach
        _check(data)
    return await _STOCK_DISPATCH(action, data, queue_url)


def _send(data: dict[str, Any], queue_url: str) -> Any:
    """An entry of a batch."""
    _check(data)
    return _STOCK_SEND(data, queue_url)


def _check(data: dict[str, Any]) -> None:
    for name in _IDS:
        if data.get(name) is not None and not _LEGAL_ID.fullmatch(data[name]):
            raise sqs._Err(
                "InvalidParameterValue", f"The value of {name} is not 1 to 128 letters, digits, punctuation."
            )
    attributes = data.get("MessageAttributes") or {}
    if len(attributes) > _MOST_ATTRIBUTES:
        raise sqs._Err("InvalidParameterValue", f"A message has at most {_MOST_ATTRIBUTES} attributes.")
    for name, value in attributes.items():
        if not (value.get("StringValue") or value.get("BinaryValue")):
            raise sqs._Err("InvalidParameterValue", f"The message attribute {name!r} must contain a non-empty value.")
