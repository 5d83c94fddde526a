"""The places on DynamoDB: PK `tenantId`, SK `place`; `taken`, `countedAt?` and `expiresAt` (epoch seconds, TTL)."""

from collections.abc import Collection
from typing import TYPE_CHECKING, override

from botocore.exceptions import ClientError

from loudhailer.aws.batches import delete_rows
from loudhailer.aws.conditions import update_if
from loudhailer.aws.errors import calling
from loudhailer.aws.rows import Item
from loudhailer.ids import TenantId
from loudhailer.limits.places.port import PlaceStore

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.client import DynamoDBClient


_HAS_ROOM = "attribute_not_exists(taken) OR taken < :maximum"
_NOT_COUNTED_SINCE = "attribute_exists(taken) AND (attribute_not_exists(countedAt) OR countedAt <= :then)"
_AS_SEEN = "taken = :seen"


class DynamoPlaceStore(PlaceStore):
    """Keeps the places of all tenants in one DynamoDB table."""

    def __init__(self, client: "DynamoDBClient", table: str) -> None:
        self._client = client
        self._table = table

    @override
    def take(self, tenant: TenantId, name: str, maximum: int, *, expires_at: int) -> bool:
        values: Item = {
            ":one": {"N": "1"},
            ":maximum": {"N": str(maximum)},
            ":expiresAt": {"N": str(expires_at)},
        }
        return maximum > 0 and self._update(
            tenant, name, "SET expiresAt = :expiresAt ADD taken :one", _HAS_ROOM, values
        )

    @override
    def claim_count(self, tenant: TenantId, name: str, *, now: int, every: int) -> int | None:
        try:
            with calling("UpdateItem"):
                answer = self._client.update_item(
                    TableName=self._table,
                    Key=_key(tenant, name),
                    UpdateExpression="SET countedAt = :now",
                    ConditionExpression=_NOT_COUNTED_SINCE,
                    ExpressionAttributeValues={":now": {"N": str(now)}, ":then": {"N": str(now - every)}},
                    ReturnValues="ALL_NEW",
                )
        except ClientError:
            # `calling` lets no other pass than that of a condition that does not hold.
            return None
        return int(answer["Attributes"]["taken"]["N"])

    @override
    def correct(self, tenant: TenantId, name: str, *, seen: int, counted: int) -> None:
        values: Item = {":seen": {"N": str(seen)}, ":counted": {"N": str(counted)}}
        self._update(tenant, name, "SET taken = :counted", _AS_SEEN, values)

    @override
    def names(self, tenant: TenantId) -> list[str]:
        pages = self._client.get_paginator("query").paginate(
            TableName=self._table,
            KeyConditionExpression="tenantId = :tenant",
            ProjectionExpression="place",
            ExpressionAttributeValues={":tenant": {"S": tenant}},
            ConsistentRead=True,
        )
        with calling("Query"):
            return [item["place"]["S"] for page in pages for item in page["Items"]]

    @override
    def delete(self, tenant: TenantId, names: Collection[str]) -> None:
        delete_rows(self._client, self._table, (_key(tenant, name) for name in names))

    def _update(self, tenant: TenantId, name: str, changes: str, condition: str, values: Item) -> bool:
        return update_if(self._client, self._table, _key(tenant, name), changes, condition, values=values)


def _key(tenant: TenantId, name: str) -> Item:
    return {"tenantId": {"S": tenant}, "place": {"S": name}}
