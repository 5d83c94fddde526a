"""Environment from Lambda and Terraform, for functions that are measured outside of the local AWS."""

import json
import os
from dataclasses import dataclass
from typing import Any

from tests.support.tables import KEYS

ACCOUNT = "111111111111"
REGION = "us-east-1"
CHUNK_SIZE = 500
SHARDS = 4

_ARN = f"{REGION}:{ACCOUNT}"
_QUEUES = f"https://sqs.{REGION}.amazonaws.com/{ACCOUNT}/bench"

VARIABLES = {
    "ENVIRONMENT": "bench",
    "POWERTOOLS_SERVICE_NAME": "bench",
    "POWERTOOLS_METRICS_NAMESPACE": "Loudhailer",
    "POWERTOOLS_LOG_LEVEL": "INFO",
    "AWS_REGION": REGION,
    "AWS_DEFAULT_REGION": REGION,
    "AWS_ACCESS_KEY_ID": ACCOUNT,
    "AWS_SECRET_ACCESS_KEY": "local",
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_LAMBDA_FUNCTION_NAME": "bench",
    **{f"{table.upper()}_TABLE": f"bench-{table}" for table in KEYS},
    **{
        f"{queue.upper()}_QUEUE_URL": f"{_QUEUES}-{queue}"
        for queue in (
            *("broadcast", "partition", "outcome", "dead_letter", "accounting_failure", "inbox", "room"),
            *("disconnect", "express", "beat", "forward", "leave"),
        )
    },
    "QUEUE_URL": f"{_QUEUES}-pooled.fifo",
    "FORWARD_QUEUES": f"{_QUEUES}-forward-{{cell}}.fifo",
    "SHARD_QUEUE_URLS": json.dumps([f"{_QUEUES}-shard-{number}" for number in range(SHARDS)]),
    "TENANT_ROLE_ARN": f"arn:aws:iam::{ACCOUNT}:role/bench-tenant",
    "BROADCAST_TOPIC_ARN": f"arn:aws:sns:{_ARN}:bench-broadcast",
    "UNDELIVERED_QUEUE_ARN": f"arn:aws:sqs:{_ARN}:bench-shard-dead-letter",
    "CALLBACK_ENDPOINT": f"https://abcdefghij.execute-api.{REGION}.amazonaws.com/live",
    "WEBSOCKET_URL": f"wss://abcdefghij.execute-api.{REGION}.amazonaws.com/live",
    "CHUNK_SIZE": str(CHUNK_SIZE),
    "LANE_COUNT": "4",
    "BROADCAST_KEYS": "16",
    "EXPRESS_RECIPIENTS": "500",
    "POSTS_PER_SECOND": "9800",
    "CONNECTIONS_PER_PARTITION": "1000",
    "MAX_PARTITIONS": "2500",
    "LANE_KIND": "normal",
    "LANE_POSTS_PER_SECOND": "2082",
    "LANE_SHARES": '{"normal": 0.85, "low": 0.1, "express": 0.05}',
    "CONNECTS_PER_SECOND": "500",
    "CONNECTS_RESERVE": "0.03",
    "SESSION_SHARE": "0.25",
    "LIST_TENANTS": "false",
    "SPREAD_SESSIONS": "true",
    "SILO_TENANTS": "[]",
    "SHORTEST_SESSION_ID": "1",
    "MESSAGE_LIFETIME_SECONDS": "300",
    "INBOX_LIFETIME_SECONDS": "604800",
    "MESSAGES_PER_INBOX": "1000",
    "PAGE_URL": f"https://{{apiId}}.execute-api.{REGION}.amazonaws.com/",
    "CHANNELS_ENABLED": "true",
    "PUBLISHING_ENABLED": "true",
    "SESSION_AUTH": "iam",
    "TENANT_CLAIM": "tenantId",
    "BROADCAST_AUTH": "iam",
    "CELL_NAME": "north",
    "CELL_WEIGHTS": '{"hub": 1, "north": 1}',
    "HOME_CONNECTIONS": "20000",
    "LEASE_SECONDS": "15",
    "BEAT_SECONDS": "30",
    "HUB_ROLE_ARN": f"arn:aws:iam::{ACCOUNT}:role/bench-cell-north",
    "HUB_EXTERNAL_ID": "north-1",
    "HUB_REGION": REGION,
    **{f"HUB_{table.upper()}_TABLE": f"bench-{table}" for table in ("broadcasts", "cells", "tenants")},
}
"""The variables of all functions together."""


def environment() -> dict[str, str]:
    """The process's own without any setting of AWS or Python, and the functions' variables.

    PYTHONDONTWRITEBYTECODE, for one, would have every start compile what the image holds compiled.
    """
    return {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "PYTHON"))} | VARIABLES


@dataclass(frozen=True, slots=True)
class StubContext:
    """Facts that a handler gets about its invocation."""

    function_name: str = "bench"
    memory_limit_in_mb: str = "1024"
    invoked_function_arn: str = f"arn:aws:lambda:{_ARN}:function:bench"
    aws_request_id: str = "00000000-0000-0000-0000-000000000000"

    def get_remaining_time_in_millis(self) -> int:
        """Milliseconds until the invocation times out."""
        return 15_000


def queue_event(queue: str, body: str) -> dict[str, Any]:
    """An event with one message of a queue."""
    record = {
        "messageId": "11111111-1111-1111-1111-111111111111",
        "receiptHandle": "r" * 180,
        "body": body,
        "attributes": {"ApproximateReceiveCount": "1", "SentTimestamp": "1700000000000"},
        "messageAttributes": {},
        "eventSource": "aws:sqs",
        "eventSourceARN": f"arn:aws:sqs:{_ARN}:bench-{queue}",
        "awsRegion": REGION,
    }
    return {"Records": [record]}
