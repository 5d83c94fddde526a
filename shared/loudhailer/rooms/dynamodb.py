"""The rooms in DynamoDB: `roomKey`, `nickName` and `roomIndexKey` of the table `connections`, and its index `room`."""

from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any, override

from botocore.exceptions import ClientError

from loudhailer.aws.errors import calling
from loudhailer.aws.tables import DynamoTable
from loudhailer.connections.dynamodb import key_from_item, key_to_item
from loudhailer.connections.model import ConnectionKey
from loudhailer.errors import TransientError
from loudhailer.ids import RoomKey, TenantId, tenant_of
from loudhailer.rooms.model import Membership, membership_of
from loudhailer.rooms.port import Joined, RoomStore

if TYPE_CHECKING:
    from loudhailer.aws.rows import Item

_IN_NO_ROOM = "attribute_exists(connectionId) AND attribute_not_exists(roomKey)"
_IN_ROOM = "roomKey = :formerRoom AND nickName = :formerName"

_ATTEMPTS = 5


class DynamoRoomStore(DynamoTable, RoomStore):
    """Keeps the rooms in the table of the connections."""

    def join(self, key: ConnectionKey, membership: Membership) -> Joined | None:
        """See `RoomStore.join`.

        The former room is read first and is part of the condition. Otherwise, if the SDK repeats an update whose answer
        was lost, the new room would be returned as the former one.
        """
        values: Item = {
            ":room": {"S": membership.room},
            ":nickname": {"S": membership.nickname},
            ":index": {"S": _index_key(tenant_of(key.partition), membership.room)},
        }
        for _ in range(_ATTEMPTS):
            former = self.membership(key)
            condition, condition_values = _IN_NO_ROOM, values
            if former is not None:
                condition = _IN_ROOM
                condition_values = values | {":formerRoom": {"S": former.room}, ":formerName": {"S": former.nickname}}
            try:
                with calling("UpdateItem"):
                    self._client.update_item(
                        TableName=self._table,
                        Key=key_to_item(key),
                        UpdateExpression="SET roomKey = :room, nickName = :nickname, roomIndexKey = :index",
                        ConditionExpression=condition,
                        ExpressionAttributeValues=condition_values,
                        ReturnValuesOnConditionCheckFailure="ALL_OLD",
                    )
            except ClientError as error:
                # `calling` lets only the error of a failed condition pass.
                current_row: Item | None = error.response.get("Item")  # type: ignore[assignment]  # not in the stubs
                if current_row is None:
                    return None
                if membership_of(current_row) != membership:
                    continue
            return Joined(former)
        raise TransientError(f"other frames of the connection changed its room in {_ATTEMPTS} attempts")

    @override
    def membership(self, key: ConnectionKey) -> Membership | None:
        return membership_of(self._get_row(key_to_item(key), ProjectionExpression="roomKey, nickName") or {})

    @override
    def members(self, tenant: TenantId, room: RoomKey, *, limit: int) -> list[ConnectionKey]:
        pages = self._pages(tenant, room, PaginationConfig={"PageSize": limit})
        return [key_from_item(item) for item in islice((item for page in pages for item in page["Items"]), limit)]

    def size(self, tenant: TenantId, room: RoomKey, *, limit: int) -> int:
        """See `RoomStore.size`: DynamoDB counts the rows, and returns no keys."""
        counted = 0
        for page in self._pages(tenant, room, Select="COUNT"):
            counted += page["Count"]
            if counted >= limit:
                return limit
        return counted

    def _pages(self, tenant: TenantId, room: RoomKey, **request: Any) -> Iterator[Any]:
        values = {":room": {"S": _index_key(tenant, room)}}
        return self._query_pages("roomIndexKey = :room", values, consistent=False, IndexName="room", **request)

    @override
    def remove(self, key: ConnectionKey) -> None:
        self._delete_row(key_to_item(key))


def _index_key(tenant: TenantId, room: RoomKey) -> str:
    return f"{tenant}#{room}"
