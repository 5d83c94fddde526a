"""The inboxes in DynamoDB.

messages: PK `inbox` = `{tenantId}#{playerId}` of the receiver, SK `messageId`, followed by `#{moves}` if it was brought
from another cell; `message` (a JSON text), `srcPlayerId`, `sentAt` (epoch milliseconds), `expiresAt` (epoch seconds,
TTL), `takenBy?` (set of connections' ids).
"""

from collections.abc import Collection, Iterator, Sequence
from typing import override

from loudhailer.aws.errors import calling
from loudhailer.aws.rows import Item
from loudhailer.aws.tables import DynamoTable
from loudhailer.codec import JsonText
from loudhailer.ids import ConnectionId, PlayerId
from loudhailer.inbox.model import DirectMessage, Inbox, MessageId
from loudhailer.inbox.port import InboxStore

_IS_NEW = "attribute_not_exists(messageId)"
_EXISTS = "attribute_exists(messageId)"

_MOVES = "#"
"""Precedes the number of moves in a sort key: it is in no id of a request."""


class DynamoInboxStore(DynamoTable, InboxStore):
    """Keeps the messages of all inboxes in one DynamoDB table."""

    @override
    def put(self, message: DirectMessage) -> None:
        item = {
            **_key(message),
            "message": {"S": message.message},
            "srcPlayerId": {"S": message.source},
            "sentAt": {"N": str(message.sent_at)},
            "expiresAt": {"N": str(message.expires_at)},
        }
        self._put_row_if(item, _IS_NEW)

    @override
    def oldest(self, inbox: Inbox, limit: int) -> list[DirectMessage]:
        with calling("Query"):
            page = self._client.query(
                TableName=self._table,
                KeyConditionExpression="inbox = :inbox",
                ExpressionAttributeValues={":inbox": {"S": inbox.key}},
                ConsistentRead=True,
                Limit=limit,
            )
        return [_message_of(inbox, item) for item in page["Items"]]

    @override
    def count(self, inbox: Inbox) -> Iterator[int]:
        pages = self._query_pages("inbox = :inbox", {":inbox": {"S": inbox.key}}, Select="COUNT")
        return (page["Count"] for page in pages)

    @override
    def has(self, inbox: Inbox, message_id: MessageId) -> bool:
        with calling("Query"):
            page = self._client.query(
                TableName=self._table,
                KeyConditionExpression="inbox = :inbox AND messageId = :message",
                ExpressionAttributeValues={":inbox": {"S": inbox.key}, ":message": {"S": message_id}},
                Select="COUNT",
                ConsistentRead=True,
            )
        return page["Count"] > 0

    @override
    def note_taken(self, message: DirectMessage, by: Collection[ConnectionId]) -> None:
        connections = {":connections": {"SS": list(by)}}
        self._update_row_if(_key(message), "ADD takenBy :connections", _EXISTS, connections)

    @override
    def delete(self, messages: Sequence[DirectMessage]) -> None:
        self._delete_rows(map(_key, messages))


def _key(message: DirectMessage) -> Item:
    moves = f"{_MOVES}{message.moves}" if message.moves else ""
    return {"inbox": {"S": message.inbox.key}, "messageId": {"S": f"{message.message_id}{moves}"}}


def _message_of(inbox: Inbox, item: Item) -> DirectMessage:
    message_id, _, moves = item["messageId"]["S"].partition(_MOVES)
    return DirectMessage(
        inbox=inbox,
        message_id=MessageId(message_id),
        message=JsonText(item["message"]["S"]),
        source=PlayerId(item["srcPlayerId"]["S"]),
        sent_at=int(item["sentAt"]["N"]),
        expires_at=int(item["expiresAt"]["N"]),
        taken_by=frozenset(map(ConnectionId, item.get("takenBy", {"SS": []})["SS"])),
        moves=int(moves or 0),
    )
