"""The tables as Terraform makes them, made by boto3 for the contract tests."""

from typing import TYPE_CHECKING, Any, Literal
from uuid import uuid4

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.client import DynamoDBClient

type TableKind = Literal[
    "connections",
    "partitions",
    "tenants",
    "sessions",
    "limits",
    "messages",
    "places",
    "broadcasts",
    "lanes",
    "devices",
    "cells",
    "placements",
    "members",
    "audiences",
    "subscriptions",
    "history",
    "publications",
]

KEYS: dict[TableKind, tuple[str, ...]] = {
    "connections": ("partition", "connectionId"),
    "partitions": ("tenantId", "partition"),
    "tenants": ("tenantId",),
    "sessions": ("tenantId", "sessionId"),
    "limits": ("key",),
    "messages": ("inbox", "messageId"),
    "places": ("tenantId", "place"),
    "broadcasts": ("broadcastId", "part"),
    "lanes": ("lanes",),
    "devices": ("player", "connectionId"),
    "cells": ("key", "part"),
    "placements": ("key", "part"),
    "members": ("partition", "connectionId"),
    "audiences": ("tenantId", "partition"),
    "subscriptions": ("subscriber", "channel"),
    "history": ("channel", "part"),
    "publications": ("publication",),
}
"""Hash key, and range key where there is one."""

INDEXES: dict[TableKind, dict[str, str]] = {"connections": {"room": "roomIndexKey"}}
"""Global indexes with keys only, and their hash keys."""

TTL: dict[TableKind, str] = {
    "connections": "expiresAt",
    "sessions": "sessionTTL",
    "limits": "itemTTL",
    "messages": "expiresAt",
    "places": "expiresAt",
    "broadcasts": "expiresAt",
    "devices": "expiresAt",
    "placements": "expiresAt",
    "members": "expiresAt",
    "subscriptions": "expiresAt",
    "history": "expiresAt",
    "publications": "expiresAt",
}
"""The attribute that says when a row expires, in epoch seconds."""

UNSPLIT: dict[TableKind, str] = {"connections": "neverWritten", "members": "neverWritten"}
"""The range key of a local index: AWS does not split an item collection that has one."""


def create_table(client: "DynamoDBClient", kind: TableKind, name: str | None = None) -> str:
    """The name of a new, empty table of the kind; a fresh one, unless it is given."""
    name = name or f"{kind}-{uuid4().hex[:12]}"
    keys, indexes = KEYS[kind], INDEXES.get(kind, {})
    unsplit = [UNSPLIT[kind]] if kind in UNSPLIT else []
    request: dict[str, Any] = {
        "TableName": name,
        "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": [
            {"AttributeName": attribute, "AttributeType": "S"} for attribute in (*keys, *indexes.values(), *unsplit)
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
    if unsplit:
        request["LocalSecondaryIndexes"] = [
            {
                "IndexName": "unsplit",
                "KeySchema": [
                    {"AttributeName": keys[0], "KeyType": "HASH"},
                    {"AttributeName": unsplit[0], "KeyType": "RANGE"},
                ],
                "Projection": {"ProjectionType": "KEYS_ONLY"},
            }
        ]
    client.create_table(**request)
    return name
