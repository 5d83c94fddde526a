"""Send the messages of the dead-letter queues again.

A message of a broadcast goes to the queue of its kind with a new time to live. Recipients that a report counted as
failed become delivered then: outcomes are a union, and delivered overrides failed. If a source is sent again,
connections that had the frame may get it twice; they recognise it by its id.

A frame of the silo or the pool goes back to the queue it came from, behind what its session has sent since; frames of
one session keep their order. If a session is over, `echo` answers the sender with an error.
"""

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from loudhailer.broadcast.messages import (
    Announcement,
    BroadcastMessage,
    ChunkMessage,
    OutcomeMessage,
    SourceMessage,
    message_from_wire,
)
from loudhailer.broadcast.model import Priority
from loudhailer.broadcast.port import BroadcastStore
from loudhailer.broadcast.shards import shard_of
from loudhailer.errors import MalformedMessageError
from loudhailer.ids import BroadcastId
from loudhailer.queues.port import Queue
from tools.operations.received import Received, received
from tools.stack.deployment import ROOM_QUEUE, Deployment

LIFETIME_SECONDS = 300

_WAIT_SECONDS = 1
"""SQS looks on all of its hosts for a message if it may wait, and otherwise on some of them.
https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-short-and-long-polling.html"""


@dataclass
class Redriven:
    """Results of a redrive: messages sent again, by kind, and the reasons why the others were left."""

    sent: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)


class _KeptError(Exception):
    """The letter stays in its queue, and why."""


class Redrive:
    """Sends the messages of one broadcast, or of all, again."""

    def __init__(
        self, deployment: Deployment, only: BroadcastId | None, clock: Callable[[], float] = time.time
    ) -> None:
        self._deployment = deployment
        self._only = only
        self._clock = clock

    @property
    def _broadcasts(self) -> BroadcastStore:
        return self._deployment.broadcasts

    def __call__(self) -> Redriven:
        """Go through the dead-letter queue once; messages that cannot be sent again stay there."""
        return self._go_through("dead-letter", self._send_letter)

    def frames(self) -> Redriven:
        """Go through the FIFO dead-letter queue once; a frame of a queue that is no more stays there."""
        return self._go_through("dead-letter-fifo", self._send_frame)

    def _go_through(self, queue: str, send: Callable[[Received], str]) -> Redriven:
        """Send each letter of a queue once. A letter that was held for too long is received again meanwhile."""
        result, sent, kept = Redriven(), set[str](), dict[str, Received]()
        sqs, url = self._deployment.client("sqs"), self._deployment.queue_urls[queue]
        for letter in received(sqs, url, wait_seconds=_WAIT_SECONDS):
            if letter.message_id in kept:
                kept[letter.message_id] = letter
                continue
            if letter.message_id not in sent:
                try:
                    kind = send(letter)
                except _KeptError as reason:
                    result.refused[str(reason)] += 1
                    kept[letter.message_id] = letter
                    continue
                result.sent[kind] += 1
                sent.add(letter.message_id)
            letter.delete()
        for letter in kept.values():
            letter.put_back()
        return result

    def _send_letter(self, letter: Received) -> str:
        """Send a message of a broadcast again; return its kind."""
        try:
            message = message_from_wire(letter.body)
        except MalformedMessageError as error:
            raise _KeptError("malformed, or of another release") from error
        if reason := self._refused(message):
            raise _KeptError(reason)
        self._send(message, letter.message_id)
        return type(message).__name__

    def _send_frame(self, letter: Received) -> str:
        """Send a frame of the silo or the pool again; return its kind."""
        source = letter.system.get("DeadLetterQueueSourceArn", "").rpartition(":")[2]
        found = {url.rpartition("/")[2]: (name, url) for name, url in self._deployment.queue_urls.items()}.get(source)
        if found is None:
            raise _KeptError("of a queue that is no more")
        name, url = found
        self._deployment.client("sqs").send_message(
            QueueUrl=url,
            MessageBody=letter.body,
            MessageAttributes=letter.attributes,
            MessageGroupId=letter.system["MessageGroupId"],
            # Not the one it came with, which SQS may still know; the same one if this ends before it is deleted.
            MessageDeduplicationId=f"redriven-{letter.message_id}",
        )
        return f"frame of {name}"

    def _refused(self, message: BroadcastMessage) -> str | None:
        if self._only is not None and message.broadcast_id != self._only:
            return "of another broadcast"
        summary = self._broadcasts.summary(message.broadcast_id)
        if summary is None:
            return "of a broadcast that is forgotten"
        if summary.cancelled:
            return "of a broadcast that was cancelled"
        if isinstance(message, OutcomeMessage) or not message.has_deadline:
            return None
        return "of a broadcast whose deadline is over" if message.expires_at <= self._clock() else None

    def _send(self, message: BroadcastMessage, letter: str) -> None:
        if not isinstance(message, OutcomeMessage):
            self._broadcasts.live_again(message.broadcast_id)
            # An end that the publisher chose stays as it is.
            expires_at = message.expires_at if message.has_deadline else int(self._clock()) + LIFETIME_SECONDS
        match message:
            case Announcement():
                self._reopen_empty(message.broadcast_id, letter)
                self._queue("broadcast").send_all(
                    [replace(message, expires_at=expires_at).to_wire()], group=message.group
                )
            case SourceMessage():
                self._broadcasts.reopen_source(message.broadcast_id, message.source, letter)
                self._queue("partition").send_all(
                    [replace(message, expires_at=expires_at).to_wire()], group=message.group
                )
            case ChunkMessage():
                shards = [ROOM_QUEUE] if message.priority is Priority.LOW else self._deployment.used_shard_names
                shard = shard_of(message.broadcast_id, message.chunk_id, len(shards))
                again = replace(message, expires_at=expires_at, attempt=1, refusals=0, slow=0)
                self._queue(shards[shard]).send_all([again.to_wire()], group=message.group)
            case OutcomeMessage():
                self._queue("outcome").send_all([message.to_wire()])

    def _reopen_empty(self, broadcast_id: BroadcastId, letter: str) -> None:
        """Let a broadcast be planned to its end, and sources that were ended before anyone was found be queried."""
        self._broadcasts.reopen_sources(broadcast_id, letter)
        for source in self._broadcasts.sources(broadcast_id):
            if source.dispatched == 0:
                self._broadcasts.reopen_source(broadcast_id, source.number, letter)

    def _queue(self, name: str) -> Queue:
        return self._deployment.queue(name)
