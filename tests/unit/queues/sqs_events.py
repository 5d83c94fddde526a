"""SQS events as Lambda gets them, made in this one place."""

from typing import Any

QUEUE_ARN = "arn:aws:sqs:us-east-1:111111111111:loudhailer-test-outcome"


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


def failed(answer: dict[str, Any]) -> list[str]:
    """The ids that a partial batch response reports."""
    return [failure["itemIdentifier"] for failure in answer["batchItemFailures"]]
