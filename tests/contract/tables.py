"""The tables as Terraform makes them, made by boto3 for the contract tests."""

from typing import TYPE_CHECKING, Any, Literal
from uuid import uuid4

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.client import DynamoDBClient

type TableKind = Literal["connections", "partitions", "tenants", "sessions", "limits", "broadcasts"]

KEYS: dict[TableKind, tuple[str, ...]] = {
    "connections": ("partition", "connectionId"),
    "partitions": ("tenantId", "partition"),
    "tenants": ("tenantId",),
    "sessions": ("tenantId", "sessionId"),
    "limits": ("key",),
    "broadcasts": ("broadcastId", "part"),
}
"""Hash key, and range key where there is one."""

INDEXES: dict[TableKind, dict[str, str]] = {"connections": {"player": "playerIndexKey", "room": "roomIndexKey"}}
"""Global indexes with keys only, and their hash keys."""


def create_table(client: "DynamoDBClient", kind: TableKind) -> str:
    """The name of a new, empty table of the kind."""
    name = f"{kind}-{uuid4().hex[:12]}"
    keys, indexes = KEYS[kind], INDEXES.get(kind, {})
    request: dict[str, Any] = {
        "TableName": name,
        "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": [
            {"AttributeName": attribute, "AttributeType": "S"} for attribute in (*keys, *indexes.values())
        ],
        "KeySchema": [
            {"AttributeName": attribute, "KeyType": key_type}
            for attribute, key_type in zip(keys, ("HASH", "RANGE"), strict=False)
        ],
    }
    if indexes:
        request["GlobalSecondaryIndexes"] = [
            {
                "IndexName": index,
                "KeySchema": [{"AttributeName": attribute, "KeyType": "HASH"}],
                "Projection": {"ProjectionType": "KEYS_ONLY"},
            }
            for index, attribute in indexes.items()
        ]
    client.create_table(**request)
    return name
