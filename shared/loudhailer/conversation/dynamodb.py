"""The inboxes in DynamoDB.

messages: PK `inbox` = `{tenantId}#{playerId}` of the receiver, SK `messageId`; `message` (a JSON text), `srcPlayerId`,
`sentAt` (epoch milliseconds), `expiresAt` (epoch seconds, TTL).
"""

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from loudhailer.aws import calling, delete_rows, holds
from loudhailer.codec import JsonText
from loudhailer.conversation.model import DirectMessage, Inbox, MessageId
from loudhailer.conversation.port import InboxStore
from loudhailer.ids import PlayerId

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.client import DynamoDBClient

type Item = dict[str, Any]

_IS_NEW = "attribute_not_exists(messageId)"


class DynamoInboxStore(InboxStore):
    """Keeps the messages of all inboxes in one DynamoDB table."""

    def __init__(self, client: "DynamoDBClient", table: str) -> None:
        self._client = client
        self._table = table

    def put(self, message: DirectMessage) -> None:
        """See `InboxStore.put`."""
        item = {
            **_key(message),
            "message": {"S": message.message},
            "srcPlayerId": {"S": message.source},
            "sentAt": {"N": str(message.sent_at)},
            "expiresAt": {"N": str(message.expires_at)},
        }
        holds("PutItem", partial(self._client.put_item, TableName=self._table, Item=item, ConditionExpression=_IS_NEW))

    def oldest(self, inbox: Inbox, limit: int) -> list[DirectMessage]:
        """See `InboxStore.oldest`."""
        with calling("Query"):
            page = self._client.query(
                TableName=self._table,
                KeyConditionExpression="inbox = :inbox",
                ExpressionAttributeValues={":inbox": {"S": inbox.key}},
                ConsistentRead=True,
                Limit=limit,
            )
        return [_message_of(inbox, item) for item in page["Items"]]

    def count(self, inbox: Inbox, limit: int) -> int:
        """See `InboxStore.count`: as many are read as there are, and reading ends with the page that has enough."""
        pages = self._client.get_paginator("query").paginate(
            TableName=self._table,
            KeyConditionExpression="inbox = :inbox",
            ExpressionAttributeValues={":inbox": {"S": inbox.key}},
            Select="COUNT",
            ConsistentRead=True,
        )
        found = 0
        with calling("Query"):
            for page in pages:
                found += page["Count"]
                if found >= limit:
                    break
        return found

    def delete(self, messages: Sequence[DirectMessage]) -> None:
        """See `InboxStore.delete`."""
        delete_rows(self._client, self._table, map(_key, messages))


def _key(message: DirectMessage) -> Item:
    return {"inbox": {"S": message.inbox.key}, "messageId": {"S": message.message_id}}


def _message_of(inbox: Inbox, item: Item) -> DirectMessage:
    return DirectMessage(
        inbox=inbox,
        message_id=MessageId(item["messageId"]["S"]),
        message=JsonText(item["message"]["S"]),
        source=PlayerId(item["srcPlayerId"]["S"]),
        sent_at=int(item["sentAt"]["N"]),
        expires_at=int(item["expiresAt"]["N"]),
    )
