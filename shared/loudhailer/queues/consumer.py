"""How a function takes the messages of its queue.

Each message of a batch stands alone. What is handled is acknowledged; what failed for now is reported as a batch item
failure, so that SQS delivers that message again and no other; what can never succeed is copied to the dead-letter queue
with the reason and acknowledged. If the copy fails, the message is delivered again, until SQS moves it there itself.
"""

from collections.abc import Callable, Mapping
from typing import Any

from loudhailer.errors import PermanentError
from loudhailer.observability import count, logger
from loudhailer.queues.port import Queue

MAX_REASON_CHARACTERS = 256

type Failures = Mapping[str, Exception]
"""The messages that were not handled, by their ids, and why."""


def consume(event: dict[str, Any], handle: Callable[[str], None], dead_letters: Queue) -> dict[str, Any]:
    """Calls `handle(body)` for each message of an SQS event; the partial batch response."""

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
    """Calls `handle` once, with the bodies of an SQS event by message id; the partial batch response.

    https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html#services-sqs-batchfailurereporting
    """
    records = {record["messageId"]: record for record in event["Records"]}
    failures = handle({message_id: record["body"] for message_id, record in records.items()})
    again = [
        message_id for message_id, error in failures.items() if not _is_moved(records[message_id], error, dead_letters)
    ]
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
