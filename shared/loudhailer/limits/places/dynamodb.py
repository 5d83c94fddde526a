"""The places in DynamoDB: PK `tenantId`, SK `place`; `taken`, `countedAt?` and `expiresAt` (epoch seconds, TTL)."""

from collections.abc import Collection
from typing import override

from botocore.exceptions import ClientError

from loudhailer.aws.errors import calling
from loudhailer.aws.rows import Item
from loudhailer.aws.tables import DynamoTable
from loudhailer.ids import TenantId
from loudhailer.limits.places.port import PlaceStore

_HAS_ROOM = "attribute_not_exists(taken) OR taken < :maximum"
_NOT_COUNTED_SINCE = "attribute_exists(taken) AND (attribute_not_exists(countedAt) OR countedAt <= :then)"
_AS_SEEN = "taken = :seen"


class DynamoPlaceStore(DynamoTable, PlaceStore):
    """Keeps the places of all tenants in one DynamoDB table."""

    @override
    def take(self, tenant: TenantId, name: str, maximum: int, *, expires_at: int) -> bool:
        values: Item = {
            ":one": {"N": "1"},
            ":maximum": {"N": str(maximum)},
            ":expiresAt": {"N": str(expires_at)},
        }
        changes = "SET expiresAt = :expiresAt ADD taken :one"
        return maximum > 0 and self._update_row_if(_key(tenant, name), changes, _HAS_ROOM, values)

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
            # `calling` lets only the error of a failed condition pass.
            return None
        return int(answer["Attributes"]["taken"]["N"])

    @override
    def correct(self, tenant: TenantId, name: str, *, seen: int, counted: int) -> None:
        values: Item = {":seen": {"N": str(seen)}, ":counted": {"N": str(counted)}}
        self._update_row_if(_key(tenant, name), "SET taken = :counted", _AS_SEEN, values)

    @override
    def names(self, tenant: TenantId) -> list[str]:
        rows = self._query_rows("tenantId = :tenant", {":tenant": {"S": tenant}}, ProjectionExpression="place")
        return [row["place"]["S"] for row in rows]

    @override
    def delete(self, tenant: TenantId, names: Collection[str]) -> None:
        self._delete_rows(_key(tenant, name) for name in names)


def _key(tenant: TenantId, name: str) -> Item:
    return {"tenantId": {"S": tenant}, "place": {"S": name}}
