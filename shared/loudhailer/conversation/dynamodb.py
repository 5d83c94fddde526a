"""The inboxes in DynamoDB.

messages: PK `inbox` = `{tenantId}#{playerId}` of the receiver, SK `messageId`; `message` (a JSON text), `srcPlayerId`,
`sentAt` (epoch milliseconds), `expiresAt` (epoch seconds, TTL), `takenBy?` (set of connections' ids).

limits: PK `key` = `{tenantId}:sent:{hash}` of a message that its client gave an id; `contentHash`, `requestId` and
`receivedAt` of its first attempt, `takenUntil` (epoch seconds) as long as it is not accepted, `takenBy` with the id of
the request that took it over, `itemTTL`.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from loudhailer.aws import calling, delete_rows, holds, paged, update_if
from loudhailer.codec import JsonText
from loudhailer.conversation.model import (
    ATTEMPT_SECONDS,
    REMEMBERED_SECONDS,
    Attempt,
    DirectMessage,
    Inbox,
    MessageId,
    Progress,
    Sent,
)
from loudhailer.conversation.port import InboxStore, SentStore
from loudhailer.ids import ConnectionId, PlayerId

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.client import DynamoDBClient

type Item = dict[str, Any]

_IS_NEW = "attribute_not_exists(messageId)"
_STANDS = "attribute_exists(messageId)"

_NOT_KNOWN = "attribute_not_exists(contentHash) OR itemTTL <= :now"
_FIRST = "SET contentHash = :hash, requestId = :request, receivedAt = :received, takenUntil = :until, itemTTL = :ttl"


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

    def count(self, inbox: Inbox) -> Iterator[int]:
        """See `InboxStore.count`."""
        pages = self._client.get_paginator("query").paginate(
            TableName=self._table,
            KeyConditionExpression="inbox = :inbox",
            ExpressionAttributeValues={":inbox": {"S": inbox.key}},
            Select="COUNT",
            ConsistentRead=True,
        )
        return (page["Count"] for page in paged("Query", pages))

    def has(self, inbox: Inbox, message_id: MessageId) -> bool:
        """See `InboxStore.has`."""
        with calling("Query"):
            page = self._client.query(
                TableName=self._table,
                KeyConditionExpression="inbox = :inbox AND messageId = :message",
                ExpressionAttributeValues={":inbox": {"S": inbox.key}, ":message": {"S": message_id}},
                Select="COUNT",
                ConsistentRead=True,
            )
        return page["Count"] > 0

    def note_taken(self, message: DirectMessage, by: Collection[ConnectionId]) -> None:
        """See `InboxStore.note_taken`."""
        connections = {":connections": {"SS": list(by)}}
        update_if(self._client, self._table, _key(message), "ADD takenBy :connections", _STANDS, values=connections)

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
        taken_by=frozenset(map(ConnectionId, item.get("takenBy", {"SS": []})["SS"])),
    )


class DynamoSentStore(SentStore):
    """Keeps the messages in the table of limits, whose rows expire."""

    def __init__(self, client: "DynamoDBClient", table: str) -> None:
        self._client = client
        self._table = table

    def begin(self, attempt: Attempt, *, now: int) -> Sent:
        """See `SentStore.begin`."""
        until = {"N": str(now + ATTEMPT_SECONDS)}
        first: Item = {
            "contentHash": {"S": attempt.content_hash},
            "requestId": {"S": attempt.request_id},
            "receivedAt": {"N": str(attempt.received_at)},
        }
        try:
            with calling("UpdateItem"):
                self._client.update_item(
                    TableName=self._table,
                    Key=_sent_key(attempt),
                    UpdateExpression=_FIRST,
                    ConditionExpression=_NOT_KNOWN,
                    ExpressionAttributeValues={
                        ":hash": first["contentHash"],
                        ":request": first["requestId"],
                        ":received": first["receivedAt"],
                        ":until": until,
                        ":ttl": {"N": str(now + REMEMBERED_SECONDS)},
                        ":now": {"N": str(now)},
                    },
                    ReturnValuesOnConditionCheckFailure="ALL_OLD",
                )
        except ClientError as error:
            # `calling` lets no other pass than that of a condition that does not hold.
            known: Item = error.response["Item"]  # type: ignore[typeddict-item]  # the stubs do not know it
            return _sent_of(known, self._progress(attempt, known, until, now))
        return _sent_of(first, Progress.OPEN)

    def _progress(self, attempt: Attempt, known: Item, until: Item, now: int) -> Progress:
        if "takenUntil" not in known:
            return Progress.ACCEPTED
        if known["requestId"]["S"] == attempt.request_id:
            # The SDK has repeated a write whose answer was lost.
            return Progress.OPEN
        if known["contentHash"]["S"] != attempt.content_hash or int(known["takenUntil"]["N"]) > now:
            return Progress.AT_WORK
        mine = {"S": attempt.request_id}
        taken = self._update(
            attempt,
            "SET takenUntil = :until, takenBy = :mine",
            "takenUntil = :seen",
            {":seen": known["takenUntil"], ":until": until, ":mine": mine},
            has_made=lambda row: "takenUntil" in row and row.get("takenBy") == mine,
        )
        return Progress.OPEN if taken else Progress.AT_WORK

    def release(self, attempt: Attempt) -> None:
        """See `SentStore.release`."""
        self._update(attempt, "SET takenUntil = :now", "attribute_exists(takenUntil)", {":now": {"N": "0"}})

    def finish(self, attempt: Attempt) -> None:
        """See `SentStore.finish`."""
        self._update(attempt, "REMOVE takenUntil", "attribute_exists(takenUntil)")

    def _update(
        self,
        attempt: Attempt,
        changes: str,
        condition: str,
        values: Item | None = None,
        *,
        has_made: Callable[[Item], bool] | None = None,
    ) -> bool:
        key = _sent_key(attempt)
        return update_if(self._client, self._table, key, changes, condition, values=values, has_made=has_made)


def _sent_key(attempt: Attempt) -> Item:
    return {"key": {"S": attempt.key}}


def _sent_of(item: Item, progress: Progress) -> Sent:
    return Sent(progress, item["contentHash"]["S"], item["requestId"]["S"], int(item["receivedAt"]["N"]))
