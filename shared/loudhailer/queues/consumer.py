"""Handle a batch of a queue's messages, and answer which of them failed.

Each message of a batch succeeds or fails alone. A handled message is acknowledged. A message that failed for now is
reported as a batch item failure, so that SQS delivers it again and no other. A message that can never succeed is copied
to the dead-letter queue with the reason, and acknowledged. If the copy fails, the message is delivered again, until SQS
moves it there itself.

In a FIFO queue a message that failed for now also stops the later messages of its group: they are delivered again, in
order.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from loudhailer.errors import PermanentError
from loudhailer.observability import count, logger
from loudhailer.queues.port import Queue

MAX_REASON_CHARACTERS = 256

_SEQUENCE_DIGITS = 20
"""https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html (its response elements)"""

type Failures = Mapping[str, Exception]
"""The messages that were not handled, by id, with the reasons."""


@dataclass(frozen=True, slots=True)
class Record:
    """A message as a FIFO queue delivers it.

    Attributes:
        message_id: its id in SQS.
        group: the id of its message group.
        body: its text.
        attributes: its string attributes.
        receives: number of its deliveries, this one included, as SQS counts them.
        queue: the name of the queue.
        sent_at: time at which SQS received it, in epoch seconds.
        sequence: its position in its group: these strings ascend.
    """

    message_id: str
    group: str
    body: str
    attributes: Mapping[str, str]
    receives: int
    queue: str
    sent_at: int
    sequence: str

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> Self:
        """The record of an SQS event.

        https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html#sample-fifo-queues-message-event
        """
        return cls(
            message_id=record["messageId"],
            group=record["attributes"]["MessageGroupId"],
            body=record["body"],
            attributes={
                name: attribute["stringValue"]
                for name, attribute in record["messageAttributes"].items()
                if "stringValue" in attribute
            },
            receives=int(record["attributes"]["ApproximateReceiveCount"]),
            queue=record["eventSourceARN"].rpartition(":")[2],
            sent_at=int(record["attributes"]["SentTimestamp"]) // 1_000,
            sequence=record["attributes"]["SequenceNumber"].zfill(_SEQUENCE_DIGITS),
        )


type Groups = Mapping[str, Sequence[Record]]
"""The records of a batch in their order, by message group."""


def consume(event: dict[str, Any], handle: Callable[[str], None], dead_letters: Queue) -> dict[str, Any]:
    """Call `handle(body)` for each message of an SQS event; return the partial batch response."""

    def handle_each(bodies: Mapping[str, str]) -> Failures:
        failures: dict[str, Exception] = {}
        for message_id, body in bodies.items():
            try:
                handle(body)
            except Exception as error:  # noqa: BLE001  # whatever it is, the other messages go on
                failures[message_id] = error
        return failures

    return consume_together(event, handle_each, dead_letters)


def consume_together(
    event: dict[str, Any], handle: Callable[[Mapping[str, str]], Failures], dead_letters: Queue
) -> dict[str, Any]:
    """Call `handle` once, with the bodies of an SQS event by message id; return the partial batch response.

    https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html#services-sqs-batchfailurereporting
    """
    records = {record["messageId"]: record for record in event["Records"]}
    failures = handle({message_id: record["body"] for message_id, record in records.items()})
    again = [
        message_id for message_id, error in failures.items() if not _is_moved(records[message_id], error, dead_letters)
    ]
    return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in again]}


def consume_fifo(event: dict[str, Any], handle: Callable[[Groups], Failures], dead_letters: Queue) -> dict[str, Any]:
    """Call `handle` once, with the groups of a FIFO queue's event; return the partial batch response.

    A function that reads a FIFO queue stops at the first failure, and reports all failed and unhandled messages:
    https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html#services-sqs-batchfailurereporting
    Messages are ordered only within a group. SQS delivers no more messages of a group until all delivered ones are
    deleted or visible again. So it is enough to do that for each group:
    https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/FIFO-queues-understanding-logic.html

    `handle` must not handle a record after one of its group that failed for now. A record that can never succeed blocks
    no other; it is copied to a standard dead-letter queue, since its position is lost anyway.
    """
    records = {record["messageId"]: record for record in event["Records"]}
    groups: dict[str, list[Record]] = {}
    for record in map(Record.of, event["Records"]):
        groups.setdefault(record.group, []).append(record)
    failures = handle(groups)
    again: list[str] = []
    for group in groups.values():
        blocked = False
        for message_id in (record.message_id for record in group):
            error = failures.get(message_id)
            if blocked:
                again.append(message_id)
            elif error is not None and not _is_moved(records[message_id], error, dead_letters):
                again.append(message_id)
                blocked = not isinstance(error, PermanentError)
    return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in again]}


def _is_moved(record: dict[str, Any], error: Exception, dead_letters: Queue) -> bool:
    message_id = record["messageId"]
    if not isinstance(error, PermanentError):
        count("MessageFailed")
        logger.error("message failed and will be delivered again", message_id=message_id, exc_info=error)
        return False
    try:
        attributes = {"reason": str(error)[:MAX_REASON_CHARACTERS], "source": record["eventSourceARN"]}
        dead_letters.send_all([record["body"]], attributes=attributes)
    except Exception:  # noqa: BLE001  # SQS keeps the message; the reason is logged
        logger.exception("message could not be moved to the dead-letter queue", message_id=message_id)
        return False
    count("MessageDeadLettered")
    logger.error("message moved to the dead-letter queue", message_id=message_id, reason=str(error))
    return True
