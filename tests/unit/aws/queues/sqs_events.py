"""SQS events as Lambda gets them, made in this one place."""

from collections.abc import Mapping
from typing import Any

QUEUE_ARN = "arn:aws:sqs:us-east-1:111111111111:loudhailer-test-outcome"
FIFO_ARN = "arn:aws:sqs:us-east-1:111111111111:loudhailer-test-pool.fifo"


def event(*bodies: str) -> dict[str, Any]:
    """A batch with a message for each body; the message ids are `message-0`, `message-1`, ..."""
    return {
        "Records": [
            {
                "messageId": f"message-{number}",
                "receiptHandle": f"receipt-{number}",
                "body": body,
                "attributes": {"ApproximateReceiveCount": "1", "SentTimestamp": "1800000000000"},
                "messageAttributes": {},
                "md5OfBody": "0" * 32,
                "eventSource": "aws:sqs",
                "eventSourceARN": QUEUE_ARN,
                "awsRegion": "us-east-1",
            }
            for number, body in enumerate(bodies)
        ]
    }


def fifo_event(
    *messages: tuple[str, str], attributes: Mapping[str, str] | None = None, receives: int = 1, queue: str = FIFO_ARN
) -> dict[str, Any]:
    """A batch of a FIFO queue with a message for each group and body; all have the same attributes."""
    made = event(*(body for _, body in messages))
    for number, ((group, _), record) in enumerate(zip(messages, made["Records"], strict=True)):
        record["attributes"] |= {
            "ApproximateReceiveCount": str(receives),
            "MessageGroupId": group,
            "MessageDeduplicationId": f"deduplication-{number}",
            "SequenceNumber": f"{18849496460467696128 + number}",
        }
        record["messageAttributes"] = {
            name: {"stringValue": value, "stringListValues": [], "binaryListValues": [], "dataType": "String"}
            for name, value in (attributes or {}).items()
        }
        record["eventSourceARN"] = queue
    return made


def failed(answer: dict[str, Any]) -> list[str]:
    """The ids that a partial batch response reports."""
    return [failure["itemIdentifier"] for failure in answer["batchItemFailures"]]
