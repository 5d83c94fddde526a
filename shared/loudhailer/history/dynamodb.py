"""The tables of history in DynamoDB. No transaction names `history`: it would conflict with plain updates of a head.

history: PK `channel` = `{tenantId}#{channel}`, SK `part`.

| part | attributes |
|---|---|
| `head` | `epoch generation segmentNumber ids madeAt expiresAt` |
| `{epoch}#{segment:012d}`, closed | `ids expiresAt` |

publications: PK `publication` = `{tenantId}#{broadcastId}`; `channel message publishedAt expiresAt`.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, override

from botocore.exceptions import ClientError

from loudhailer.aws.batches import get_rows
from loudhailer.aws.conditions import RETURN_CURRENT_ROW
from loudhailer.aws.errors import calling
from loudhailer.aws.rows import Item
from loudhailer.aws.tables import DynamoTable
from loudhailer.codec import JsonText
from loudhailer.history.model import SEGMENT_IDS, Head, Publication
from loudhailer.history.port import HistoryStore, PublicationStore
from loudhailer.ids import BroadcastId, Channel, ChannelKey, Epoch, TenantId

_IS_NEW = "attribute_not_exists(part)"
_OF_SEGMENT = "epoch = :epoch AND segmentNumber = :segment"
_HAS_ROOM = "size(ids) < :most"
_IS_NEW_ID = "NOT contains(ids, :id)"
_HAS_FEWER = "size(ids) < :number"
_SAME_NUMBER = "size(ids) = :number"

_APPEND = "SET ids = list_append(ids, :ids), expiresAt = :expiresAt"
_MOVE = "SET epoch = :toEpoch, generation = :generation, madeAt = :madeAt, segmentNumber = :toSegment, ids = :none"


class DynamoHistoryStore(DynamoTable, HistoryStore):
    """Keeps heads and segments in one DynamoDB table."""

    @override
    def head(self, channel: ChannelKey) -> Head | None:
        item = self._get_row(_key(channel, "head"))
        return None if item is None else _head_from_item(item)

    @override
    def begin(self, channel: ChannelKey, head: Head, expires_at: int) -> Head:
        item: Item = {
            **_key(channel, "head"),
            "epoch": {"S": head.epoch},
            "generation": {"N": str(head.generation)},
            "madeAt": {"N": str(head.made_at)},
            "segmentNumber": {"N": str(head.segment)},
            "ids": _ids_to_value(head.ids),
            "expiresAt": {"N": str(expires_at)},
        }
        try:
            with calling("PutItem"):
                self._client.put_item(
                    TableName=self._table, Item=item, ConditionExpression=_IS_NEW, **RETURN_CURRENT_ROW
                )
        except ClientError as error:
            return _head_from_item(_current_row(error) or item)
        return head

    @override
    def append(self, channel: ChannelKey, head: Head, message: BroadcastId, expires_at: int) -> Head | None:
        try:
            with calling("UpdateItem"):
                row: Item = self._client.update_item(
                    TableName=self._table,
                    Key=_key(channel, "head"),
                    UpdateExpression=_APPEND,
                    ConditionExpression=f"{_OF_SEGMENT} AND {_HAS_ROOM} AND {_IS_NEW_ID}",
                    ExpressionAttributeValues={
                        **_segment_of(head),
                        ":most": {"N": str(SEGMENT_IDS)},
                        ":id": {"S": message},
                        ":ids": _ids_to_value([message]),
                        ":expiresAt": {"N": str(expires_at)},
                    },
                    ReturnValues="ALL_NEW",
                    **RETURN_CURRENT_ROW,
                )["Attributes"]
        except ClientError as error:
            row = _current_row(error)
        return _head_from_item(row) if row else None

    @override
    def keep_segment(self, channel: ChannelKey, head: Head, expires_at: int) -> None:
        item = _key(channel, _segment_part(head.epoch, head.segment))
        item |= {"ids": _ids_to_value(head.ids), "expiresAt": {"N": str(expires_at)}}
        self._put_row_if(item, f"{_IS_NEW} OR {_HAS_FEWER}", {":number": {"N": str(len(head.ids))}})

    @override
    def move(self, channel: ChannelKey, head: Head, to: Head) -> None:
        values: Item = {
            **_segment_of(head),
            ":number": {"N": str(len(head.ids))},
            ":toEpoch": {"S": to.epoch},
            ":generation": {"N": str(to.generation)},
            ":madeAt": {"N": str(to.made_at)},
            ":toSegment": {"N": str(to.segment)},
            ":none": _ids_to_value(to.ids),
        }
        self._update_row_if(_key(channel, "head"), _MOVE, f"{_OF_SEGMENT} AND {_SAME_NUMBER}", values)

    @override
    def segments(self, channel: ChannelKey, epoch: Epoch, first: int, last: int) -> Mapping[int, Sequence[BroadcastId]]:
        values: Item = {
            ":channel": {"S": channel},
            ":first": {"S": _segment_part(epoch, first)},
            ":last": {"S": _segment_part(epoch, last)},
        }
        rows = self._query_rows("channel = :channel AND part BETWEEN :first AND :last", values)
        return {int(row["part"]["S"].rpartition("#")[2]): _ids_from_item(row) for row in rows}

    @override
    def forget(self, tenant: TenantId) -> int:
        return self._forget_tenant(("channel", "part"), tenant)


class DynamoPublicationStore(DynamoTable, PublicationStore):
    """Keeps messages in one DynamoDB table."""

    @override
    def put(self, publication: Publication, expires_at: int) -> None:
        item: Item = {
            **_publication_key(publication.tenant, publication.broadcast_id),
            "channel": {"S": publication.channel},
            "message": {"S": publication.message},
            "publishedAt": {"N": str(publication.published_at)},
            "expiresAt": {"N": str(expires_at)},
        }
        with calling("PutItem"):
            self._client.put_item(TableName=self._table, Item=item)

    @override
    def of(self, tenant: TenantId, messages: Iterable[BroadcastId]) -> Mapping[BroadcastId, Publication]:
        keys = [_publication_key(tenant, message) for message in messages]
        found = [_publication_from_item(item) for item in get_rows(self._client, self._table, keys)]
        return {one.broadcast_id: one for one in found}

    @override
    def forget(self, tenant: TenantId) -> int:
        return self._forget_tenant(("publication",), tenant)


def _key(channel: ChannelKey, part: str) -> Item:
    return {"channel": {"S": channel}, "part": {"S": part}}


def _segment_part(epoch: Epoch, segment: int) -> str:
    return f"{epoch}#{segment:012d}"


def _segment_of(head: Head) -> Item:
    return {":epoch": {"S": head.epoch}, ":segment": {"N": str(head.segment)}}


def _ids_to_value(messages: Sequence[BroadcastId]) -> Item:
    return {"L": [{"S": message} for message in messages]}


def _ids_from_item(item: Item) -> tuple[BroadcastId, ...]:
    return tuple(BroadcastId(message["S"]) for message in item["ids"]["L"])


def _head_from_item(item: Item) -> Head:
    return Head(
        epoch=Epoch(item["epoch"]["S"]),
        generation=int(item["generation"]["N"]),
        made_at=int(item["madeAt"]["N"]),
        segment=int(item["segmentNumber"]["N"]),
        ids=_ids_from_item(item),
    )


def _current_row(error: ClientError) -> Item:
    """Return the row that a condition was held against; empty if there is none."""
    row: Any = error.response.get("Item", {})  # the stubs do not know it
    return row  # type: ignore[no-any-return]


def _publication_key(tenant: TenantId, message: BroadcastId) -> Item:
    return {"publication": {"S": f"{tenant}#{message}"}}


def _publication_from_item(item: Item) -> Publication:
    tenant, _, message = item["publication"]["S"].partition("#")
    return Publication(
        tenant=TenantId(tenant),
        broadcast_id=BroadcastId(message),
        channel=Channel(item["channel"]["S"]),
        message=JsonText(item["message"]["S"]),
        published_at=int(item["publishedAt"]["N"]),
    )
